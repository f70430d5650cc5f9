import type { Random } from '../base/random.ts'
import { createProbeSchedule, type ProbeSchedule } from './probe-schedule.ts'

/** Each dead member is dialled about this often by all living members together, ms: what a healed partition waits for. */
const SPACING = 2_000
/** For so long after its death, ms; a partition or a restart seldom takes longer … */
const FRESH = 600_000
/** … and this many times less often afterwards, so that ghosts cost next to nothing. */
const OLD_FACTOR = 15
/** Half the width of the jitter of a wait: 2 s are 1.5 to 2.5 s. */
const JITTER = 0.25

/**
 * Whom of the dead to dial when. Each member goes round its dead ones in its own random order, so that one dead member is dialled
 * every 2 s x alive members by each; the wait is worked out from the numbers of the moment, so it follows both counts at once.
 */
export interface DeadRounds {
  add(peer: string, now: number): void
  remove(peer: string): void
  /** Alive members, self included. */
  setAlive(members: number): void
  /** The next one if its time has come; undefined also when `mayDial` refuses all. */
  take(now: number, mayDial: (peer: string) => boolean): string | undefined
  /** Clock ms; Infinity without dead members. */
  nextDue(): number
  postpone(ms: number): void
}

interface Round {
  readonly spacing: number
  readonly peers: ProbeSchedule
  /** When it last dialled … */
  last: number
  /** … and how much of the mean wait it waits this time. */
  share: number
}

export function createDeadRounds(random: Random): DeadRounds {
  const since = new Map<string, number>()
  const fresh = newRound(SPACING)
  const old = newRound(SPACING * OLD_FACTOR)
  const rounds = [fresh, old]
  let alive = 1

  function newRound(spacing: number): Round {
    return { spacing, peers: createProbeSchedule(random), last: 0, share: 0 }
  }

  function dueOf({ peers, last, share, spacing }: Round): number {
    return peers.size === 0 ? Infinity : last + (share * spacing * alive) / peers.size
  }

  function begin(round: Round, peer: string, now: number): void {
    // A random phase: members that learned of a death together do not dial together.
    if (round.peers.size === 0) {
      round.last = now
      round.share = random.float()
    }
    round.peers.add(peer)
  }

  function takeFrom(round: Round, now: number, mayDial: (peer: string) => boolean): string | undefined {
    round.last = now
    round.share = 1 - JITTER + 2 * JITTER * random.float()
    for (;;) {
      const peer = round.peers.next(mayDial)
      if (peer === undefined || round === old || now - (since.get(peer) ?? now) < FRESH) return peer
      fresh.peers.remove(peer)
      begin(old, peer, now)
    }
  }

  return {
    add(peer, now) {
      if (since.has(peer)) return
      since.set(peer, now)
      begin(fresh, peer, now)
    },
    remove(peer) {
      if (!since.delete(peer)) return
      for (const round of rounds) round.peers.remove(peer)
    },
    setAlive(members) {
      alive = Math.max(1, members)
    },
    take(now, mayDial) {
      for (const round of rounds) {
        if (dueOf(round) > now) continue
        const peer = takeFrom(round, now, mayDial)
        if (peer !== undefined) return peer
      }
      return undefined
    },
    nextDue: () => Math.min(dueOf(fresh), dueOf(old)),
    postpone(ms) {
      for (const round of rounds) round.last += ms
    }
  }
}
