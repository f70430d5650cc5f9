import type { Clock } from '../../src/base/clock.ts'

/** The clock of one process, which can stand still (SIGSTOP) and can be killed. */
export interface ProcessClock extends Clock {
  pause(): void
  /** Time has gone on meanwhile; what was due happens now. */
  resume(): void
  kill(): void
}

export function createProcessClock(world: Clock): ProcessClock {
  let state: 'runs' | 'paused' | 'killed' = 'runs'
  let held: (() => void)[] = []
  return {
    now: world.now,
    wall: world.wall,
    after(ms, fn) {
      let cancelled = false
      const timer = world.after(ms, () => {
        if (state === 'runs') fn()
        else if (state === 'paused') held.push(() => (cancelled ? undefined : fn()))
      })
      return {
        cancel() {
          cancelled = true
          timer.cancel()
        }
      }
    },
    pause() {
      state = 'paused'
    },
    resume() {
      state = 'runs'
      const due = held
      held = []
      for (const fn of due) fn()
    },
    kill() {
      state = 'killed'
      held = []
    }
  }
}
