import type { Tier } from '../../wire/admission-documents.ts'
import { depthOf } from './order.ts'

export interface Candidate {
  peer: string
  tier: Tier
  /** Alive since then, ms. */
  since: number
}

export interface VoterFacts {
  /** Of the pool. */
  tier: Tier
  /** In order of succession. */
  voters: readonly string[]
  /** The last change is known to a majority. */
  settled: boolean
  /** Holds the lease, or manages without one: it stays. */
  manager: string
  /** Living and stable members that can be dialled and do not drain, the manager included. */
  candidates: readonly Candidate[]
  /** Left, or dead for long. */
  gone(peer: string): boolean
  living(peer: string): boolean
  tierOf(peer: string): Tier
}

/** With fewer than three, one dead node would stop a majority of two: one voter is better. */
export const SMALL = 3
const FULL = 5

/** The voters after the next change by one, or undefined if they are right. */
export function decideVoters(facts: VoterFacts): string[] | undefined {
  const { voters, manager, candidates } = facts
  if (!facts.settled) return undefined
  const gone = voters.find((peer) => peer !== manager && facts.gone(peer))
  if (gone !== undefined) return without(facts, gone)
  const reserves = reservesOf(facts)
  const target = candidates.length >= FULL ? FULL : candidates.length >= SMALL ? SMALL : 1
  const [best] = reserves
  // Two new ones are there before the first change: never two voters for longer than the changes take.
  if (best !== undefined && (voters.length < target || (voters.length % 2 === 0 && voters.length < FULL))) return [...voters, best.peer]
  // Nobody can fill the place, so that one vote less is needed.
  if (voters.length % 2 === 0) return without(facts, dispensable(facts))
  return swap(facts, best)
}

/** Candidates that do not vote, the best first. */
export function reservesOf({ tier, voters, candidates }: Pick<VoterFacts, 'tier' | 'voters' | 'candidates'>): Candidate[] {
  return candidates.filter(({ peer }) => !voters.includes(peer)).toSorted((a, b) => better(tier, a, b))
}

/** A better one takes the place of one of a lower tier, one at a time and only while all are well. */
function swap(facts: VoterFacts, best: Candidate | undefined): string[] | undefined {
  if (best === undefined || facts.voters.length < SMALL || !facts.voters.every(facts.living)) return undefined
  const worst = dispensable(facts)
  return distance(facts.tier, best.tier) < distance(facts.tier, facts.tierOf(worst)) ? without(facts, worst) : undefined
}

/** The one farthest from the pool's tier, of these the last in the order; never the manager. */
function dispensable({ voters, manager, tier, tierOf, living }: VoterFacts): string {
  const weight = (peer: string) => distance(tier, tierOf(peer)) + (living(peer) ? 0 : 10)
  const others = voters.filter((peer) => peer !== manager)
  return others.reduce((worst, peer) => (weight(peer) >= weight(worst) ? peer : worst), others[0] ?? manager)
}

function better(tier: Tier, a: Candidate, b: Candidate): number {
  return distance(tier, a.tier) - distance(tier, b.tier) || a.since - b.since || (a.peer < b.peer ? -1 : 1)
}

function distance(pool: Tier, tier: Tier): number {
  return Math.abs(depthOf(pool) - depthOf(tier))
}

/** Of two that are left the manager is the first: that one decides alone who votes. */
function without({ voters, manager }: VoterFacts, peer: string): string[] {
  const left = voters.filter((other) => other !== peer)
  return left.length === 2 ? left.toSorted((a, b) => Number(b === manager) - Number(a === manager)) : left
}
