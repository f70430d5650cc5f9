import { ERROR_CODES, type ErrorCode } from '../base/error-codes.ts'
import type { Ending } from './types.ts'

/** Enough to walk past a draining node and some stale records; more only makes an outage worse. */
export const MAX_ATTEMPTS = 5

export interface FailureFacts {
  /** The tool may be run again after an unknown outcome. */
  repeatable: boolean
  /** Providers that were asked already. */
  triedPeers: readonly string[]
  /** All present providers, tried or not. */
  providers: readonly string[]
  /** Attempts made so far, the failed one included. */
  attempts: number
  /** ms until the call's deadline. */
  timeLeft: number
}

/**
 * What to do with a call that failed at one provider:
 * `next`: it provably did not run: ask a provider that was not tried yet.
 * `repeat`: it may have run and may run again: ask any provider, an untried one if there is one.
 * `fail`: tell the caller, with `callerCode`.
 */
export type Verdict = 'next' | 'repeat' | 'fail'

/** Provably not run although trying the same request at the same place makes no sense. */
const NOT_RUN: ReadonlySet<ErrorCode> = new Set(['SKEIN_DIAL_FAILED', 'SKEIN_NO_PROVIDER'])
/** The request left and no answer came. */
const MAY_HAVE_RUN: ReadonlySet<ErrorCode> = new Set(['SKEIN_SESSION_CLOSED', 'SKEIN_OUTCOME_UNKNOWN'])

/** The rules of delivery: at most once, unless the tool is repeatable or the call provably did not run. */
export function afterFailure(code: ErrorCode, facts: FailureFacts): Verdict {
  if (facts.attempts >= MAX_ATTEMPTS || facts.timeLeft <= 0) return 'fail'
  if (ERROR_CODES[code].retry === 'elsewhere' || NOT_RUN.has(code)) {
    return facts.providers.some((peer) => !facts.triedPeers.includes(peer)) ? 'next' : 'fail'
  }
  return MAY_HAVE_RUN.has(code) && facts.repeatable && facts.providers.length > 0 ? 'repeat' : 'fail'
}

/** Whether another provider would be asked if there were one: only then it is worth looking for one. */
export function mayGoOn(code: ErrorCode, facts: Pick<FailureFacts, 'repeatable' | 'attempts' | 'timeLeft'>): boolean {
  return afterFailure(code, { ...facts, providers: ['another'], triedPeers: [] }) !== 'fail'
}

/** The code the caller gets when the call fails for good: a lost session means that nobody knows whether it ran. */
export function callerCode(code: ErrorCode): ErrorCode {
  return MAY_HAVE_RUN.has(code) ? 'SKEIN_OUTCOME_UNKNOWN' : code
}

/** What the caller, or this node, did or forbade: nothing that a provider could be judged by. */
const NOT_ITS_FAULT: ReadonlySet<ErrorCode> = new Set(['SKEIN_CANCELLED', 'SKEIN_BREAKER_OPEN', 'SKEIN_BAD_REQUEST', 'SKEIN_LIMIT'])

/** How an attempt that failed with this code is remembered of its provider. */
export function endingOf(code: ErrorCode): Ending {
  if (NOT_ITS_FAULT.has(code)) return 'cancelled'
  // A call that is late may only be a long one: three of those are no broken provider.
  if (code === 'SKEIN_DEADLINE') return 'refused'
  return ERROR_CODES[code].retry === 'elsewhere' || NOT_RUN.has(code) ? 'refused' : 'failed'
}
