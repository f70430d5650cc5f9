import { toSkeinError } from '../../base/errors.ts'
import type { ErrorCode } from '../../base/error-codes.ts'
import type { Json, JsonRpcError } from '../../wire/json-rpc.ts'
import { INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, SERVER_ERROR } from '../../wire/mcp-spec.ts'

/** Names are the client's: what is longer is cut in logs and sentences. */
export const MAX_NAMED = 128

/** Everything else is a server error: SERVER_ERROR. -32001 is what the SDK calls a timeout. */
const CODES: Partial<Record<ErrorCode, number>> = {
  SKEIN_NOT_FOUND: INVALID_PARAMS,
  SKEIN_BAD_REQUEST: INVALID_PARAMS,
  SKEIN_INTERNAL: INTERNAL_ERROR,
  SKEIN_DEADLINE: -32001
}

/**
 * Any thrown value as a JSON-RPC error: the sentence as it is, `data.code` for programs. An outcome that is not known is
 * an error like any other, never a success. A `uri` in the error's data stands beside the code, where SEP-2164 has it.
 */
export function toJsonRpcError(thrown: unknown): JsonRpcError {
  const error = toSkeinError(thrown)
  const data: Json = { code: error.code, retry: error.retry }
  const uri = (error.data as { uri?: unknown } | null | undefined)?.uri
  if (uri !== undefined) data['uri'] = uri
  else if (error.data !== undefined) data['detail'] = error.data
  return { code: CODES[error.code] ?? SERVER_ERROR, message: error.message, data }
}

/** An error of the session itself: a JSON-RPC code, a code of ours, a sentence. */
export function sessionError(code: number, skein: ErrorCode, message: string): JsonRpcError {
  return { code, message, data: { code: skein } }
}

/** What both eras say about a method they do not have here. */
export function notOffered(method: string): JsonRpcError {
  return { code: METHOD_NOT_FOUND, message: `The method ${method.slice(0, MAX_NAMED)} is not offered here.` }
}
