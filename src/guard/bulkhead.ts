import { bulkhead } from 'cockatiel'
import type { Clock } from '../base/clock.ts'
import { SkeinError } from '../base/errors.ts'
import type { Guarded } from '../base/guard.ts'

export interface BulkheadOptions {
  /** Calls at a time. */
  places: number
  /** Calls that wait beyond that. */
  seats: number
  /** Why a call is not taken: `full`, or `late`: it waited for as long as it could. */
  refusal(why: 'full' | 'late'): SkeinError
}

export interface Bulkhead {
  readonly running: number
  readonly waiting: number
  /** Starts it when it has a place. `within`: how long it may wait, ms. */
  run<T>(start: () => Guarded<T>, within?: number): Guarded<T>
  /** Sends those that wait away. */
  clear(why: () => SkeinError): void
}

interface Waiting {
  go(): void
  /** False: it waits no longer. */
  leave(why: SkeinError): boolean
}

/**
 * Places are the library's; the line before them is ours. In the library's own one a call that was cancelled keeps its seat until its turn,
 * nothing ends a wait, and a call that comes while a place changes hands overtakes those that wait, or puts the first of them back to the end.
 */
export function createBulkhead(clock: Pick<Clock, 'after'>, { places: max, seats, refusal }: BulkheadOptions): Bulkhead {
  const places = bulkhead(max, 0)
  /** In the order in which they came; bounded by `seats`. */
  const line = new Set<Waiting>()

  function enter<T>(start: () => Guarded<T>): Guarded<T> {
    let call: Guarded<T> | undefined
    const outcome = hold(() => {
      call = start()
      return call.outcome
    })
    return { outcome, cancel: (reason) => call?.cancel(reason) }
  }

  async function hold<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await places.execute(run)
    } finally {
      admit()
    }
  }

  function admit(): void {
    for (const first of line) {
      if (places.executionSlots === 0) return
      line.delete(first)
      first.go()
    }
  }

  function wait<T>(start: () => Guarded<T>, within: number | undefined): Guarded<T> {
    const { promise: outcome, resolve, reject } = Promise.withResolvers<T>()
    let call: Guarded<T> | undefined
    const one: Waiting = {
      go() {
        timer?.cancel()
        call = enter(start)
        call.outcome.then(resolve, reject)
      },
      leave(why) {
        if (!line.delete(one)) return false
        timer?.cancel()
        reject(why)
        return true
      }
    }
    const timer = within === undefined ? undefined : clock.after(within, () => one.leave(refusal('late')))
    line.add(one)
    return {
      outcome,
      cancel(reason) {
        if (!one.leave(new SkeinError('SKEIN_CANCELLED', `The request was cancelled while it waited for its turn: ${reason}`))) call?.cancel(reason)
      }
    }
  }

  return {
    get running() {
      return max - places.executionSlots
    },
    get waiting() {
      return line.size
    },
    run(start, within) {
      if (line.size === 0 && places.executionSlots > 0) return enter(start)
      if (line.size < seats) return wait(start, within)
      return refusedCall(refusal('full'))
    },
    clear(why) {
      for (const one of line) one.leave(why())
    }
  }
}

/** A call that ended before it began. */
export function refusedCall(why: SkeinError): Guarded<never> {
  const outcome = Promise.reject(why)
  // Whoever asked may look later than this tick; that is no crash.
  outcome.catch(() => {})
  return { outcome, cancel() {} }
}
