import type { MembershipProfile } from './profiles.ts'

/** The formulas of hashicorp/memberlist (util.go, suspicion.go; those of the Lifeguard paper), times in ms. */

/** Up to this many members the sync interval is as configured. */
const SYNC_SCALE_FROM = 32

/** Shortest suspicion, ms: mult x max(1, log10 n) x interval, the logarithm cut to three decimals. `members` includes this node. */
export function suspicionMin(mult: number, members: number, interval: number): number {
  const scale = Math.max(1, Math.log10(Math.max(1, members)))
  return (mult * Math.floor(scale * 1_000) * interval) / 1_000
}

/**
 * What is left of a suspicion: from `max` without confirmations down to `min` with `wanted` of them, falling with the logarithm of their number:
 * each further one adds less certainty. Negative when it is over. All times in one unit, whichever. With nothing wanted it is `min` from the start.
 */
export function remaining(confirmations: number, wanted: number, min: number, max: number, elapsed: number): number {
  if (wanted <= 0) return min - elapsed
  const share = Math.log(confirmations + 1) / Math.log(wanted + 1)
  return Math.max(min, max - share * (max - min)) - elapsed
}

/** How often an item of news is sent: mult x ceil(log10(n + 1)). */
export function retransmitLimit(mult: number, members: number): number {
  return mult * Math.ceil(Math.log10(members + 1))
}

/** By how much the sync interval grows with the members, so that all together do not sync more and more often: 1 up to 32, 2 up to 64, 3 up to 128. */
export function syncScale(members: number): number {
  if (members <= SYNC_SCALE_FROM) return 1
  return Math.ceil(Math.log2(members) - Math.log2(SYNC_SCALE_FROM)) + 1
}

/**
 * The times of a suspicion that starts among so many living members, this node and the suspect included. Where there are fewer others than
 * confirmations are wanted, as many are wanted as there are (memberlist wants none then, so that one observer's bad connection decides among four).
 */
export function suspicionTimes(profile: MembershipProfile, members: number): { min: number; max: number; wanted: number } {
  const min = profile.suspicionTimeout ?? suspicionMin(profile.suspicionMult, members, profile.probeInterval)
  return { min, max: profile.suspicionMaxMult * min, wanted: Math.max(0, Math.min(profile.confirmations, members - 2)) }
}

/** The time somebody under suspicion has to object. */
export interface Suspicion {
  /** All that counted, the first one included: at most `wanted` + 1. */
  readonly accusers: ReadonlySet<string>
  /** Another accusation. True if it is new and counts, and is therefore worth passing on. */
  confirm(accuser: string): boolean
  /** Somebody's own suspicion ran out: no stronger one is possible, the shortest time applies. */
  shorten(): void
  /** This node stood still for so long and could not have heard an objection. */
  postpone(ms: number): void
  /** On the clock of `now`, ms. May be past already when a confirmation came late. */
  readonly deadline: number
}

/** `min`, `max`: shortest and longest time, ms; `wanted`: confirmations that bring it from one to the other. The first accuser does not confirm. */
export function createSuspicion(o: { accuser: string; wanted: number; min: number; max: number; now: number }): Suspicion {
  const { wanted, min, max } = o
  const accusers = new Set([o.accuser])
  let start = o.now
  let lasts = remaining(0, wanted, min, max, 0)
  return {
    accusers,
    confirm(accuser) {
      if (accusers.size > wanted || accusers.has(accuser)) return false
      accusers.add(accuser)
      lasts = Math.min(lasts, remaining(accusers.size - 1, wanted, min, max, 0))
      return true
    },
    shorten() {
      lasts = Math.min(lasts, min)
    },
    postpone(ms) {
      start += ms
    },
    get deadline() {
      return start + lasts
    }
  }
}
