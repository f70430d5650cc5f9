import { ERROR_CODES } from '../base/error-codes.ts'
import type { ErrorCode } from '../base/error-codes.ts'
import { SkeinError, toSkeinError } from '../base/errors.ts'

/**
 * Bodies on the control socket: HTTP/1.1 with JSON; requests that report on the way (`POST /call`, `POST /net-test`,
 * `POST /members/watch`) answer with one JSON object a line, the last of which is a `result` or an `error`.
 */
export interface ControlError {
  code: ErrorCode
  message: string
  data?: unknown
}

/** One line of a streamed answer. `members`: all of them; what comes as `change` starts from there. */
export type ControlLine = { progress: unknown } | { trace: unknown } | { step: unknown } | { members: unknown } | { change: unknown } | { result: unknown } | { error: ControlError }

/** Largest request body: what an MCP client may send over HTTP by default (`mcp.max_body_bytes`). */
export const MAX_CONTROL_BODY_BYTES = 4 * 1024 * 1024

export function toControlError(thrown: unknown): ControlError {
  const error = toSkeinError(thrown)
  return { code: error.code, message: error.message, ...(error.data === undefined ? {} : { data: error.data }) }
}

/** The error of an answer; codes of a newer version read as SKEIN_INTERNAL. */
export function fromControlError(value: unknown): SkeinError {
  const { code, message, data } = (value ?? {}) as Partial<Record<keyof ControlError, unknown>>
  const known = typeof code === 'string' && Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : 'SKEIN_INTERNAL'
  return new SkeinError(known, typeof message === 'string' ? message : 'The node answered with an error it did not explain; see its log.', { data })
}
