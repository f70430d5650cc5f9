import { isObject } from '../../base/is-object.ts'
import { MAX_JSON_DEPTH } from '../../base/json-depth.ts'
import type { JsonRpcMessage } from '../../wire/json-rpc.ts'

/** For text that `isTooDeep`. */
export const TOO_DEEP = { problem: `A message may be nested at most ${MAX_JSON_DEPTH} levels deep.` }

/** A JSON-RPC request, notification or response, or a sentence that says why it is none. The envelope only: params stay as they are. */
export function readMessage(value: unknown): { message: JsonRpcMessage } | { problem: string } {
  if (Array.isArray(value)) return { problem: 'Batches of messages ended with revision 2025-06-18: send one message at a time.' }
  if (typeof value !== 'object' || value === null) return { problem: 'A message must be a JSON object.' }
  const { jsonrpc, id, method, params, result, error } = value as Record<string, unknown>
  if (jsonrpc !== '2.0') return { problem: 'A message needs "jsonrpc": "2.0".' }
  if (id !== undefined && typeof id !== 'string' && !Number.isSafeInteger(id) && !(id === null && method === undefined)) {
    return { problem: 'The id of a message must be a string or an integer.' }
  }
  if (method === undefined) {
    if (id === undefined || (result === undefined) === (error === undefined)) return { problem: 'A message needs a method, or an id and one of result and error.' }
    if (error === undefined ? !isObject(result) : !isError(error)) return { problem: 'A result must be an object, an error an object with code and message.' }
    return { message: value as JsonRpcMessage }
  }
  if (typeof method !== 'string') return { problem: 'The method of a message must be a string.' }
  if (params !== undefined && !isObject(params)) return { problem: 'The params of a message must be an object.' }
  return { message: value as JsonRpcMessage }
}

function isError(value: unknown): boolean {
  return isObject(value) && typeof value['code'] === 'number' && typeof value['message'] === 'string'
}
