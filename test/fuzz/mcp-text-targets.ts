import { randomInt, type Random } from '../../src/base/random.ts'
import { parseMessages } from '../../src/mcp-io/message-parse.ts'
import { createSseParser } from '../../src/mcp-io/sse-parser.ts'
import { checkParams, requireHeaders } from '../../src/mcp/downstream/rev2026/headers.ts'
import { withType } from '../../src/mcp/downstream/rev2026/results.ts'
import { searchCall } from '../../src/mcp/search/search.ts'
import { namingHeaders } from '../../src/mcp/upstream/rev2026/headers.ts'
import { uriMatcher } from '../../src/mcp/uri-template.ts'
import { buildView } from '../../src/mcp/views.ts'
import { openState, sealState } from '../../src/node/calls/request-state.ts'
import { readAbout } from '../../src/wire/about.ts'
import { responseText, type Json } from '../../src/wire/json-rpc.ts'
import { decodeCallEnd, LOADED } from '../../src/wire/mcp-call.ts'
import type { FuzzTarget } from './driver.ts'
import { mutateBytes, mutateJson } from './mutate.ts'

const textOf = (input: Uint8Array) => Buffer.from(input).toString()
const json = (value: unknown) => Buffer.from(JSON.stringify(value))
const pick = <T>(random: Random, from: readonly T[]): T => from[randomInt(random, from.length)] as T
const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
function must(holds: boolean, what: string, ...shown: unknown[]): void {
  if (!holds) throw new Error(`${what}: ${shown.map((one) => JSON.stringify(one)).join(' ')}`)
}

/** Pieces that end a member, a message or a line where they are taken for more than text. */
const PIECES = ['}', '{', '},"jsonrpc":"2.0","id":9}', '"', '\\', ',"id":9', '{"result":{}}', '\u2028', '\ufeff', '\ud83d\ude00', 'a', ' ', '[', ']', '"resultType":"input_required"', '"resultType":"complete",']
const jumble = (random: Random, pieces: readonly string[], max = 8) => Array.from({ length: 1 + randomInt(random, max) }, () => pick(random, pieces)).join('')

/** A result as text, whole or not quite. */
function resultText(random: Random): string {
  const text = JSON.stringify({ content: [{ type: 'text', text: jumble(random, PIECES) }], ...(random.float() < 0.3 ? { [jumble(random, PIECES, 2)]: jumble(random, PIECES) } : {}) })
  if (random.float() < 0.6) return text
  const at = randomInt(random, text.length)
  return `${text.slice(0, at)}${jumble(random, PIECES, 2)}${text.slice(at)}`
}

/** What a member gave as a result, as a client of either era gets it: one line, and never the answer to another request. */
const endAnswer: FuzzTarget = {
  name: 'mcp end as answer',
  next(random) {
    const head = pick(random, [[0], [1], [LOADED, 0, 3, 0, 0], [LOADED + 1, 0xff, 0xff, 0x7b, 0x0a]])
    return Buffer.concat([Buffer.from(head), random.float() < 0.05 ? mutateBytes(Buffer.from(resultText(random)), random) : Buffer.from(resultText(random))])
  },
  parse: (input) => must(input[(input[0] as number) < LOADED ? 1 : 5] === 0x7b, 'begins with a brace'),
  read(input) {
    const { outcome, load } = decodeCallEnd(input)
    must((load === undefined) === ((input[0] as number) < LOADED), 'the load', load)
    for (const [of, text] of [['same', responseText('mine', outcome)], ['typed', responseText('mine', withType(outcome))]] as const) {
      must(!/[\n\r]/.test(text), 'one line', text)
      if (!('raw' in outcome) || !isJson(outcome.raw)) continue
      const message = JSON.parse(text) as { id: unknown; result: Json }
      must(message.id === 'mine', 'the id is ours', text)
      must(of === 'same' || outcome.typed || typeof message.result['resultType'] === 'string', 'has a type', text)
    }
  }
}

/** Cut out or parsed: the same message. */
const cutter: FuzzTarget = {
  name: 'mcp server message',
  next(random) {
    const [result, id] = [resultText(random), pick(random, ['7', '"7"', '0', '-1', '1e3', '007', '123456789012345678'])]
    const text = pick(random, [`{"result":${result},"jsonrpc":"2.0","id":${id}}`, `{"jsonrpc":"2.0","id":${id},"result":${result}}`, `{"jsonrpc":"2.0","result":${result},"id":${id}}`, `{"id":${id},"result":${result},"jsonrpc":"2.0"}`])
    return random.float() < 0.1 ? mutateBytes(Buffer.from(text), random) : Buffer.from(text)
  },
  parse: (input) => JSON.parse(textOf(input)),
  read(input) {
    const text = textOf(input)
    const messages = parseMessages(text)
    if (messages === undefined) return false
    for (const { message, resultText: cut } of messages) {
      const whole = JSON.parse(text) as unknown
      must(JSON.stringify(sorted(message)) === JSON.stringify(sorted(whole)), 'the same message', text)
      if (cut !== undefined) must(JSON.stringify(JSON.parse(cut)) === JSON.stringify((message as { result?: unknown }).result), 'the same result', text)
    }
    return messages.length > 0
  }
}

function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  return Array.isArray(value) ? value.map(sorted) : Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, member]) => [key, sorted(member)])
}

const LINES = ['data: {"a":1}', 'data:x', 'data', 'id: 1-2', 'id: \0', 'event: message', 'event: other', 'retry: 5', 'retry: x', ': comment', '', '', ' data: y', '\ufeffdata: z', 'data: \u00e9\ud83d\ude00']

/** In whatever pieces a stream arrives, its events are the same. */
const sse: FuzzTarget = {
  name: 'sse stream',
  next: (random) => Buffer.from(Array.from({ length: 1 + randomInt(random, 12) }, () => pick(random, LINES) + pick(random, ['\n', '\r\n', '\n', '\r\r\n'])).join('')),
  parse: (input) => must(input.includes(10), 'has a line'),
  read(input, random) {
    const events = (chunks: Buffer[]) => {
      const seen: unknown[] = []
      const parser = createSseParser(4_096, { event: (event) => void seen.push(event), retry: (ms) => void seen.push(ms) })
      for (const chunk of chunks) must(parser.feed(chunk), 'fits')
      return seen
    }
    const whole = events([Buffer.from(input)])
    const chunks: Buffer[] = []
    for (let at = 0; at < input.length; ) {
      const next = at + 1 + randomInt(random, 5)
      chunks.push(Buffer.from(input.subarray(at, next)))
      at = next
    }
    must(JSON.stringify(events(chunks)) === JSON.stringify(whole), 'the same in pieces', textOf(input))
    return whole.length > 0
  }
}

/** What is opened is what was sealed; a changed state is refused or still the one of some provider, letter for letter. */
const state: FuzzTarget = {
  name: 'request state',
  next(random) {
    const inner = random.float() < 0.2 ? '' : jumble(random, PIECES)
    const sealed = sealState({ result: { resultType: 'input_required', ...(random.float() < 0.2 ? {} : { requestState: inner }) } }, '12D3KooWpeer') as { result: { requestState: string } }
    return random.float() < 0.5 ? Buffer.from(sealed.result.requestState) : mutateBytes(Buffer.from(sealed.result.requestState), random)
  },
  parse: (input) => must(textOf(input).startsWith('sk1.'), 'begins like one'),
  read(input) {
    const requestState = textOf(input)
    const opened = openState({ name: 'x', requestState })
    if (opened === undefined) return false
    const again = sealState({ result: { resultType: 'input_required', ...opened.params } }, opened.peer) as { result: Json }
    must(again.result['requestState'] === requestState, 'sealed again it is the same', requestState)
    return true
  }
}

const ABOUT = {
  capabilities: { tools: {}, resources: { subscribe: true }, logging: {} }, serverInfo: { name: 'n', version: '1' }, instructions: 'do this', protocol: '2025',
  prompts: [{ name: 'p' }, { name: 'q', arguments: [] }], resources: [{ uri: 'a://b', name: 'b' }, { uri: 'a://b' }],
  resourceTemplates: [{ uriTemplate: 'a://{x}/{+y}' }, { uriTemplate: '{z}' }], partial: ['resources']
}

/** A document of another node, as far as a view and a look-up in it. */
const about: FuzzTarget = {
  name: 'about document',
  next: (random) => json(mutateJson(mutateJson(ABOUT, random), random)),
  parse: (input) => must(typeof (JSON.parse(textOf(input)) as Json) === 'object', 'an object'),
  read(input) {
    const document = JSON.parse(textOf(input)) as unknown
    if (typeof document !== 'object' || document === null || Array.isArray(document)) return false
    const read = readAbout(document as Json)
    const server = (name: string) => ({ server: name, tools: [], about: read })
    for (const servers of [[server('one')], [server('one'), server('two')]]) {
      for (const spec of [{ server: 'one' }, { name: 'default', mode: 'list', allow: ['*'], deny: [], rename: {} } as const]) {
        const view = buildView(servers, spec)
        for (const uri of ['a://b', 'a://x/y', '', 'a://{x}/{+y}']) view.serverOfUri(uri)
        must(view.notices.length < 20, 'few notices', view.notices)
        JSON.stringify([view.prompts, view.resources, view.resourceTemplates, view.capabilities, view.instructions])
      }
    }
    return read.prompts.length + read.resources.length > 0
  }
}

const EXPRESSIONS = ['{x}', '{+x}', '{/x}', '{?x,y}', '{#x}', '{x*}', '{.x}', 'a', '/', '?', 'ab', '{', '}', '{}', '{&x}', '{;x}']

/** Against a matcher that tries everything, on short ones. */
const template: FuzzTarget = {
  name: 'uri template',
  next: (random) => json([jumble(random, EXPRESSIONS, 5), jumble(random, ['a', 'b', '/', '?', '#', '.', ';', '&', 'ab'], 6)]),
  parse: (input) => JSON.parse(textOf(input)),
  read(input) {
    const [pattern, uri] = JSON.parse(textOf(input)) as [string, string]
    const matches = uriMatcher(pattern)
    if (matches === undefined) return false
    const source = pattern.split(/(\{[^}]*\})/).map((part) => (part.startsWith('{') ? expressionRegex(part.slice(1, -1)) : part.replaceAll(/[/?.]/g, '\\$&'))).join('')
    must(matches(uri) === new RegExp(`^${source}$`, 's').test(uri), 'as the regular expression has it', pattern, uri, source)
    return true
  }
}
function expressionRegex(body: string): string {
  const regexes: Record<string, string> = { '+': '.+', '/': '(?:/[^?#]*)?', '?': '(?:\\?[^#]*)?', '#': '(?:#.*)?', '.': '(?:\\.[^/?#]*)?', '&': '(?:&[^#]*)?', ';': '(?:;[^/?#]*)?' }
  return regexes[body[0] as string] ?? (body.includes('*') ? '.+' : '[^/?#]+')
}

const SEARCH_CALLS = [
  ['search_tools', { query: 'read file', limit: 3 }], ['search_tools', { query: 'e', server: 'one' }], ['describe_tool', { name: 'one__read_file' }], ['call_tool', { name: 'one__read_file', arguments: { a: 1 } }], ['call_tool', { name: 'x' }], ['other', {}]
]
const searchView = buildView(
  [{ server: 'one', about: undefined, tools: ['read_file', 'write_file', 'HTTPGet2'].map((tool) => ({ server: 'one', tool, target: tool, definition: { name: tool, description: 'reads \u00e9 files', inputSchema: { properties: { path: {} } } } })) }],
  { name: 'search', mode: 'search', allow: ['*'], deny: [], rename: {} }
)

const search: FuzzTarget = {
  name: 'search call',
  next: (random) => json(mutateJson(pick(random, SEARCH_CALLS), random)),
  parse: (input) => must(Array.isArray(JSON.parse(textOf(input))), 'a list'),
  read(input) {
    const call = JSON.parse(textOf(input)) as unknown
    if (!Array.isArray(call)) return false
    const meant = searchCall(searchView, String(call[0]), call[1])
    if ('call' in meant) must(searchView.table.has(meant.call.name), 'a tool of the view', meant)
    JSON.stringify(meant)
    return 'call' in meant || ('answer' in meant && (meant.answer as Record<string, unknown>)['isError'] !== true)
  }
}

const SCHEMA = { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': 'Region' }, n: { type: 'integer', 'x-mcp-header': 'N' }, o: { type: 'object', properties: { b: { type: 'boolean', 'x-mcp-header': 'B' } } } } }
const ARGUMENTS = { region: 'eu west', n: 42, o: { b: true } }

/** What our upstream side writes as headers, our downstream side takes for the same: a call may go through two nodes of ours. */
const headers: FuzzTarget = {
  name: 'header rules',
  next: (random) => json([mutateJson(SCHEMA, random), mutateJson(mutateJson(ARGUMENTS, random), random), jumble(random, [...PIECES, '\t', '=?base64?', '?=', '\u00e9', ' '])]),
  parse: (input) => JSON.parse(textOf(input)),
  read(input) {
    const [inputSchema, args, name] = JSON.parse(textOf(input)) as [Json, Json, string]
    const params = { name, arguments: args }
    const written = Object.entries(namingHeaders('tools/call', params, { name, inputSchema })).map(([key, value]) => [key.toLowerCase(), value] as const)
    for (const [, value] of written) must(/^[\t\x20-\x7e]*$/.test(value), 'fit for a header', value)
    // The first two are the transport's.
    const own = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', ...Object.fromEntries(written) }
    must(requireHeaders(own, { jsonrpc: '2.0', id: 1, method: 'tools/call', params }) === undefined, 'its own headers', own)
    const problem = checkParams({ tools: [{ name, inputSchema }] }, name, args, own)
    must(problem === undefined, 'its own arguments', problem, inputSchema, args)
    return written.length > 1
  }
}

/** Readers and writers of texts from clients, servers and nodes, each with what must hold of what it makes of them. */
export const mcpTextTargets: FuzzTarget[] = [endAnswer, cutter, sse, state, about, template, search, headers]
