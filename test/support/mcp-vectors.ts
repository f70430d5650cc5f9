import { readFileSync } from 'node:fs'
import { decodeJsonBody, decodeMcpCall, encodeJsonBody, encodeMcpCall, type McpCallHead } from '../../src/wire/mcp-call.ts'

/** A golden body of protocols/vectors/mcp/bodies.json: `call` is the OPEN body of an MCP_CALL, `json` that of a MESSAGE or END. */
export interface Vector {
  kind: 'call' | 'json'
  name: string
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
  json: { decode: decodeJsonBody, encode: encodeJsonBody }
}

const client = { session: '12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5/9f2c', clientInfo: { name: 'inspector', version: '1.2.0' }, capabilities: {} }

/** What the golden bodies cover; their bytes are in the file. */
export const VALUES: Omit<Vector, 'hex'>[] = [
  {
    kind: 'call',
    name: 'a tool call with a digest and a progress token',
    value: {
      head: { server: 'files', method: 'tools/call', digest: 'af12af59e343c8b7a7e9e98915c39210288f83283576adacb3e6a630b5fd4a7d', client: { ...client, capabilities: { roots: { listChanged: true }, sampling: {} } } },
      params: { name: 'read_file', arguments: { path: '/tmp/größe.txt' }, _meta: { progressToken: 7 } }
    }
  },
  { kind: 'call', name: 'another method, no digest, no params', value: { head: { server: 'graph', method: 'resources/list', client }, params: {} } },
  { kind: 'json', name: 'message: progress', value: { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 7, progress: 1, total: 3 } } },
  { kind: 'json', name: 'message: the server asks', value: { jsonrpc: '2.0', id: 1, method: 'roots/list' } },
  { kind: 'json', name: 'message: the client answers', value: { jsonrpc: '2.0', id: 1, result: { roots: [] } } },
  { kind: 'json', name: 'end: a result', value: { result: { content: [{ type: 'text', text: 'hello' }] } } },
  { kind: 'json', name: "end: the server's own error", value: { error: { code: -32602, message: 'no such file', data: { path: '/tmp/x' } } } }
]

export function readVectors(): Vector[] {
  const url = new URL('../../protocols/vectors/mcp/bodies.json', import.meta.url)
  return (JSON.parse(readFileSync(url, 'utf8')) as { vectors: Vector[] }).vectors
}
