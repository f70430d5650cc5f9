import { SkeinError } from '../base/errors.ts'

/**
 * The body of an MCP_CALL exchange (protocols/mcp.md): u32 big-endian length of the head, the head as JSON, then the
 * request's `params` as JSON. The parts are apart so that params can be passed on without being parsed.
 */
export interface McpCallHead {
  /** Name under `mcp.servers` at the called node. */
  server: string
  /** Such as `tools/call`. */
  method: string
  /** For `tools/call`: digest of the definition the caller has listed; another one there means NOT_FOUND. */
  digest?: string
  client: { session: string; clientInfo: { name: string; version: string }; capabilities: Record<string, unknown> }
}

export const MAX_HEAD_BYTES = 64 * 1024

export function encodeMcpCall(head: McpCallHead, params: string): Uint8Array {
  const headText = JSON.stringify(head)
  const headBytes = Buffer.byteLength(headText)
  if (headBytes > MAX_HEAD_BYTES) throw new SkeinError('SKEIN_LIMIT', `the client's declared capabilities are over ${MAX_HEAD_BYTES} bytes`)
  const body = Buffer.allocUnsafe(4 + headBytes + Buffer.byteLength(params))
  body.writeUInt32BE(headBytes, 0)
  body.write(headText, 4)
  body.write(params, 4 + headBytes)
  return body
}

export function decodeMcpCall(body: Uint8Array): { head: McpCallHead; params: Record<string, unknown> } {
  const buffer = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const headBytes = buffer.length >= 4 ? buffer.readUInt32BE(0) : 0
  if (headBytes === 0 || headBytes > MAX_HEAD_BYTES || buffer.length < 4 + headBytes) throw bad('the head is missing or its length is wrong')
  const head = parseObject(buffer.toString('utf8', 4, 4 + headBytes), 'the head')
  const params = parseObject(buffer.toString('utf8', 4 + headBytes), 'params')
  const client = head['client'] as Record<string, unknown> | undefined
  const info = client?.['clientInfo'] as Record<string, unknown> | undefined
  const digest = head['digest']
  if (typeof head['server'] !== 'string' || typeof head['method'] !== 'string') throw bad('head.server and head.method must be strings')
  if (typeof client?.['session'] !== 'string' || client['session'].length > 256) throw bad('head.client.session must be a string of at most 256 characters')
  if (typeof info?.['name'] !== 'string' || typeof info['version'] !== 'string') throw bad('head.client.clientInfo must have name and version')
  if (!isObject(client['capabilities'])) throw bad('head.client.capabilities must be an object')
  if (digest !== undefined && typeof digest !== 'string') throw bad('head.digest must be a string')
  return {
    head: {
      server: head['server'],
      method: head['method'],
      ...(digest === undefined ? {} : { digest }),
      client: { session: client['session'], clientInfo: { name: info['name'], version: info['version'] }, capabilities: client['capabilities'] }
    },
    params
  }
}

/** Reads a JSON object sent as a MESSAGE or END body of an MCP_CALL exchange. */
export function decodeJsonBody(body: Uint8Array): Record<string, unknown> {
  return parseObject(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'), 'the body')
}

export function encodeJsonBody(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}

function parseObject(text: string, what: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new SkeinError('SKEIN_PROTOCOL', `MCP call: ${what} is not JSON`, { cause })
  }
  if (!isObject(value)) throw bad(`${what} is not a JSON object`)
  return value
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

function bad(reason: string): SkeinError {
  return new SkeinError('SKEIN_PROTOCOL', `MCP call: ${reason}`)
}
