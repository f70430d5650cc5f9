import { createMeter } from '../../../../src/base/meter.ts'
import { silentLogger, type Logger } from '../../../../src/base/logger.ts'
import { seededRandom } from '../../../../src/base/random.ts'
import { createDownstream } from '../../../../src/mcp/downstream/create-downstream.ts'
import type { ClientLink, RequestHeaders } from '../../../../src/mcp/downstream/ports.ts'
import type { ViewLists } from '../../../../src/mcp/ports.ts'
import { responseText, type Json, type JsonRpcError, type JsonRpcId } from '../../../../src/wire/json-rpc.ts'
import { createFakeBackend } from '../../../support/fake-mcp-backend.ts'
import { createManualClock } from '../../../support/manual-clock.ts'

export interface Sent {
  /** As the client reads it: answers have gone through their text. */
  message: { jsonrpc: '2.0'; id?: JsonRpcId; method?: string; params?: Json; result?: Json; error?: JsonRpcError }
  related: JsonRpcId | undefined
  /** Of answers that HTTP gives a 4xx status. */
  refused?: boolean
}

export interface SetupOptions {
  view?: string
  lists?: Partial<ViewLists>
  logger?: Logger
}

/** A node's downstream side on a fake backend, and links that remember; `reachable` false makes them refuse. */
export function setupNode(options: SetupOptions = {}) {
  const clock = createManualClock()
  const backend = createFakeBackend()
  const meter = createMeter()
  const downstream = createDownstream(
    { backend, clock, meter, random: seededRandom(1), logger: options.logger ?? silentLogger, edge: 'peerA' },
    { version: '1.2.3' }
  )
  const state = { reachable: true }
  if (options.lists !== undefined) backend.setView(options.view, options.lists)
  else if (options.view !== undefined) backend.setTools(['x', 'y'], options.view)
  clock.advance(1_000)

  function recordingLink() {
    const sent: Sent[] = []
    const dropped: JsonRpcId[] = []
    const link: ClientLink = {
      send(message, related) {
        if (state.reachable) sent.push({ message: message as Sent['message'], related })
        return state.reachable
      },
      answer(id, outcome, refused) {
        sent.push({ message: JSON.parse(responseText(id, outcome)) as Sent['message'], related: id, ...(refused ? { refused } : {}) })
        return true
      },
      dropped: (id) => void dropped.push(id)
    }
    return { link, sent, dropped }
  }
  return { clock, backend, meter, downstream, state, recordingLink }
}

/** A session on such a node. */
export function setup(options: SetupOptions & { capabilities?: Json; initialize?: boolean; transport?: 'http' | 'stdio' } = {}) {
  const node = setupNode(options)
  const { link, sent, dropped } = node.recordingLink()
  const session = node.downstream.open({ view: options.view, transport: options.transport ?? 'http', link })
  const request = (id: JsonRpcId, method: string, params?: Json) =>
    session.receive(params === undefined ? { jsonrpc: '2.0', id, method } : { jsonrpc: '2.0', id, method, params })
  const notify = (method: string, params?: Json) => session.receive(params === undefined ? { jsonrpc: '2.0', method } : { jsonrpc: '2.0', method, params })
  if (options.initialize !== false) {
    request('init', 'initialize', { protocolVersion: '2025-11-25', clientInfo: { name: 'test', version: '1' }, capabilities: options.capabilities ?? {} })
    notify('notifications/initialized')
    sent.length = 0
  }
  return { ...node, session, sent, dropped, request, notify }
}

/** The `_meta` of a request of the era without sessions. */
export const envelope = (meta: Json = {}): Json => ({
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'modern', version: '2' },
  'io.modelcontextprotocol/clientCapabilities': {},
  ...meta
})

/** Requests over HTTP of clients without sessions, with the headers that belong to them unless told otherwise. */
export function setupStateless(options: SetupOptions = {}) {
  const node = setupNode(options)
  let count = 0
  function send(method: string, params: Json = {}, overrides: { headers?: RequestHeaders; meta?: Json; id?: JsonRpcId } = {}) {
    const recorded = node.recordingLink()
    const id = overrides.id ?? ++count
    const { link } = recorded
    const name = params['name'] ?? params['uri']
    const headers: RequestHeaders = {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(typeof name === 'string' && /^(tools\/call|prompts\/get|resources\/read)$/.test(method) ? { 'mcp-name': name } : {}),
      ...overrides.headers
    }
    const request = { jsonrpc: '2.0' as const, id, method, params: { ...params, _meta: envelope(overrides.meta) } }
    const running = node.downstream.stateless(request, { view: options.view, link, headers })
    return { ...recorded, id, running, request }
  }
  return { ...node, send }
}

/** Lets promises settle; no time passes. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve()
}
