import type { SkeinError } from '../base/errors.ts'
import type { RunningCall } from './ports.ts'

/** The last sentence about a request whose outcome nobody knows. */
export const MAY_HAVE_RUN = 'It may or may not have taken effect; check before trying again.'

/** A call that ended before it began. */
export function failedCall(why: SkeinError): RunningCall {
  const outcome = Promise.reject(why)
  // Whoever asked may look later than this tick; that is no crash.
  outcome.catch(() => {})
  return { outcome, cancel() {} }
}
