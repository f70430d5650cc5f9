import type { ErrorCode } from '../../base/error-codes.ts'
import { isSkeinError } from '../../base/errors.ts'

/** Of what a relay says: only that call is concerned. A relay that is full works: another provider takes the call. */
const RELAY_WORKS: ReadonlySet<ErrorCode> = new Set(['SKEIN_CANCELLED', 'SKEIN_DEADLINE', 'SKEIN_LIMIT', 'SKEIN_BUSY'])

/** The relay, or the way behind it, failed: not the target. */
export function isRelayFault(error: unknown): boolean {
  if (!isSkeinError(error) || RELAY_WORKS.has(error.code)) return false
  return error.code === 'SKEIN_UNDELIVERED' || error.code === 'SKEIN_GOAWAY' || (error.data as { relay?: unknown } | undefined)?.relay !== undefined
}
