import { isObject } from '../../base/is-object.ts'
import { nearest } from '../../base/nearest.ts'
import type { Json } from '../../wire/json-rpc.ts'
import type { View, ViewTool } from '../view-types.ts'
import { DEFAULT_LIMIT, MAX_DESCRIPTION, MAX_LIMIT, MAX_QUERY, SEARCH_TOOLS } from './definitions.ts'
import type { FarTools } from './far.ts'
import { createToolIndex, type ToolIndex } from './tool-index.ts'

/** What a `tools/call` in a search view means. */
export type SearchOutcome =
  /** The result; mistakes in the arguments are `isError` results, because models read those. A promise, when others are asked; it never rejects. */
  | { answer: Json | Promise<Json> }
  /** To be run in place of the call, with everything else of the request as it is; the name is one of the view's table. */
  | { call: { name: string; arguments: Json } }
  /** There is no such tool: a sentence for the JSON-RPC error. */
  | { problem: string }

/** Names that a message about an unknown tool offers. */
const MAX_SUGGESTED = 5
/** Names that are compared letter by letter with a wrong one: a millisecond's work. */
const MAX_COMPARED = 500
/** Names of servers in a message. */
const MAX_SERVERS = 20
/** What others wrote is quoted up to here. */
const MAX_QUOTED = 128

/** To be said when an answer is not all of it. */
const PARTIAL = 'Parts of the federation did not answer, so there may be more: search again in a moment.'

/** One view's index, made when it is first searched. */
const indexes = new WeakMap<object, ToolIndex>()

/** Whether a call of this name in this view is one for `searchCall`. */
export function isSearchCall(view: View<unknown>, name: string): boolean {
  return view.mode === 'search' || (view.searches && !view.table.has(name) && SEARCH_TOOLS.some((tool) => tool.name === name))
}

/**
 * Answers `search_tools` and `describe_tool`, and turns `call_tool` into the call it stands for: one look-up, no index.
 * @param far what is beyond the view; undefined: nothing
 */
export function searchCall(view: View<unknown>, name: string, args: unknown, far?: FarTools): SearchOutcome {
  switch (name) {
    case 'call_tool':
      return callTool(view, args, far)
    case 'describe_tool':
      return { answer: describeTool(view, args, far) }
    case 'search_tools':
      return { answer: searchTools(view, args, far) }
    default:
      return { problem: `there is no tool named "${name.slice(0, MAX_QUOTED)}" in this view: it has ${SEARCH_TOOLS.map((tool) => String(tool.name)).join(', ')}; other tools run through call_tool` }
  }
}

function callTool(view: View<unknown>, args: unknown, far: FarTools | undefined): SearchOutcome {
  const form = 'such as {"name": "server__tool", "arguments": {}}'
  const wrong = argumentProblem('call_tool', args, ['name', 'arguments'], form)
  if (wrong !== undefined) return { answer: failure(wrong) }
  const { name, arguments: inner = {} } = args as Json
  if (typeof name !== 'string') return { answer: failure(`call_tool needs "name", the name of a tool as search_tools gave it, ${form}.`) }
  if (!isObject(inner)) return { answer: failure(`"arguments" of call_tool must be an object with the arguments of the tool, ${form}, not ${kindOf(inner)}.`) }
  const found = far?.find(name)
  if (found === 'moved') return { answer: movedTool(name) }
  return found === 'found' || view.table.has(name) ? { call: { name, arguments: inner } } : { answer: unknownTool(view, name) }
}

function describeTool(view: View<unknown>, args: unknown, far: FarTools | undefined): Json | Promise<Json> {
  const form = 'such as {"name": "server__tool"}'
  const wrong = argumentProblem('describe_tool', args, ['name'], form)
  if (wrong !== undefined) return failure(wrong)
  const { name } = args as Json
  if (typeof name !== 'string') return failure(`describe_tool needs "name", the name of a tool as search_tools gave it, ${form}.`)
  const found = far?.find(name)
  if (found === 'moved') return movedTool(name)
  const tool = toolNamed(view.rows, name)
  if (tool !== undefined) return described(tool)
  if (far === undefined || found === undefined) return unknownTool(view, name)
  return far.describe(name).then((distant) => (distant === undefined ? failure(`The definition of "${name.slice(0, MAX_QUOTED)}" cannot be had now: try again in a moment, or search again.`) : described(distant)))
}

function described({ definition }: ViewTool): Json {
  return { content: [{ type: 'text', text: JSON.stringify(definition) }], structuredContent: definition }
}

function searchTools(view: View<unknown>, args: unknown, far: FarTools | undefined): Json | Promise<Json> {
  const form = 'such as {"query": "read file", "limit": 10}'
  const wrong = argumentProblem('search_tools', args, ['query', 'limit', 'server'], form)
  if (wrong !== undefined) return failure(wrong)
  const { query, limit = DEFAULT_LIMIT, server } = args as Json
  if (typeof query !== 'string') return failure(`search_tools needs "query", a text with a few words for what should be done, ${form}.`)
  if (query.length > MAX_QUERY) return failure(`"query" may have at most ${MAX_QUERY} characters: use a few words.`)
  if (!Number.isInteger(limit) || (limit as number) < 1 || (limit as number) > MAX_LIMIT) return failure(`"limit" must be a whole number from 1 to ${MAX_LIMIT}.`)
  if (server !== undefined && typeof server !== 'string') return failure('"server" must be the name of a server as search_tools gave it; leave it out to search all.')
  const near = findNear(view, query, server)
  if (far === undefined || query.trim() === '') return server !== undefined && !hasServer(view, server) ? failure(unknownServer(view.rows, server)) : result(near, limit as number, near.length)
  return far.search(query, limit as number).then(({ tools, partial }) => {
    const distant = tools.filter((tool) => (server === undefined || tool.server === server) && !view.table.has(tool.name))
    if (server !== undefined && distant.length === 0 && !hasServer(view, server)) return failure(unknownServer(view.rows, server))
    return result(rankTogether(near, distant, query, limit as number), limit as number, near.length + distant.length, partial)
  })
}

/** Tools of the view that fit the words, best first; with `server` those of that server. */
export function findNear(view: View<unknown>, query: string, server?: string): readonly ViewTool[] {
  return withExactFirst(indexOf(view).search(query, server === undefined ? undefined : (tool) => tool.server === server), query)
}

/** The best of both. Scores of two indexes do not compare, so the best ones are ranked anew in one. */
export function rankTogether(near: readonly ViewTool[], distant: readonly ViewTool[], query: string, limit: number): readonly ViewTool[] {
  if (distant.length === 0) return near
  const all = [...near.slice(0, limit), ...distant].sort((a, b) => (a.name < b.name ? -1 : 1))
  const ranked = createToolIndex(all).search(query)
  // What only other nodes' words of it fit still was found.
  return withExactFirst([...ranked, ...all.filter((tool) => !ranked.includes(tool))], query)
}

function result(found: readonly ViewTool[], limit: number, total: number, partial = false): Json {
  const tools = found.slice(0, limit).map(shown)
  const text = partial ? `${listing(tools, total)}\n${PARTIAL}` : listing(tools, total)
  return { content: [{ type: 'text', text }], structuredContent: { tools, total, ...(partial ? { partial } : {}) } }
}

function hasServer(view: View<unknown>, server: string): boolean {
  return view.rows.some((tool) => tool.server === server)
}

function listing(tools: readonly { name: string; description: string }[], total: number): string {
  if (total === 0) return 'No tool fits: try other words, or an empty query to list tools by name.'
  const lines = tools.map(({ name, description }) => (description === '' ? name : `${name}: ${description}`))
  if (total > tools.length) lines.push(`(${total - tools.length} more: use more precise words, or a larger limit)`)
  return lines.join('\n')
}

/** A name that was written out is what was meant. */
function withExactFirst(tools: readonly ViewTool[], query: string): readonly ViewTool[] {
  const at = tools.findIndex(({ name }) => name === query.trim())
  return at <= 0 ? tools : [tools[at] as ViewTool, ...tools.slice(0, at), ...tools.slice(at + 1)]
}

function shown({ name, server, definition }: ViewTool): { name: string; server: string; title?: string; description: string } {
  const { title } = definition
  const description = typeof definition.description === 'string' ? definition.description.slice(0, 4 * MAX_DESCRIPTION).replace(/\s+/g, ' ').trim() : ''
  return { name, server, ...(typeof title === 'string' ? { title: cut(title) } : {}), description: cut(description) }
}

function cut(text: string): string {
  return text.length <= MAX_DESCRIPTION ? text : `${text.slice(0, MAX_DESCRIPTION - 1)}…`
}

function unknownTool(view: View<unknown>, name: string): Json {
  const quoted = name.slice(0, MAX_QUOTED)
  const similar = indexOf(view).search(quoted).slice(0, MAX_COMPARED).map((tool) => tool.name)
  const near = nearest(quoted, similar)
  const names = [...new Set([...(near === undefined ? [] : [near]), ...similar])].slice(0, MAX_SUGGESTED)
  return failure(`There is no tool named "${quoted}". ${names.length === 0 ? 'Find the right name with search_tools.' : `Similar names: ${names.join(', ')}. Or find the right one with search_tools.`}`)
}

function movedTool(name: string): Json {
  return failure(`The name "${name.slice(0, MAX_QUOTED)}" stands for a tool of another server by now: search again for the one you want.`)
}

function unknownServer(rows: readonly ViewTool[], server: string): string {
  const servers = [...new Set(rows.map((tool) => tool.server))].sort()
  const more = servers.length > MAX_SERVERS ? ` and ${servers.length - MAX_SERVERS} more` : ''
  return `There is no server named "${server.slice(0, MAX_QUOTED)}" with tools. Servers: ${servers.slice(0, MAX_SERVERS).join(', ')}${more}. Leave "server" out to search all.`
}

function argumentProblem(tool: string, args: unknown, known: readonly string[], form: string): string | undefined {
  if (!isObject(args)) return `${tool} needs arguments, ${form}.`
  const unknown = Object.keys(args).find((key) => !known.includes(key))
  return unknown === undefined ? undefined : `${tool} has no argument "${unknown.slice(0, MAX_QUOTED)}"; it takes ${known.join(', ')}, ${form}.`
}

/** By bisection: rows are sorted by name. */
function toolNamed(rows: readonly ViewTool[], name: string): ViewTool | undefined {
  let low = 0
  let high = rows.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((rows[middle] as ViewTool).name < name) low = middle + 1
    else high = middle
  }
  return rows[low]?.name === name ? rows[low] : undefined
}

function indexOf(view: View<unknown>): ToolIndex {
  const found = indexes.get(view)
  if (found !== undefined) return found
  const made = createToolIndex(view.rows)
  indexes.set(view, made)
  return made
}

function failure(text: string): Json {
  return { content: [{ type: 'text', text }], isError: true }
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`
}
