import { matchesAny } from '../base/patterns.ts'
import type { Json } from '../wire/json-rpc.ts'
import { assignNames } from './names.ts'
import type { Offered, OfferedServer, ViewTool, WideView } from './view-types.ts'

export interface ToolRows<T> {
  table: Map<string, T>
  rows: ViewTool[]
  notices: string[]
}

/** One server's tools under bare names, sorted; of a name that is there twice the first counts. */
export function bareTools<T>(tools: readonly Offered<T>[]): ToolRows<T> {
  return sortedRows(new Map(tools.toReversed().map((tool) => [tool.tool, tool])))
}

/** All servers' tools under advertised names, filtered and renamed as the view says, sorted by name. */
export function advertisedTools<T>(servers: readonly OfferedServer<T>[], view: WideView): ToolRows<T> {
  // Named before anything is filtered: a name, and with it every pattern and rename, means the same in all views.
  const all = servers.flatMap(({ tools }) => tools)
  const names = assignNames(all)
  const shown = new Map<string, Offered<T>>()
  const wantedServers = view.servers === undefined ? undefined : new Set(view.servers)
  const everyName = view.deny.length === 0 && view.allow.includes('*')
  for (const [index, tool] of all.entries()) {
    const name = names[index] as string
    if (shown.has(name)) continue
    if (wantedServers !== undefined && !wantedServers.has(tool.server)) continue
    if (everyName || isShown(view, name)) shown.set(name, tool)
  }
  const wanted = Object.entries(view.rename)
  if (wanted.length === 0) return sortedRows(shown)
  const { accepted, notices } = checkRenames(shown, wanted, view.name)
  const renamed = new Map([...shown].map(([name, tool]) => [accepted.get(name) ?? name, tool]))
  return { ...sortedRows(renamed), notices }
}

/** Whether the view shows a tool or prompt of this name. */
export function isShown(view: Pick<WideView, 'allow' | 'deny'>, name: string): boolean {
  return matchesAny(view.allow, name) && !matchesAny(view.deny, name)
}

function sortedRows<T>(tools: ReadonlyMap<string, Offered<T>>): ToolRows<T> {
  const table = new Map<string, T>()
  const rows: ViewTool[] = []
  // By code units, so that every node agrees.
  for (const name of [...tools.keys()].sort()) {
    const { server, definition, target } = tools.get(name) as Offered<T>
    table.set(name, target)
    rows.push({ name, server, definition: named(definition, name) })
  }
  return { table, rows, notices: [] }
}

/** Renames that leave all names different. All that want one name are refused together: none depends on the order. */
function checkRenames(shown: ReadonlyMap<string, unknown>, wanted: readonly [string, string][], view: string): { accepted: Map<string, string>; notices: string[] } {
  const accepted = new Map(wanted.filter(([from]) => shown.has(from)))
  const notices = wanted
    .filter(([from]) => !shown.has(from))
    .map(([from]) => `mcp.views.${view}.rename: there is no tool "${from}" in this view now: take the name from \`skein tools ls\`.`)
  for (let settled = false; !settled; ) {
    settled = true
    const wishes = new Map<string, number>()
    for (const to of accepted.values()) wishes.set(to, (wishes.get(to) ?? 0) + 1)
    for (const [from, to] of accepted) {
      const isTaken = shown.has(to) && !accepted.has(to)
      if (!isTaken && wishes.get(to) === 1) continue
      accepted.delete(from)
      settled = false
      notices.push(`mcp.views.${view}.rename: "${from}" keeps its name, because another tool of this view is called "${to}": choose another name.`)
    }
  }
  return { accepted, notices }
}

interface NamedCopy {
  name: string
  definition: Json
  next: NamedCopy | undefined
}

/** Names per definition that are remembered: one for each view that renames it, and those of copies of a server. */
const MAX_COPIES = 8

/** Copies by the server's own definition: when one server changes, the objects of the others stay what they are. */
const copies = new WeakMap<Json, NamedCopy>()

/** The definition with this name inside; the same object every time it is asked for. */
function named(definition: Json, name: string): Json {
  if (definition.name === name) return definition
  const first = copies.get(definition)
  let count = 0
  for (let copy = first; copy !== undefined; copy = copy.next) {
    if (copy.name === name) return copy.definition
    count += 1
  }
  const copy: NamedCopy = { name, definition: { ...definition, name }, next: count < MAX_COPIES ? first : undefined }
  copies.set(definition, copy)
  return copy.definition
}
