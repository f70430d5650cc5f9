/** No dial so soon after the news, ms: first it must get round, then come the handshakes. */
export const SETTLE = 300
/** … and the longer, the more news there are, ms for each: in a storm the processors are busy, and news comes late and in lumps … */
const SETTLE_EACH = 100
const LONGEST_SETTLE = 1_500
/** … but news that keep coming hold the dials up no longer than this in all, ms. */
const MAX_HOLD = 5_000

/** Holds up what many members do at once after the same news, until no more come. */
export interface Settling {
  /** One more came. */
  note(now: number): void
  /** Clock ms; -Infinity before the first. */
  readonly heldUntil: number
  postpone(ms: number): void
}

export function createSettling(): Settling {
  let first = -Infinity
  let last = -Infinity
  let count = 0

  /** When the run of news is over, if no more come. */
  function settledAt(): number {
    return last + Math.min(LONGEST_SETTLE, Math.max(SETTLE, count * SETTLE_EACH))
  }

  return {
    note(now) {
      if (now > settledAt()) {
        first = now
        count = 0
      }
      last = now
      count++
    },
    get heldUntil() {
      return Math.min(settledAt(), first + MAX_HOLD)
    },
    postpone(ms) {
      first += ms
      last += ms
    }
  }
}
