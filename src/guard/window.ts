import type { Clock } from '../base/clock.ts'

/** Steps in which a window moves on: the share is of the last 0.9 to 1 window. */
const SLOTS = 10

/** What calls of the last `length` ms came to. */
export interface Window {
  add(ok: boolean): void
  readonly total: number
  /** 0 to 1; 0 without calls. */
  readonly failureRate: number
  clear(): void
}

interface Slot {
  /** Which step of time it counts. */
  step: number
  ok: number
  failed: number
}

/**
 * Counts in a ring of slots. The library's own window (SamplingBreaker) moves one slot a call and reads the wall clock: after a pause, or a
 * laptop's sleep, failures of hours ago would still count.
 */
export function createWindow(clock: Pick<Clock, 'now'>, length: number): Window {
  const width = length / SLOTS
  const slots: Slot[] = Array.from({ length: SLOTS }, () => ({ step: -Infinity, ok: 0, failed: 0 }))
  const stepNow = () => Math.floor(clock.now() / width)

  function sum(): { ok: number; failed: number } {
    const oldest = stepNow() - SLOTS + 1
    const all = { ok: 0, failed: 0 }
    for (const slot of slots) {
      if (slot.step < oldest) continue
      all.ok += slot.ok
      all.failed += slot.failed
    }
    return all
  }

  return {
    add(ok) {
      const step = stepNow()
      const slot = slots[((step % SLOTS) + SLOTS) % SLOTS] as Slot
      if (slot.step !== step) {
        slot.step = step
        slot.ok = 0
        slot.failed = 0
      }
      if (ok) slot.ok += 1
      else slot.failed += 1
    },
    get total() {
      const { ok, failed } = sum()
      return ok + failed
    },
    get failureRate() {
      const { ok, failed } = sum()
      return failed === 0 ? 0 : failed / (ok + failed)
    },
    clear() {
      for (const slot of slots) slot.step = -Infinity
    }
  }
}
