import { Document, isMap, isScalar, parseDocument, type Node, type Pair, type YAMLMap } from 'yaml'
import { isDeepStrictEqual } from 'node:util'

export interface NewServer {
  name: string
  entry: Record<string, unknown>
}

interface Edit {
  from: number
  to: number
  text: string
}

/** Spaces per level where the file shows none. */
const STEP = 2

/**
 * The text of a configuration file with these servers under `mcp.servers`, in place of those of the same name; every other character
 * stays what it was, comments and layout included. The text must be a valid file. Undefined: it is written in a way that cannot be
 * extended safely (aliases, for example).
 */
export function mergeServers(text: string, servers: readonly NewServer[]): string | undefined {
  if (servers.length === 0) return text
  const document = parseDocument(text)
  const edits = editsFor(document, text, servers)
  const merged = edits === undefined ? undefined : apply(text, edits)
  return merged !== undefined && isDeepStrictEqual(valuesOf(merged), expected(document, servers)) ? merged : undefined
}

/** What the file must say afterwards: nothing is written on trust. */
function expected(document: Document, servers: readonly NewServer[]): unknown {
  const values = (document.toJS() ?? {}) as { mcp?: { servers?: Record<string, unknown> } }
  const added = Object.fromEntries(servers.map(({ name, entry }) => [name, entry]))
  return { ...values, mcp: { ...values.mcp, servers: { ...values.mcp?.servers, ...added } } }
}

function valuesOf(text: string): unknown {
  const document = parseDocument(text)
  return document.errors.length > 0 ? undefined : document.toJS()
}

function editsFor(document: Document, text: string, servers: readonly NewServer[]): Edit[] | undefined {
  const root = document.contents as Node | null
  const inServers = new Map(servers.map(({ name, entry }) => [name, entry]))
  if (root === null || (isScalar(root) && root.value === null)) return [{ from: text.length, to: text.length, text: `${newlineBefore(text, text.length)}${block({ mcp: { servers: Object.fromEntries(inServers) } }, 0)}` }]
  if (!isMap(root)) return undefined
  const mcp = pairOf(root, 'mcp')
  if (mcp === undefined) return [addTo(root, text, { mcp: { servers: Object.fromEntries(inServers) } })]
  const mcpMap = mcp.value
  if (!isMap(mcpMap)) return isNull(mcp) ? fill(mcp, text, { servers: Object.fromEntries(inServers) }, columnOf(root, text)) : undefined
  const list = pairOf(mcpMap, 'servers')
  if (list === undefined) return [addTo(mcpMap, text, { servers: Object.fromEntries(inServers) })]
  const map = list.value
  if (!isMap(map)) return isNull(list) ? fillIn(mcpMap, list, text, Object.fromEntries(inServers)) : undefined
  const edits: Edit[] = []
  for (const [name, entry] of inServers) {
    const old = pairOf(map, name)
    if (old === undefined) continue
    inServers.delete(name)
    const from = startOf(old)
    edits.push({ from, to: endOf(old), text: map.flow === true ? inFlow({ [name]: entry }) : block({ [name]: entry }, columnAt(text, from)).trim() })
  }
  if (inServers.size > 0) edits.push(addTo(map, text, Object.fromEntries(inServers)))
  return edits
}

/** New members of a map: after the last one of a block, at the beginning of one in braces. */
function addTo(map: YAMLMap, text: string, members: Record<string, unknown>): Edit {
  if (map.flow === true || map.items.length === 0) {
    const at = (map.range?.[0] ?? 0) + 1
    return { from: at, to: at, text: `${inFlow(members)}${map.items.length === 0 ? '' : ', '}` }
  }
  const at = nextLine(text, endOf(map.items.at(-1) as Pair))
  return { from: at, to: at, text: `${newlineBefore(text, at)}${block(members, columnOf(map, text))}` }
}

/** `key:` without a value gets one; inside braces that must be in braces too. */
function fillIn(parent: YAMLMap, pair: Pair, text: string, members: Record<string, unknown>): Edit[] | undefined {
  return parent.flow === true ? undefined : fill(pair, text, members, columnOf(parent, text))
}

function fill(pair: Pair, text: string, members: Record<string, unknown>, column: number): Edit[] {
  const keyEnd = (pair.key as Node).range?.[1] ?? 0
  const [from = keyEnd, to = keyEnd] = (pair.value as Node | null)?.range ?? []
  const at = nextLine(text, Math.max(keyEnd, text.indexOf(':', keyEnd) + 1))
  // A written-out null or ~ goes away.
  const written = to > from ? [{ from, to, text: '' }] : []
  return [...written, { from: at, to: at, text: `${newlineBefore(text, at)}${block(members, column + STEP)}` }]
}

function apply(text: string, edits: readonly Edit[]): string {
  const newline = text.includes('\r\n') ? '\r\n' : '\n'
  let result = text
  for (const edit of edits.toSorted((a, b) => b.from - a.from)) result = result.slice(0, edit.from) + edit.text.replaceAll('\n', newline) + result.slice(edit.to)
  return result
}

/** As lines of YAML, lists of texts on one line, all moved to `column`. */
function block(members: Record<string, unknown>, column: number): string {
  const document = new Document(members)
  flattenLists(document.contents)
  const lines = document.toString({ lineWidth: 0, indent: STEP, flowCollectionPadding: false }).trimEnd().split('\n')
  return lines.map((line) => (line === '' ? '' : `${' '.repeat(column)}${line}`)).join('\n') + '\n'
}

function flattenLists(node: unknown): void {
  if (!isMap(node)) return
  for (const { value } of node.items as Pair[]) {
    if (isMap(value)) flattenLists(value)
    else if (value !== null && typeof value === 'object' && 'items' in value) (value as { flow?: boolean }).flow = true
  }
}

/** JSON is YAML in braces. */
function inFlow(members: Record<string, unknown>): string {
  return JSON.stringify(members).slice(1, -1)
}

function pairOf(map: YAMLMap, name: string): Pair | undefined {
  return (map.items as Pair[]).find(({ key }) => isScalar(key) && String(key.value) === name)
}

function isNull({ value }: Pair): boolean {
  return value === null || (isScalar(value) && value.value === null)
}

function startOf(pair: Pair): number {
  return (pair.key as Node).range?.[0] ?? 0
}

/** Where the last character of the content ends, without comments after it. */
function endOf(pair: Pair): number {
  const value = pair.value as Node | null
  const keyEnd = (pair.key as Node).range?.[1] ?? 0
  if (isMap(value) && value.flow !== true && value.items.length > 0) return endOf(value.items.at(-1) as Pair)
  // The end of what is not there would be after the comments.
  if (value === null || (isScalar(value) && value.source === '')) return keyEnd
  return value.range?.[1] ?? keyEnd
}

function columnOf(map: YAMLMap, text: string): number {
  return columnAt(text, startOf(map.items[0] as Pair))
}

function columnAt(text: string, offset: number): number {
  return offset - (text.lastIndexOf('\n', offset - 1) + 1)
}

/** The beginning of the line after the one in which `offset` is. */
function nextLine(text: string, offset: number): number {
  if (text[offset - 1] === '\n') return offset
  const end = text.indexOf('\n', offset)
  return end < 0 ? text.length : end + 1
}

function newlineBefore(text: string, at: number): string {
  return at === 0 || text[at - 1] === '\n' ? '' : '\n'
}
