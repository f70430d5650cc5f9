import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { createMeter, type MemoryMeter } from '../../src/base/meter.ts'
import { systemRandom } from '../../src/base/random.ts'
import { createMcpHttp } from '../../src/http/mcp/create-mcp-http.ts'
import { viewOf } from '../../src/http/server.ts'
import { createDownstream } from '../../src/mcp/downstream/create-downstream.ts'
import type { McpBackend } from '../../src/mcp/ports.ts'

export interface McpEdge {
  url: string
  meter: MemoryMeter
  /** A request of the stateless era, its headers right; the answer's messages in order. */
  stateless(method: string, params: Record<string, unknown>, options?: StatelessOptions): Promise<Message[]>
  /** A session of the other era. */
  session(capabilities?: object): Promise<EdgeSession>
  stop(): Promise<void>
}

export interface StatelessOptions {
  id?: string | number
  capabilities?: object
  meta?: object
  headers?: Record<string, string>
  signal?: AbortSignal
}

export interface EdgeSession {
  headers: Record<string, string>
  post(message: object): Promise<Message[]>
  end(): Promise<void>
}

export interface Message {
  id?: unknown
  method?: string
  params?: Record<string, unknown>
  result?: Record<string, unknown>
  error?: { code: number; message: string; data?: unknown }
}

const NAMED: Record<string, string> = { 'tools/call': 'name', 'prompts/get': 'name', 'resources/read': 'uri' }
const ACCEPT = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }

/** The MCP endpoint of a node on a real port, for clients that write every byte themselves. */
export async function mcpEdgeHere(backend: McpBackend, edge: string): Promise<McpEdge> {
  const meter = createMeter()
  const deps = { clock: systemClock, random: systemRandom, meter, logger: silentLogger }
  const downstream = createDownstream({ ...deps, backend, edge }, { version: '0.0.0' })
  const mcpHttp = createMcpHttp({ ...deps, downstream }, {})
  const server: Server = createServer((req, res) => mcpHttp.handle(req, res, viewOf(req.url ?? '/') ?? undefined))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`
  let ids = 0

  async function send(message: object, headers: Record<string, string>, signal?: AbortSignal): Promise<{ messages: Message[]; response: Response }> {
    const response = await fetch(url, { method: 'POST', body: JSON.stringify(message), headers: { ...ACCEPT, ...headers }, ...(signal === undefined ? {} : { signal }) })
    const text = await response.text()
    return { messages: messagesIn(text, response.headers.get('content-type') ?? ''), response }
  }

  return {
    url,
    meter,
    async stateless(method, params, { id = ++ids, capabilities = {}, meta = {}, headers = {}, signal } = {}) {
      const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': capabilities, ...meta }
      const name = NAMED[method] === undefined ? {} : { 'mcp-name': String(params[NAMED[method]]) }
      const own = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': method, ...name, ...headers }
      return (await send({ jsonrpc: '2.0', id, method, params: { ...params, _meta } }, own, signal)).messages
    },
    async session(capabilities = {}) {
      const hello = { jsonrpc: '2.0', id: ++ids, method: 'initialize', params: { protocolVersion: '2025-11-25', clientInfo: { name: 'raw', version: '1' }, capabilities } }
      const { response } = await send(hello, {})
      const headers = { 'mcp-session-id': String(response.headers.get('mcp-session-id')), 'mcp-protocol-version': '2025-11-25' }
      await send({ jsonrpc: '2.0', method: 'notifications/initialized' }, headers)
      return {
        headers,
        post: async (message) => (await send({ jsonrpc: '2.0', ...message }, headers)).messages,
        async end() {
          await fetch(url, { method: 'DELETE', headers })
        }
      }
    },
    async stop() {
      mcpHttp.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}

/** Every event must be one JSON message: what breaks out of its place throws here. */
function messagesIn(text: string, type: string): Message[] {
  if (!type.includes('event-stream')) return text === '' ? [] : [JSON.parse(text) as Message]
  return text.split('\n\n').flatMap((event) => {
    const data = event.split('\n').flatMap((line) => (line.startsWith('data: ') ? [line.slice(6)] : []))
    return data.length === 0 || data.join('') === '' ? [] : [JSON.parse(data.join('\n')) as Message]
  })
}

/** The first text of a result. */
export function textOf(message: Message | undefined): string {
  const content = (message?.result?.['content'] ?? []) as { text?: string }[]
  return content[0]?.text ?? ''
}
