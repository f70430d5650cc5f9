import type { ToolList } from './ports.ts'
import type { Json } from '../wire/json-rpc.ts'
import { assignNames, type NamedTool } from './names.ts'

export interface Offered<T> extends NamedTool {
  /** As the server gave it, bare name inside. */
  definition: Json
  /** What the caller needs to route a call. */
  target: T
}

export interface View<T> extends ToolList {
  /** Advertised name -> target: the only way back from a name. */
  table: Map<string, T>
}

const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)

/**
 * What one view lists: everything under advertised names, or with `server` that one server under bare names.
 * Definitions are copied with nothing but the name changed, sorted by name (code units, so that every node agrees).
 * Of the same {server, tool} offered twice the first counts.
 */
export function buildView<T>(offered: readonly Offered<T>[], server?: string): View<T> {
  const wanted = server === undefined ? offered : offered.filter((tool) => tool.server === server)
  const names = server === undefined ? assignNames(wanted) : wanted.map((tool) => tool.tool)
  const rows = wanted.map((tool, index) => ({ name: names[index] as string, tool })).toSorted(byName)
  const table = new Map<string, T>()
  const tools: Json[] = []
  for (const { name, tool } of rows) {
    if (table.has(name)) continue
    table.set(name, tool.target)
    tools.push({ ...tool.definition, name })
  }
  return { tools, table }
}
