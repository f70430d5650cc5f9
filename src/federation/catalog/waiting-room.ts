/** Writers of whom nothing else is known yet: a whole pool that starts at once, and a bound on what invented ones can take. */
export const MAX_WAITING = 256
/** All of them together, bytes: four of the largest. */
export const MAX_WAITING_BYTES = 4 * 1024 * 1024
/** Whoever is no member after two rounds of comparing is none, ms. */
export const MAX_WAIT = 60_000

/** Sealed records that came before the news that their writers are members. Pure; the one that came first goes first. */
export interface WaitingRoom {
  /** Keeps the one with the highest sequence of each writer. */
  put(peer: string, sequence: number, bytes: Uint8Array, now: number): void
  /** Takes it out. */
  take(peer: string): Uint8Array | undefined
  /** Drops those that waited too long. */
  expire(now: number): void
  readonly size: number
}

export function createWaitingRoom(): WaitingRoom {
  /** Oldest first: a Map keeps the order of insertion. */
  const waiting = new Map<string, { sequence: number; bytes: Uint8Array; since: number }>()
  let total = 0

  function take(peer: string): Uint8Array | undefined {
    const found = waiting.get(peer)
    waiting.delete(peer)
    total -= found?.bytes.length ?? 0
    return found?.bytes
  }

  return {
    put(peer, sequence, bytes, now) {
      const known = waiting.get(peer)
      if (known !== undefined && known.sequence >= sequence) return
      take(peer)
      waiting.set(peer, { sequence, bytes, since: now })
      total += bytes.length
      for (const oldest of waiting.keys()) {
        if (waiting.size <= MAX_WAITING && total <= MAX_WAITING_BYTES) return
        take(oldest)
      }
    },
    take,
    expire(now) {
      for (const [peer, { since }] of waiting) {
        if (now - since < MAX_WAIT) return
        take(peer)
      }
    },
    get size() {
      return waiting.size
    }
  }
}
