import type { Clock } from '../../src/base/clock.ts'

/** What a timer belongs to: those of a process that died never fire. */
export interface Owner {
  alive: boolean
}

export interface LargeClock extends Clock {
  /** A clock of one process. */
  of(owner: Owner): Clock
  /** Lets time pass; promises settle after each millisecond in which something happened. */
  run(ms: number): Promise<void>
  /** Takes out the timers of processes that are gone, and all that were cancelled. */
  sweep(): void
}

interface Due {
  fn: (() => void) | undefined
  owner: Owner | undefined
}

/** Turns of one millisecond: an answer at once may cause a question at once, but not for ever. */
const MAX_TURNS = 100

/** Virtual time in whole milliseconds, for millions of timers: setting and cancelling one costs the same however many there are. */
export function createLargeClock(): LargeClock {
  let time = 0
  const buckets = new Map<number, Due[]>()

  function after(ms: number, fn: () => void, owner?: Owner) {
    const at = Math.ceil(time + Math.max(0, ms))
    const due: Due = { fn, owner }
    const bucket = buckets.get(at)
    if (bucket === undefined) buckets.set(at, [due])
    else bucket.push(due)
    return { cancel: () => void (due.fn = undefined) }
  }

  /** True if anything ran. */
  function fire(): boolean {
    const bucket = buckets.get(time)
    if (bucket === undefined) return false
    let ran = false
    // It grows while it runs.
    for (let index = 0; index < bucket.length; index++) {
      const { fn, owner } = bucket[index] as Due
      if (fn === undefined || owner?.alive === false) continue
      ran = true
      fn()
    }
    buckets.delete(time)
    return ran
  }

  const now = () => time
  const wall = () => 1_700_000_000_000 + time
  return {
    now, wall, after,
    of: (owner) => ({ now, wall, after: (ms, fn) => after(ms, fn, owner) }),
    async run(ms) {
      const end = time + ms
      await new Promise(setImmediate)
      while (time < end) {
        time++
        for (let turn = 0; turn < MAX_TURNS && fire(); turn++) await new Promise(setImmediate)
      }
    },
    sweep() {
      for (const [at, bucket] of buckets) {
        const kept = bucket.filter(({ fn, owner }) => fn !== undefined && owner?.alive !== false)
        if (kept.length === 0) buckets.delete(at)
        else buckets.set(at, kept)
      }
    }
  }
}
