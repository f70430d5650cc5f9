import { SEARCH_TOOLS } from './search/definitions.ts'
import type { OfferedServer, ViewLimits, ViewTool, WideView } from './view-types.ts'

/** Names of servers in the notice. */
const MAX_SHOWN = 5

/** What one list shows of its tools. */
export interface Cut {
  shown: readonly ViewTool[]
  /** The servers that are left out, in a sentence; undefined: none. */
  cut: string | undefined
}

/**
 * Whole servers, the nearest first, then by name, as long as they fit beside the search tools: half a server's tools would mislead more
 * than none. The order is the same at every call, so that a list only changes when the servers do.
 */
export function cutRows(rows: readonly ViewTool[], servers: readonly OfferedServer<unknown>[], spec: Pick<WideView, 'name'>, { maxTools = Infinity }: ViewLimits): Cut {
  if (rows.length <= maxTools) return { shown: rows, cut: undefined }
  const counts = new Map<string, number>()
  for (const { server } of rows) counts.set(server, (counts.get(server) ?? 0) + 1)
  let room = maxTools - SEARCH_TOOLS.length
  const left: string[] = []
  const kept = new Set<string>()
  for (const { server } of servers.toSorted((a, b) => (a.distance ?? 0) - (b.distance ?? 0) || (a.server < b.server ? -1 : 1))) {
    const count = counts.get(server) ?? 0
    if (count === 0) continue
    if (count > room) left.push(server)
    else {
      kept.add(server)
      room -= count
    }
  }
  const shown = rows.filter(({ server }) => kept.has(server))
  return { shown, cut: explain(left, rows.length - shown.length, maxTools, spec.name === 'default' ? '/mcp' : `/mcp/@${spec.name}`) }
}

function explain(left: readonly string[], tools: number, maxTools: number, view: string): string {
  const more = left.length > MAX_SHOWN ? ` and ${left.length - MAX_SHOWN} more` : ''
  return (
    `${view} does not list ${tools} tools of the servers ${left.slice(0, MAX_SHOWN).join(', ')}${more}, because catalog.max_tools is ${maxTools}: ` +
    'clients find them with its search_tools, or list them at /mcp/<server>; they can be called all the same.'
  )
}
