import type { IBackoff, IBackoffFactory, IHalfOpenAfterBackoffContext } from 'cockatiel'
import { backoffDelay } from '../base/backoff.ts'
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'

export interface OpeningsOptions {
  /** ms, the first time. */
  openFor: number
  /** ms */
  openAtMost: number
  /** Whether an error says that what is guarded does not work. */
  isFailure(error: unknown): boolean
}

/** How long a breaker is open each time, in the form in which the library asks. */
export interface Openings extends IBackoffFactory<IHalfOpenAfterBackoffContext> {
  /** ms until the newest one is over; 0 when it is. */
  readonly left: number
  /** The newest one is over. */
  end(): void
}

/**
 * Grows with each deciding call that failed; one that ended as neither (its client gave it up) makes room for the next at once.
 *
 * The library compares the difference of two readings of the wall clock with `duration`, so a clock that is set back would keep a breaker open
 * for as long. Here `duration` is the whole answer, by our own monotonic clock: longer than any difference, or shorter.
 */
export function createOpenings(clock: Pick<Clock, 'now'>, random: Random, { openFor, openAtMost, isFailure }: OpeningsOptions): Openings {
  let until = -Infinity

  function opening(attempt: number, delay: number): IBackoff<IHalfOpenAfterBackoffContext> {
    until = clock.now() + delay
    return {
      get duration() {
        return clock.now() < until ? Infinity : -Infinity
      },
      next: ({ result }) => ('error' in result && !isFailure(result.error) ? opening(attempt, 0) : grown(attempt + 1))
    }
  }
  const grown = (attempt: number) => opening(attempt, backoffDelay(attempt, { base: openFor, cap: openAtMost }, random))

  return {
    next: () => grown(0),
    get left() {
      return Math.max(0, until - clock.now())
    },
    end() {
      until = -Infinity
    }
  }
}
