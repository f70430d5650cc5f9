/** MCP_CALL (protocols/mcp.md). */
import { u32 } from './frames.mjs'

export function callBody(head, params) {
  const bytes = Buffer.from(JSON.stringify(head))
  return Buffer.concat([u32(bytes.length), bytes, Buffer.from(JSON.stringify(params))])
}

/** What this client answers to the server's own requests: it has nothing but a list of no roots. */
export function answerServer({ id, method }) {
  const rest = method === 'roots/list' ? { result: { roots: [] } } : { error: { code: -32_601, message: `this client has no ${method}` } }
  return Buffer.from(JSON.stringify({ jsonrpc: '2.0', id, ...rest }))
}
