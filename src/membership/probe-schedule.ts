import { randomInt } from '../base/random.ts'
import type { Random } from '../base/random.ts'

/**
 * Whom to probe next: everybody once a round, each round in a new random order. So nobody waits longer than 2N - 1 probes,
 * and the members do not all probe the same one (SWIM, section 4.3).
 */
export interface ProbeSchedule {
  /** At a random place of the running round: it comes this round or the next. Nothing happens if it is there already. */
  add(peer: string): void
  remove(peer: string): void
  /** The next one that may be probed; undefined if none may. Whoever may not is passed over until the next round. */
  next(mayProbe: (peer: string) => boolean): string | undefined
  readonly size: number
}

export function createProbeSchedule(random: Random): ProbeSchedule {
  const order: string[] = []
  const known = new Set<string>()
  /** Everything before it has had its turn. */
  let cursor = 0

  const shuffle = () => {
    for (let last = order.length - 1; last > 0; last--) {
      const other = randomInt(random, last + 1)
      const moved = order[last] as string
      order[last] = order[other] as string
      order[other] = moved
    }
  }

  const restOfRound = (mayProbe: (peer: string) => boolean) => {
    while (cursor < order.length) {
      const peer = order[cursor++] as string
      if (mayProbe(peer)) return peer
    }
    return undefined
  }

  return {
    add(peer) {
      if (known.has(peer)) return
      known.add(peer)
      const place = randomInt(random, order.length + 1)
      order.splice(place, 0, peer)
      if (place < cursor) cursor++
    },
    remove(peer) {
      if (!known.delete(peer)) return
      const place = order.indexOf(peer)
      order.splice(place, 1)
      if (place < cursor) cursor--
    },
    next(mayProbe) {
      const peer = restOfRound(mayProbe)
      if (peer !== undefined) return peer
      shuffle()
      cursor = 0
      return restOfRound(mayProbe)
    },
    get size() {
      return order.length
    }
  }
}
