import { findNear, rankTogether } from '../../mcp/search/search.ts'
import type { View, ViewTool } from '../../mcp/view-types.ts'
import type { Json } from '../../wire/json-rpc.ts'
import type { ToolTarget } from '../calls/offered.ts'
import type { FarTool, FarToolSearch } from './far-tools.ts'

/** Tools by words, in the whole federation: the part of NodeApi behind `skein tools search`. */
export interface ToolSearch {
  /**
   * The best first. What it finds beyond the lists of this node can be called under its name for ten minutes. The empty query lists tools
   * of this node's lists by name.
   */
  searchTools(query: string, options: { limit: number; signal?: AbortSignal }): Promise<ToolMatches>
}

export interface ToolMatches {
  tools: ToolMatch[]
  /** How many fit, shown or not; of those beyond this node's lists only the best are counted. */
  total: number
  /** Parts of the federation did not answer in time: there may be more. */
  partial: boolean
}

export interface ToolMatch {
  /** Advertised name, or the one under which it can be called here. */
  name: string
  /** The name of its server in front of it. */
  server: string
  tool: string
  description: string
  digest: string
  /** Nodes that have it: those in the pools of this node, and, where the hub told, those beyond. */
  providers: number
  /** All of them are beyond the pools of this node: a call goes through hubs. */
  distant: boolean
  /** In the lists of this node; else a search found it. */
  listed: boolean
}

export interface ToolSearchDeps {
  /** Everything that is listed at this node. */
  view(): View<ToolTarget> | undefined
  /** Whether that view would show this one too. */
  shows(tool: FarTool): boolean
  far: { search: FarToolSearch; definition(digest: string): Json | undefined } | undefined
}

export function createToolSearch({ view, shows, far }: ToolSearchDeps): ToolSearch {
  /** @param count nodes beyond the pools of this one that have it, as far as the hub told */
  function matchOf({ name, server, definition }: ViewTool, target: ToolTarget, { listed, count }: { listed: boolean; count: number }): ToolMatch {
    const { tool, digest, providers } = target
    return {
      name, server, tool, digest,
      description: typeof definition['description'] === 'string' ? definition['description'] : '',
      providers: providers.length || count,
      distant: providers.length === 0,
      listed
    }
  }

  return {
    async searchTools(query, { limit, signal }) {
      const found = query.trim() === '' ? undefined : await far?.search.search(query, limit, signal)
      const { tools: distant, partial } = found ?? { tools: [], partial: false }
      const current = view()
      const near = current === undefined ? [] : findNear(current, query)
      const byName = new Map(distant.filter((tool) => current?.table.has(tool.name) !== true && shows(tool)).map((tool) => [tool.name, tool]))
      const counts = new Map(distant.map(({ name, count }) => [name, count]))
      const rows = [...byName.values()].map(({ name, target }): ViewTool => ({ name, server: target.advertised, definition: { ...far?.definition(target.digest), name } }))
      const tools = rankTogether(near, rows, query, limit).slice(0, limit).map((row) => {
        const known = byName.get(row.name)
        return matchOf(row, known?.target ?? (current?.table.get(row.name) as ToolTarget), { listed: known === undefined, count: counts.get(row.name) ?? 0 })
      })
      return { tools, total: near.length + byName.size, partial }
    }
  }
}
