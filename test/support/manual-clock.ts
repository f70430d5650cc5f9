import type { Clock } from '../../src/base/clock.ts'

export interface ManualClock extends Clock {
  /** Moves time forward, firing timers in order of their due time. */
  advance(ms: number): void
  /** The process stood still: time has moved when the first timer fires. */
  jump(ms: number): void
  readonly pending: number
}

/** Virtual time for unit tests: nothing happens until `advance`. */
export function createManualClock(start = 0, wallStart = 1_700_000_000_000): ManualClock {
  let time = start
  let order = 0
  let timers: { due: number; order: number; fn: () => void }[] = []
  const clock: ManualClock = {
    now: () => time,
    wall: () => wallStart + (time - start),
    after(ms, fn) {
      const timer = { due: time + Math.max(0, ms), order: order++, fn }
      timers.push(timer)
      return {
        cancel: () => {
          timers = timers.filter((other) => other !== timer)
        }
      }
    },
    advance(ms) {
      const end = time + ms
      for (;;) {
        const next = timers.filter((timer) => timer.due <= end).toSorted((a, b) => a.due - b.due || a.order - b.order)[0]
        if (next === undefined) break
        timers = timers.filter((timer) => timer !== next)
        time = Math.max(time, next.due)
        next.fn()
      }
      time = end
    },
    jump(ms) {
      time += ms
      clock.advance(0)
    },
    get pending() {
      return timers.length
    }
  }
  return clock
}
