import { readFileSync } from 'node:fs'
import type { JsonRpcNotification } from '../../src/wire/json-rpc.ts'
import { decodeCallEnd, decodeCallMessage, decodeMcpCall, encodeCallEnd, encodeCallMessage, encodeMcpCall, type CallEnd, type McpCallHead } from '../../src/wire/mcp-call.ts'

/** A golden body of protocols/vectors/mcp/bodies.json: the OPEN body of an MCP_CALL, a MESSAGE or an END. */
export interface Vector {
  kind: 'call' | 'message' | 'end'
  name: string
  /** A renewal is null. An END is `{outcome, load}`, without `load` where none was sent; raw results are `{raw, typed}`, as a reader keeps them. */
  value: unknown
  hex: string
}

interface Call {
  head: McpCallHead
  params: Record<string, unknown>
}

/** Every body of protocols/mcp.md by its kind. */
export const CODECS: Record<Vector['kind'], { decode: (bytes: Uint8Array) => unknown; encode: (value: unknown) => Uint8Array }> = {
  call: { decode: decodeMcpCall, encode: (value) => encodeMcpCall((value as Call).head, JSON.stringify((value as Call).params)) },
  message: { decode: (bytes) => decodeCallMessage(bytes) ?? null, encode: (value) => encodeCallMessage((value ?? undefined) as JsonRpcNotification | undefined) },
  end: { decode: decodeCallEnd, encode: (value) => encodeCallEnd((value as CallEnd).outcome, (value as CallEnd).load) }
}

const client = { session: '12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5/9f2c', clientInfo: { name: 'inspector', version: '1.2.0' }, capabilities: {} }
const stateless = { clientInfo: { name: 'inspector', version: '2.12.0' }, capabilities: { elicitation: {} } }

/** What the golden bodies cover; their bytes are in the file. */
export const VALUES: Omit<Vector, 'hex'>[] = [
  {
    kind: 'call',
    name: 'a tool call with a digest and a progress token',
    value: {
      head: {
        server: 'files', method: 'tools/call', digest: 'af12af59e343c8b7a7e9e98915c39210288f83283576adacb3e6a630b5fd4a7d',
        client: { ...client, capabilities: { roots: { listChanged: true }, sampling: {} }, logLevel: 'default' }
      },
      params: { name: 'read_file', arguments: { path: '/tmp/größe.txt' }, _meta: { progressToken: 7 } }
    }
  },
  { kind: 'call', name: 'another method, no digest, no params', value: { head: { server: 'graph', method: 'resources/list', client }, params: {} } },
  {
    kind: 'call',
    name: "a stateless client's second try, with its answers",
    value: {
      head: { server: 'files', method: 'tools/call', digest: 'af12af59e343c8b7a7e9e98915c39210288f83283576adacb3e6a630b5fd4a7d', client: { ...stateless, logLevel: 'warning' } },
      params: { name: 'delete_file', arguments: { path: '/tmp/x' }, inputResponses: { sure: { action: 'accept', content: { sure: true } } }, requestState: 'c3RhdGU' }
    }
  },
  {
    kind: 'call',
    name: 'listening to one resource',
    value: { head: { server: 'files', method: 'subscriptions/listen', client: stateless }, params: { notifications: { resourceSubscriptions: ['file:///tmp/x'] } } }
  },
  { kind: 'message', name: 'progress', value: { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 7, progress: 1, total: 3 } } },
  { kind: 'message', name: 'a renewal of the time limit', value: null },
  { kind: 'end', name: 'kind 0: a complete result without its resultType', value: { outcome: { raw: '{"content":[{"type":"text","text":"hello"}]}', typed: false } } },
  { kind: 'end', name: 'kind 1: a complete result with its resultType', value: { outcome: { raw: '{"resultType":"complete","content":[]}', typed: true } } },
  {
    kind: 'end',
    name: 'kind 2: the server asks the client',
    value: { outcome: { result: { resultType: 'input_required', inputRequests: { roots: { method: 'roots/list', params: {} } }, requestState: 'c3RhdGU' } } }
  },
  { kind: 'end', name: "kind 3: the server's own error", value: { outcome: { error: { code: -32602, message: 'no such file', data: { path: '/tmp/x' } } } } },
  { kind: 'end', name: 'kind 4: as kind 0, at a server with nothing else to do', value: { outcome: { raw: '{"content":[]}', typed: false }, load: { running: 0, waiting: 0 } } },
  { kind: 'end', name: 'kind 5: as kind 1, at a server that is full', value: { outcome: { raw: '{"resultType":"complete","content":[]}', typed: true }, load: { running: 256, waiting: 3 } } },
  {
    kind: 'end',
    name: 'kind 6: as kind 2, with the load',
    value: { outcome: { result: { resultType: 'input_required', inputRequests: { roots: { method: 'roots/list', params: {} } } } }, load: { running: 7, waiting: 0 } }
  },
  { kind: 'end', name: 'kind 7: as kind 3, with the highest load that can be said', value: { outcome: { error: { code: -32603, message: 'broken' } }, load: { running: 65535, waiting: 65535 } } }
]

export function readVectors(): Vector[] {
  const url = new URL('../../protocols/vectors/mcp/bodies.json', import.meta.url)
  return (JSON.parse(readFileSync(url, 'utf8')) as { vectors: Vector[] }).vectors
}
