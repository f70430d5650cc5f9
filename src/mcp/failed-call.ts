import type { SkeinError } from '../base/errors.ts'
import type { RunningCall } from './ports.ts'

/** A call that ended before it began. */
export function failedCall(why: SkeinError): RunningCall {
  const outcome = Promise.reject(why)
  // Whoever asked may look later than this tick; that is no crash.
  outcome.catch(() => {})
  return { outcome, cancel() {} }
}
