import type { LogLevel } from '../ports.ts'
import type { Json, JsonRpcError, JsonRpcId, JsonRpcResponse } from '../../wire/json-rpc.ts'

export const INVALID_REQUEST = -32600
export const METHOD_NOT_FOUND = -32601
export const INVALID_PARAMS = -32602
export const INTERNAL_ERROR = -32603
/** Of revision 2026-07-28. */
export const HEADER_MISMATCH = -32020
export const MISSING_CAPABILITY = -32021
export const UNSUPPORTED_VERSION = -32022

/** Keys in `_meta` that belong to one leg of the way, from revision 2026-07-28. */
export const META_PROTOCOL_VERSION = 'io.modelcontextprotocol/protocolVersion'
export const META_CLIENT_INFO = 'io.modelcontextprotocol/clientInfo'
export const META_CLIENT_CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities'
export const META_LOG_LEVEL = 'io.modelcontextprotocol/logLevel'
export const META_SERVER_INFO = 'io.modelcontextprotocol/serverInfo'
export const META_SUBSCRIPTION_ID = 'io.modelcontextprotocol/subscriptionId'
const RESERVED_META = [META_PROTOCOL_VERSION, META_CLIENT_INFO, META_CLIENT_CAPABILITIES, META_LOG_LEVEL] as const

/** What came back: the result, with its text where the transport could cut it out, or the server's error. */
export type Answer = { result: Json; text: string | undefined } | { error: JsonRpcError }

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isJsonRpcError(error: unknown): error is JsonRpcError {
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

const LEVELS: readonly string[] = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'] satisfies LogLevel[]

/** Whether a log line of this level is for a client that asked for `wanted`; a level nobody knows counts as info. */
export function wantsLog(wanted: LogLevel | 'default' | undefined, level: unknown): boolean {
  if (wanted === undefined) return false
  if (wanted === 'default') return true
  const rank = LEVELS.indexOf(String(level))
  return (rank < 0 ? LEVELS.indexOf('info') : rank) >= LEVELS.indexOf(wanted)
}

/** How the edge passes on that a client refused or failed: an error where the result would be. */
export function isRefusal(value: unknown): value is { error: JsonRpcError } {
  return isObject(value) && isJsonRpcError(value.error) && Object.keys(value).length === 1
}
