import type { ErrorCode } from '../base/error-codes.ts'
import { isSkeinError, type SkeinError } from '../base/errors.ts'

/**
 * Nobody answered, or nothing that can be read. Not here: what the caller did (cancelled, a wrong request), and answers that only sound
 * like failures (busy, leaving, not found): a component that says so works.
 */
const FAILURES: readonly ErrorCode[] = [
  'SKEIN_SESSION_CLOSED',
  'SKEIN_OUTCOME_UNKNOWN',
  'SKEIN_UNDELIVERED',
  'SKEIN_DEADLINE',
  'SKEIN_UPSTREAM_DOWN',
  'SKEIN_UPSTREAM_INVALID',
  'SKEIN_DIAL_FAILED',
  'SKEIN_PROTOCOL'
]

/** Something between broke while the call was under way; whatever else was under way there is lost with it. */
const LOST: ReadonlySet<ErrorCode> = new Set(['SKEIN_SESSION_CLOSED', 'SKEIN_OUTCOME_UNKNOWN', 'SKEIN_UNDELIVERED'])

export function isLost(error: SkeinError): boolean {
  return LOST.has(error.code)
}

/** Whether a call that ended with this error says that what is guarded does not work. */
export function isFailure(error: unknown): error is SkeinError {
  return isSkeinError(error, ...FAILURES)
}
