import type { Clock } from '../base/clock.ts'
import { SkeinError, toSkeinError } from '../base/errors.ts'
import type { Guard, GuardOptions, GuardState } from '../base/guard.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import { createBreaker } from './breaker.ts'
import { createBulkhead, refusedCall } from './bulkhead.ts'
import type { ComponentMetrics } from './metrics.ts'

export interface GuardDeps {
  clock: Clock
  random: Random
  logger: Logger
  metrics: ComponentMetrics
}

/** What create-guards.ts shows of a guard beside the port. */
export interface WatchedGuard extends Guard {
  readonly failureRate: number
}

/** The breaker is asked before a call waits and again when it has a place: it may have opened meanwhile. */
export function createGuard({ clock, random, logger, metrics }: GuardDeps, component: string, options: GuardOptions): WatchedGuard {
  const { maxConcurrent, maxWaiting = 0 } = options
  let last: GuardState = 'closed'
  const breaker = createBreaker(
    {
      clock,
      random,
      ended(how, ms) {
        metrics.calls.inc()
        if (how === 'neither') return
        metrics[how].inc()
        metrics.latency.observe(ms / 1_000)
      },
      onState
    },
    options
  )
  const bulkhead = maxConcurrent === undefined ? undefined : createBulkhead(clock, { places: maxConcurrent, seats: maxWaiting, refusal: busy })

  function onState(state: GuardState, why: unknown): void {
    if (state === last) return
    last = state
    metrics.transitions[state].inc()
    if (state === 'closed') return logger.info('calls are let through again: one has worked', { component })
    if (state === 'half-open') return logger.debug('one call is let through to see whether it works again', { component })
    const error = toSkeinError(why)
    logger.warn('calls are refused for a while, too many have failed: see why the last one did', { component, for_ms: Math.round(breaker.left), code: error.code, error: error.message })
    // They go elsewhere sooner.
    bulkhead?.clear(broken)
  }

  function broken(): SkeinError {
    metrics.refused.open.inc()
    const left = Math.ceil(breaker.left / 1_000)
    const until = left > 0 ? `for ${left} s` : 'until one that is under way has worked'
    return new SkeinError('SKEIN_BREAKER_OPEN', `Too many calls to ${component} have failed, so others are refused ${until}; this one was not run. Try again later, or find out why they fail.`)
  }

  function busy(why: 'full' | 'late'): SkeinError {
    metrics.refused[why].inc()
    const message =
      why === 'full'
        ? `${component} runs ${maxConcurrent} calls and ${maxWaiting} wait: this one was not run. Try again when some are done, or raise max_concurrent or max_waiting.`
        : `${component} had no place for this call in time, behind ${maxConcurrent} that run: it was not run. Try again when some are done, or raise max_concurrent.`
    return new SkeinError('SKEIN_BUSY', message)
  }

  return {
    get state() {
      return breaker.state
    },
    get refusing() {
      return breaker.refusing
    },
    get running() {
      return bulkhead?.running ?? 0
    },
    get waiting() {
      return bulkhead?.waiting ?? 0
    },
    get failureRate() {
      return breaker.failureRate
    },
    run(start, how) {
      if (breaker.refusing) return refusedCall(broken())
      if (bulkhead === undefined) return breaker.run(start, how)
      return bulkhead.run(() => (breaker.refusing ? refusedCall(broken()) : breaker.run(start, how)), how?.within)
    },
    tryNow: () => breaker.tryNow()
  }
}
