import type { Clock, Timer } from '../../base/clock.ts'

/** Announced changes that are read at once: servers that register their tools one by one announce a few together. */
const BURST = 5

/** One more read for each of these, ms: every change goes to all nodes and all their clients, and a server may announce a thousand a second. */
const EVERY = 2_000

/**
 * Reads again what a server announced as changed: one reading at a time, once more for all that is announced meanwhile, and at a
 * bounded rate. `read` never rejects.
 */
export function createRefresh(clock: Clock, read: () => Promise<void>): () => void {
  let announced = false
  let running = false
  let timer: Timer | undefined
  let credit = BURST
  let countedAt = clock.now()

  function readIfDue(): void {
    if (!announced || running || timer !== undefined) return
    const now = clock.now()
    credit = Math.min(BURST, credit + (now - countedAt) / EVERY)
    countedAt = now
    if (credit < 1) {
      timer = clock.after((1 - credit) * EVERY, () => {
        timer = undefined
        readIfDue()
      })
      return
    }
    credit -= 1
    announced = false
    running = true
    void read().then(() => {
      running = false
      readIfDue()
    })
  }

  return () => {
    announced = true
    readIfDue()
  }
}
