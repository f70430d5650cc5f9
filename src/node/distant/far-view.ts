import type { FarTools } from '../../mcp/search/far.ts'
import type { ViewTool } from '../../mcp/view-types.ts'
import { isShown } from '../../mcp/view-tools.ts'
import type { View, ViewSpec } from '../../mcp/views.ts'
import type { Json } from '../../wire/json-rpc.ts'
import type { ToolTarget } from '../calls/offered.ts'
import type { FarTool, FarToolSearch } from './far-tools.ts'

/** Whether a view of this kind shows the tool when it is found. */
export function showsFar(spec: ViewSpec, { name, target }: FarTool): boolean {
  return 'server' in spec ? spec.server === target.advertised : isShown(spec, name) && (spec.servers === undefined || spec.servers.includes(target.advertised))
}

/** Far tools as one view shows them: what its patterns and its servers leave out is not found there. */
export function farToolsOf(view: View<ToolTarget>, spec: ViewSpec, far: FarToolSearch, definition: (digest: string) => Json | undefined, signal?: AbortSignal): FarTools {
  const isWanted = (tool: FarTool) => showsFar(spec, tool)
  const find = (name: string) => {
    const found = far.find(name, view.table.get(name))
    return typeof found !== 'object' || isWanted(found) ? found : undefined
  }
  const row = ({ name, target }: FarTool, known: Json | undefined): ViewTool => ({ name, server: target.advertised, definition: { ...known, name } })
  return {
    async search(query, limit) {
      const { tools, partial } = await far.search(query, limit, signal)
      return { tools: tools.filter(isWanted).map((tool) => row(tool, definition(tool.target.digest))), partial }
    },
    find(name) {
      const found = find(name)
      return typeof found === 'object' ? 'found' : found
    },
    async describe(name) {
      const found = find(name)
      if (typeof found !== 'object') return undefined
      const known = await far.describe(found)
      return known === undefined ? undefined : row(found, known)
    }
  }
}
