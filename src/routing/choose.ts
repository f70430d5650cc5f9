import { randomInt, type Random } from '../base/random.ts'

/** What is known about a node that may take a call. */
export interface Candidate {
  peer: string
  /** This node itself: no network between. */
  local: boolean
  /** Measured round trip, ms; left out until it was measured. */
  rtt?: number
  /** Calls running there, in any unit that compares between candidates. @default 0 */
  load?: number
  /** It does not answer the membership now: it may be dead, or only slow. @default false */
  suspect?: boolean
}

/** A peer that was never measured counts as one in the same city: worth trying, not worth preferring to a LAN peer. */
export const DEFAULT_RTT = 10
/** Near-best: within half again of the best round trip … */
const NEAR_FACTOR = 1.5
/** … or within 2 ms, for below that a difference is the scheduler's noise. */
const NEAR_MS = 2

/**
 * The provider of a call: the local one; else two random ones of those whose round trip is near the best, and of the two
 * the less loaded ("power of two choices", Mitzenmacher 2001: almost the balance of asking all, without the herd).
 * Suspects only when there is nobody else: a call costs its time limit there if they are dead. Undefined without candidates.
 */
export function chooseProvider(candidates: readonly Candidate[], random: Random): string | undefined {
  const local = candidates.find((candidate) => candidate.local)
  if (local !== undefined) return local.peer
  const trusted = candidates.filter((candidate) => candidate.suspect !== true)
  const near = nearest(trusted.length > 0 ? trusted : candidates)
  const first = near[randomInt(random, near.length)]
  if (first === undefined || near.length === 1) return first?.peer
  const rest = near.filter((candidate) => candidate !== first)
  const second = rest[randomInt(random, rest.length)] as Candidate
  return (second.load ?? 0) < (first.load ?? 0) ? second.peer : first.peer
}

function nearest(candidates: readonly Candidate[]): Candidate[] {
  const best = candidates.reduce((least, candidate) => Math.min(least, roundTrip(candidate)), Infinity)
  const limit = Math.max(best * NEAR_FACTOR, best + NEAR_MS)
  return candidates.filter((candidate) => roundTrip(candidate) <= limit)
}

function roundTrip({ rtt }: Candidate): number {
  return rtt === undefined || !Number.isFinite(rtt) || rtt < 0 ? DEFAULT_RTT : rtt
}
