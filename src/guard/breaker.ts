import { circuitBreaker, CircuitState, ConsecutiveBreaker, handleWhen, type CircuitBreakerPolicy, type FailureReason, type IBreaker } from 'cockatiel'
import type { Clock } from '../base/clock.ts'
import type { Guarded, GuardedStart, GuardOptions, GuardState, RunOptions } from '../base/guard.ts'
import type { SkeinError } from '../base/errors.ts'
import type { Random } from '../base/random.ts'
import { isFailure, isLost } from './failure.ts'
import { createOpenings } from './openings.ts'
import { createWindow } from './window.ts'

/** A share of fewer calls than this is chance. */
export const MIN_CALLS = 10

/**
 * A deciding call that was taken and has not failed for so long has decided, ms: half as long again as a call may be silent by default. A
 * component that hangs is found by the next calls that fail; one that is slow must not be shut off until its longest call is done.
 */
export const DECIDED_AFTER = 30_000

export interface BreakerDeps {
  clock: Clock
  random: Random
  /** How a call ended, after `ms`: `failed` counts against the component, `neither` says nothing of it. */
  ended(how: 'success' | 'failed' | 'neither', ms: number): void
  /** `why`: the error of the last failure, where there is one. */
  onState(state: GuardState, why: unknown): void
}

export interface Breaker {
  readonly state: GuardState
  readonly refusing: boolean
  /** ms until a call is let through; 0 while one is under way that decides. */
  readonly left: number
  readonly failureRate: number
  /** To be asked only when it is not `refusing`. */
  run<T>(start: GuardedStart<T>, options?: RunOptions): Guarded<T>
  tryNow(): void
}

/** The library's state machine with our clock, our rule of what a failure is, and both thresholds at once. */
export function createBreaker({ clock, random, ended, onState }: BreakerDeps, options: GuardOptions): Breaker {
  const window = createWindow(clock, options.window)
  const consecutive = new ConsecutiveBreaker(options.failures)
  /** Failures by their code that do not count here. */
  const excused = new WeakSet<Error>()
  const counts = (error: unknown) => isFailure(error) && !excused.has(error)
  /** Calls so far, and how many there were when the last one was lost. */
  let begun = 0
  let lostAt = 0
  const openings = createOpenings(clock, random, { ...options, isFailure: counts })

  const verdict: IBreaker = {
    state: undefined,
    success(state) {
      if (state === CircuitState.HalfOpen) {
        consecutive.success()
        return window.clear()
      }
      // It began before the breaker opened: what it tells is old.
      if (policy.state !== CircuitState.Closed) return
      consecutive.success()
      window.add(true)
    },
    failure(state) {
      if (state !== CircuitState.Closed) {
        if (counts(errorOf(policy.lastFailure))) window.add(false)
        return true
      }
      if (policy.state !== CircuitState.Closed) return false
      window.add(false)
      const inARow = consecutive.failure()
      return inARow || (window.failureRate >= options.failureRate && window.total >= MIN_CALLS)
    }
  }
  // An error that is neither would close a half-open breaker, to the library's mind; so it handles that too, and openings.ts knows it.
  const policy: CircuitBreakerPolicy = circuitBreaker(
    handleWhen((error) => counts(error) || policy.state === CircuitState.HalfOpen),
    { breaker: verdict, halfOpenAfter: openings }
  )
  policy.onStateChange(() => onState(stateNow(), errorOf(policy.lastFailure)))

  function stateNow(): GuardState {
    if (policy.state === CircuitState.Closed) return 'closed'
    return policy.state === CircuitState.Open && openings.left > 0 ? 'open' : 'half-open'
  }

  /** One crash or broken connection is one failure, however many calls were under way: those that begin after it tell more. */
  function isSameLoss(error: SkeinError, order: number): boolean {
    if (!isLost(error)) return false
    if (order <= lostAt) return true
    lostAt = begun
    return false
  }

  /** The same outcome, counted before anybody hears of it. */
  function counted<T>(call: Guarded<T>, since: number, how: RunOptions | undefined): Promise<T> {
    const order = ++begun
    return call.outcome.then(
      (answer) => {
        ended('success', clock.now() - since)
        return answer
      },
      (error: unknown) => {
        const failed = isFailure(error) && how?.counts?.(error) !== false
        if (isFailure(error) && (!failed || isSameLoss(error, order))) excused.add(error)
        ended(failed ? 'failed' : 'neither', clock.now() - since)
        throw error
      }
    )
  }

  function run<T>(start: GuardedStart<T>, how: RunOptions | undefined): Guarded<T> {
    const since = clock.now()
    let call: Guarded<T> | undefined
    // The library starts it before execute() returns, and settles after it has counted: the next call finds the new state.
    const outcome = policy.execute(() => {
      call = start()
      return counted(call, since, how)
    })
    return { outcome, cancel: (reason) => call?.cancel(reason) }
  }

  /** The call that decides. In the library others would wait for it, without a bound; ours are refused (see `refusing`). */
  function decide<T>(start: GuardedStart<T>, how: RunOptions | undefined): Guarded<T> {
    const since = clock.now()
    const sign = Promise.withResolvers<void>()
    const timer = clock.after(DECIDED_AFTER, sign.resolve)
    let call: Guarded<T> | undefined
    let outcome: Promise<T> | undefined
    const decision = policy.execute(() => {
      call = start(sign.resolve)
      outcome = counted(call, since, how)
      return Promise.race([outcome, sign.promise])
    })
    const decided = () => timer.cancel()
    decision.then(decided, decided)
    return {
      outcome: decision.then(
        () => outcome as Promise<T>,
        (error: unknown) => outcome ?? Promise.reject(error)
      ),
      cancel: (reason) => call?.cancel(reason)
    }
  }

  return {
    get state() {
      return stateNow()
    },
    get refusing() {
      return policy.state === CircuitState.HalfOpen || (policy.state === CircuitState.Open && openings.left > 0)
    },
    get left() {
      return openings.left
    },
    get failureRate() {
      return window.failureRate
    },
    run: (start, how) => (policy.state === CircuitState.Closed ? run(start, how) : decide(start, how)),
    tryNow: () => openings.end()
  }
}

function errorOf(reason: FailureReason<unknown> | undefined): unknown {
  return reason !== undefined && 'error' in reason ? reason.error : undefined
}
