import type { Json, JsonRpcError, JsonRpcId, JsonRpcResponse } from '../../wire/json-rpc.ts'
import { isObject } from '../../base/is-object.ts'
import { META_CLIENT_CAPABILITIES, META_CLIENT_INFO, META_LOG_LEVEL, META_PROTOCOL_VERSION } from '../../wire/mcp-spec.ts'

/** Keys in `_meta` of requests that belong to one leg of the way, from revision 2026-07-28. */
const RESERVED_META = [META_PROTOCOL_VERSION, META_CLIENT_INFO, META_CLIENT_CAPABILITIES, META_LOG_LEVEL] as const

/** What came back: the result, with its text where the transport could cut it out, or the server's error. */
export type Answer = { result: Json; text: string | undefined } | { error: JsonRpcError }

function isJsonRpcError(error: unknown): error is JsonRpcError {
  return isObject(error) && typeof error.code === 'number' && typeof error.message === 'string'
}

/** A response as an answer; undefined if it is neither a result object nor a proper error. */
export function answerOf(response: JsonRpcResponse, text: string | undefined): Answer | undefined {
  if (isJsonRpcError(response.error)) return { error: response.error }
  return isObject(response.result) ? { result: response.result, text } : undefined
}

/** The id of a request of ours: numbers, which some servers give back as strings. */
export function ownId(id: unknown): number | undefined {
  return typeof id === 'number' ? id : typeof id === 'string' && id !== '' ? Number(id) : undefined
}

/** The progress token a client put into its request, if any. */
export function progressToken(params: Json): JsonRpcId | undefined {
  const token = isObject(params._meta) ? params._meta.progressToken : undefined
  return typeof token === 'string' || typeof token === 'number' ? token : undefined
}

/** `_meta` without the keys of one leg; the same object if there are none. */
export function withoutReserved(meta: Json): Json {
  if (!RESERVED_META.some((key) => key in meta)) return meta
  const kept = { ...meta }
  for (const key of RESERVED_META) delete kept[key]
  return kept
}

/** How the edge passes on that a client refused or failed: an error where the result would be. */
export function isRefusal(value: unknown): value is { error: JsonRpcError } {
  return isObject(value) && isJsonRpcError(value.error) && Object.keys(value).length === 1
}
