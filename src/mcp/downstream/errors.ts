import { toSkeinError } from '../../base/errors.ts'
import type { ErrorCode } from '../../base/error-codes.ts'
import type { JsonRpcError } from '../../wire/json-rpc.ts'

export const INVALID_REQUEST = -32600
export const METHOD_NOT_FOUND = -32601
export const INVALID_PARAMS = -32602
/** What servers of the SDK use for anything of their own. */
export const SERVER_ERROR = -32000

/** Everything else is a server error: SERVER_ERROR. -32001 is what the SDK calls a timeout. */
const CODES: Partial<Record<ErrorCode, number>> = {
  SKEIN_NOT_FOUND: INVALID_PARAMS,
  SKEIN_BAD_REQUEST: INVALID_PARAMS,
  SKEIN_INTERNAL: -32603,
  SKEIN_DEADLINE: -32001
}

/**
 * Any thrown value as a JSON-RPC error: the sentence as it is, `data.code` for programs. An outcome that is not known is
 * an error like any other, never a success.
 */
export function toJsonRpcError(thrown: unknown): JsonRpcError {
  const error = toSkeinError(thrown)
  const data: Record<string, unknown> = { code: error.code, retry: error.retry }
  if (error.data !== undefined) data['detail'] = error.data
  return { code: CODES[error.code] ?? SERVER_ERROR, message: error.message, data }
}

/** An error of the session itself: a JSON-RPC code, a code of ours, a sentence. */
export function sessionError(code: number, skein: ErrorCode, message: string): JsonRpcError {
  return { code, message, data: { code: skein } }
}
