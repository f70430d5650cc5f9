import type { Random } from '../base/random.ts'

/** Between two dials lies the pace's interval and up to this share more, by chance: never faster than the pace, not in step with others. */
const SPREAD = 0.12
/** … and this share more: timers are late by some ms, and yet the pace is kept in every single second. */
const MARGIN = 0.08

/** Who is to be dialled when, at a limited pace: first those who have waited longest since they were due. */
export interface DialQueue {
  put(peer: string, due: number): void
  drop(peer: string): void
  has(peer: string): boolean
  /** Takes out the next one, or undefined if nobody is due or the pace does not allow it yet. */
  take(now: number): string | undefined
  /** When the pace allows the next dial. */
  readonly free: number
  /** A dial was made at `now`, taken from here or not. `slowdown` divides the pace. */
  spend(now: number, slowdown: number): void
  /** Clock ms; Infinity when nobody waits. */
  nextDue(): number
  postpone(ms: number): void
}

/**
 * Only neighbours without a link wait here (at most 141), and the earliest is remembered, so a scan after a change is cheap
 * and asking without one costs nothing.
 *
 * @param interval ms between two dials
 */
export function createDialQueue(interval: number, random: Random): DialQueue {
  let waiting = new Map<string, number>()
  let free = -Infinity
  let earliest: { peer: string; due: number } | undefined
  let stale = false

  function first(): { peer: string; due: number } | undefined {
    if (!stale) return earliest
    stale = false
    earliest = undefined
    for (const [peer, due] of waiting) if (earliest === undefined || due < earliest.due) earliest = { peer, due }
    return earliest
  }

  function drop(peer: string): void {
    if (waiting.delete(peer) && earliest?.peer === peer) stale = true
  }

  return {
    put(peer, due) {
      drop(peer)
      waiting.set(peer, due)
      if (!stale && (earliest === undefined || due < earliest.due)) earliest = { peer, due }
    },
    drop,
    has: (peer) => waiting.has(peer),
    take(now) {
      const next = first()
      if (next === undefined || next.due > now || free > now) return undefined
      drop(next.peer)
      return next.peer
    },
    get free() {
      return free
    },
    spend(now, slowdown) {
      free = now + interval * slowdown * (1 + MARGIN + random.float() * SPREAD)
    },
    nextDue() {
      const next = first()
      return next === undefined ? Infinity : Math.max(next.due, free)
    },
    postpone(ms) {
      free += ms
      waiting = new Map([...waiting].map(([peer, due]) => [peer, due + ms]))
      stale = true
    }
  }
}
