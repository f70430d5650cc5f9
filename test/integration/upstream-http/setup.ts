import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterEach } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import type { MessageOrigin, UpstreamTransport } from '../../../src/mcp/ports.ts'
import type { HttpTarget } from '../../../src/mcp/upstream/spec.ts'
import { createUpstreamConnector } from '../../../src/mcp-io/connect.ts'
import type { Json, JsonRpcId, JsonRpcMessage, JsonRpcResponse } from '../../../src/wire/json-rpc.ts'

const cleanups: (() => unknown)[] = []
export function cleanup(run: () => unknown): void {
  cleanups.push(run)
}
afterEach(async () => {
  for (const run of cleanups.splice(0).reverse()) await run()
})

export interface Received {
  message: JsonRpcMessage
  origin: MessageOrigin
}

/** A transport with everything that came over it. */
export interface Client {
  transport: UpstreamTransport
  received: Received[]
  noise: string[]
  closes: (Error | undefined)[]
  /** Sends a request and gives its response, from whatever stream it came. */
  ask(id: JsonRpcId, method: string, params?: Json, headers?: Record<string, string>): Promise<JsonRpcResponse & { origin: MessageOrigin }>
  /** initialize and notifications/initialized. */
  initialize(version?: string): Promise<void>
  /** A request of revision 2026-07-28, with the headers its sender owes. */
  askModern(id: JsonRpcId, method: string, params?: Json): Promise<JsonRpcResponse & { origin: MessageOrigin }>
}

export async function connect(target: Omit<Partial<HttpTarget>, 'kind'> & { url: string }, env: Record<string, string> = {}): Promise<Client> {
  const connector = createUpstreamConnector({ clock: systemClock, logger: silentLogger, env })
  const transport = connector.connect({ kind: 'http', headers: {}, ...target }, 'remote')
  const client: Client = {
    transport,
    received: [],
    noise: [],
    closes: [],
    async ask(id, method, params = {}, headers) {
      await transport.send({ jsonrpc: '2.0', id, method, params }, headers === undefined ? undefined : { headers })
      const answer = client.received.find(({ message }) => !('method' in message) && message.id === id)
      if (answer === undefined) throw new Error(`request ${id} ended without an answer`)
      return { ...(answer.message as JsonRpcResponse), origin: answer.origin }
    },
    async initialize(version = '2025-11-25') {
      await client.ask('init', 'initialize', { protocolVersion: version, capabilities: { sampling: {}, elicitation: {} }, clientInfo: { name: 'test', version: '1' } })
      await transport.send({ jsonrpc: '2.0', method: 'notifications/initialized' })
    },
    askModern(id, method, params = {}) {
      const name = typeof params.name === 'string' ? { 'Mcp-Name': params.name } : undefined
      return client.ask(id, method, { ...params, _meta: { ...envelope, ...(params._meta as Json | undefined) } }, { 'Mcp-Method': method, ...name })
    }
  }
  transport.onMessage = (message, origin) => void client.received.push({ message, origin })
  transport.onNoise = (text) => void client.noise.push(text)
  transport.onClose = (error) => void client.closes.push(error)
  await transport.start({ signal: new AbortController().signal })
  cleanup(() => transport.close())
  return client
}

export const envelope = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {}
}

export interface Listening {
  url: string
  port: number
  server: Server
}

/** A server on loopback that is gone after the test. */
export async function serve(listener: RequestListener, tls?: ServerOptions): Promise<Listening> {
  const server: Server = tls === undefined ? createServer(listener) : createSecureServer(tls, listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  cleanup(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  return { url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}/mcp`, port, server }
}

export interface Posted {
  method: string | undefined
  path: string | undefined
  headers: IncomingMessage['headers']
  /** Undefined for GET and DELETE. */
  message: (Json & { id?: JsonRpcId; method?: string; params?: Json }) | undefined
}

/** Reads each request whole before `answer` sees it. */
export function reading(answer: (posted: Posted, response: ServerResponse) => void): RequestListener {
  return (request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => answer({ method: request.method, path: request.url, headers: request.headers, message: body === '' ? undefined : (JSON.parse(body) as Json) }, response))
  }
}

export function json(response: ServerResponse, body: unknown, status = 200, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(typeof body === 'string' ? body : JSON.stringify(body))
}

export function result(posted: Posted, value: Json = {}): Json {
  return { jsonrpc: '2.0', id: posted.message?.id, result: value }
}

/** Answers initialize with a session, refuses the GET stream, and leaves the rest to `answer`. */
export function session(answer: (posted: Posted, response: ServerResponse) => void): RequestListener {
  return reading((posted, response) => {
    if (posted.message?.method === 'initialize') {
      const value = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'hand', version: '1' } }
      return json(response, result(posted, value), 200, { 'mcp-session-id': 's1' })
    }
    if (posted.message?.method === 'notifications/initialized') return void response.writeHead(202).end()
    answer(posted, response)
  })
}

export async function errorOf(promise: Promise<unknown>): Promise<Error & { code?: string; data?: unknown }> {
  return promise.then(
    () => new Error('it resolved'),
    (error: unknown) => error as Error
  )
}
