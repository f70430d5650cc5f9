import type { Clock, Timer } from '../../base/clock.ts'

/** How many provide a server, and who has a place in a full table, is told this often, ms: what comes back meanwhile costs nothing, and no call needs it. */
export const LATER_AFTER = 3_000

/** What a telling left for later. */
export interface Left {
  /** Servers of which only numbers changed. */
  readonly keys: ReadonlySet<string>
  /** Full tables are to be cut anew. */
  readonly cuts: boolean
}

/** Changes that can wait, told together. */
export interface Later {
  /** The time has come: everything that was left. Undefined: not yet, or there is nothing. */
  take(): ReadonlySet<string> | undefined
  add(left: Left): void
  start(): void
  stop(): void
}

/** @param onDue something that was left is to be told now */
export function createLater(clock: Clock, onDue: () => void): Later {
  /** Bounded by the servers in the tables. */
  let keys = new Set<string>()
  let cuts = false
  let timer: { due: number; timer: Timer } | undefined
  let running = false

  function arm(): void {
    if (!running || timer !== undefined || (keys.size === 0 && !cuts)) return
    timer = { due: clock.now() + LATER_AFTER, timer: clock.after(LATER_AFTER, onDue) }
  }

  return {
    take() {
      if (timer === undefined || clock.now() < timer.due) return undefined
      timer = undefined
      const taken = keys
      keys = new Set()
      cuts = false
      return taken
    },
    add(left) {
      for (const key of left.keys) keys.add(key)
      cuts ||= left.cuts
      arm()
    },
    start() {
      running = true
      arm()
    },
    stop() {
      running = false
      timer?.timer.cancel()
      timer = undefined
    }
  }
}
