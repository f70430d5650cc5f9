import type { Clock, Timer } from '../../src/base/clock.ts'
import { createEventHeap } from './swim-heap.ts'

/** Virtual time with a heap, for many nodes; promises settle between two moments. */
export interface SimClock extends Clock {
  run(ms: number): Promise<void>
}

export function createSimClock(): SimClock {
  const heap = createEventHeap()
  let time = 0
  let ran = false
  return {
    now: () => time,
    wall: () => 1_700_000_000_000 + time,
    after(ms, fn): Timer {
      let cancelled = false
      heap.push(time + Math.max(0, ms), () => {
        if (cancelled) return
        ran = true
        fn()
      })
      return { cancel: () => void (cancelled = true) }
    },
    async run(ms) {
      const end = time + ms
      await new Promise(setImmediate)
      for (let next = heap.nextAt; next !== undefined && next <= end; next = heap.nextAt) {
        time = Math.max(time, next)
        ran = false
        heap.runTo(time, () => {})
        if (ran) await new Promise(setImmediate)
      }
      time = end
    }
  }
}
