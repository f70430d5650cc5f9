import type { JsonRpcMessage } from '../wire/json-rpc.ts'

/** The messages of one line, batches of older protocol versions included; undefined if it is something else. */
export function parseMessages(line: string): JsonRpcMessage[] | undefined {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return undefined
  }
  const messages = Array.isArray(value) ? value : [value]
  return messages.every(isMessage) ? messages : undefined
}

function isMessage(value: unknown): value is JsonRpcMessage {
  if (typeof value !== 'object' || value === null) return false
  const { jsonrpc, method, result, error } = value as Record<string, unknown>
  return jsonrpc === '2.0' && (typeof method === 'string' || result !== undefined || error !== undefined)
}
