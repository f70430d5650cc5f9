import type { McpOutcome } from '../ports.ts'
import type { Json, JsonRpcError, JsonRpcResponse } from '../../wire/json-rpc.ts'

export const METHOD_NOT_FOUND = -32601
export const INVALID_REQUEST = -32600
export const INTERNAL_ERROR = -32603

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A response as an outcome; undefined if it is neither a result object nor a proper error. */
export function outcomeOf(response: JsonRpcResponse): McpOutcome | undefined {
  if (isJsonRpcError(response.error)) return { error: response.error }
  return isObject(response.result) ? { result: response.result } : undefined
}

function isJsonRpcError(error: unknown): error is JsonRpcError {
  return isObject(error) && typeof error.code === 'number' && typeof error.message === 'string'
}
