import { INTERNAL_ERROR } from './mcp-spec.ts'

/** JSON-RPC 2.0 messages as MCP uses them: parameters and results are objects, there are no batches. */

export type Json = Record<string, unknown>
export type JsonRpcId = string | number

export interface JsonRpcRequest {
  jsonrpc: '2.0'
  id: JsonRpcId
  method: string
  params?: Json
}
export interface JsonRpcNotification {
  jsonrpc: '2.0'
  method: string
  params?: Json
}
export interface JsonRpcError {
  code: number
  message: string
  data?: unknown
}
export interface JsonRpcResponse {
  jsonrpc: '2.0'
  /** Null: the message it answers could not be read. */
  id: JsonRpcId | null
  result?: Json
  error?: JsonRpcError
}
export type JsonRpcMessage = JsonRpcRequest | JsonRpcNotification | JsonRpcResponse

/**
 * How a request ended. `raw` is the JSON text of a complete result that nobody on the way had to read: one JSON object, no line
 * breaks outside strings; `typed` says that it has its `resultType`. A `result` without `resultType` is complete too.
 */
export type Outcome = { result: Json } | { raw: string; typed: boolean } | { error: JsonRpcError }

/** The result as an object, read now if it was not yet; the error otherwise. */
export function readOutcome(outcome: Outcome): { result: Json } | { error: JsonRpcError } {
  return 'raw' in outcome ? { result: JSON.parse(outcome.raw) as Json } : outcome
}

/**
 * The response as JSON text. The id comes last: should a raw result bring members of its own, readers that let the last one of a
 * name count still see ours.
 */
export function responseText(id: JsonRpcId | null, outcome: Outcome): string {
  const end = `,"id":${JSON.stringify(id)}}`
  if ('raw' in outcome) return `{"jsonrpc":"2.0","result":${outcome.raw}${end}`
  try {
    return 'error' in outcome ? `{"jsonrpc":"2.0","error":${JSON.stringify(outcome.error)}${end}` : `{"jsonrpc":"2.0","result":${JSON.stringify(outcome.result)}${end}`
  } catch {
    // What was read can be too deeply nested to be written: the end of this one request, not of whoever answers it.
    return `{"jsonrpc":"2.0","error":${UNWRITABLE}${end}`
  }
}

const UNWRITABLE = JSON.stringify({
  code: INTERNAL_ERROR,
  message: 'The answer cannot be written as JSON: it is too large or nested too deeply. Report it to the maker of the server.',
  data: { code: 'SKEIN_UPSTREAM_INVALID' }
} satisfies JsonRpcError)
