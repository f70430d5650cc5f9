import type { Tier } from '../../wire/admission-documents.ts'
import type { Ballot, RegisterValue, VoterSet } from '../../wire/quorum-types.ts'
import { MAX_KEYS } from '../../wire/quorum.ts'
import { HUB_KEY, VOTERS_KEY } from './types.ts'

/** An attempt in the order of all attempts ever: voters of a later version come after every ballot of earlier ones. */
export interface Attempt {
  voters: number
  ballot: Ballot
}

export const TIER_THRESHOLD: Readonly<Record<Tier, number>> = { global: 0.7, regional: 0.6, local: 0.5, leaf: 0.5 }

/** What makes a quorum safe, in one place so that tests can break one rule at a time. */
export interface QuorumRules {
  /** Votes that decide. `count` is that of the configured voters, never of the living. */
  needed(key: string, count: number, threshold: number, living: number): number
  /** Do these votes decide? `needed`: so many, see above. */
  isQuorum(key: string, peers: readonly string[], voted: readonly string[], needed: number): boolean
  /** Does a change with `expect` still apply? */
  expected(expect: number | undefined, current: RegisterValue): boolean
  /** May these voters follow? Undefined, or why not. `before`: those before the current ones, where they are known. */
  successor(current: VoterSet, next: VoterSet, before?: VoterSet): string | undefined
}

export const RULES: QuorumRules = {
  needed(key, count, threshold) {
    const majority = Math.floor(count / 2) + 1
    if (key === VOTERS_KEY && count === 2) return 1
    if (key === HUB_KEY || key === VOTERS_KEY) return majority
    // A share such as 0.6 of 5 is 3.0000000000000004 in binary for some products.
    return Math.max(majority, Math.min(count, Math.ceil(threshold * count - 1e-9)))
  },
  isQuorum(key, peers, voted, needed) {
    const alone = decidesAlone(key, peers)
    return alone === undefined ? voted.length >= needed : voted.includes(alone)
  },
  expected: (expect, current) => expect === undefined || expect === current.version,
  successor
}

/**
 * Of two voters the first decides alone who votes, or the second would stop the pool for ever by saying nothing. All quorums of that register hold the first, so they
 * share a voter; of every other register it takes both.
 */
export function decidesAlone(key: string, peers: readonly string[]): string | undefined {
  return key === VOTERS_KEY && peers.length === 2 ? peers[0] : undefined
}

/** Registers that there may be before this one: two places are kept for the lease and the voters, whatever else there is. */
export function maxKeys(key: string): number {
  return key === HUB_KEY || key === VOTERS_KEY ? MAX_KEYS : MAX_KEYS - 2
}

/** Negative: `a` is earlier. */
export function compareAttempts(a: Attempt, b: Attempt): number {
  return a.voters - b.voters || compareBallots(a.ballot, b.ballot)
}

export function compareBallots(a: Ballot, b: Ballot): number {
  return a.n - b.n || (a.peer < b.peer ? -1 : a.peer > b.peer ? 1 : 0)
}

/**
 * One voter more or less, then the same ones settled: majorities of neighbours in this chain always share a voter, and nothing is left behind
 * with the voters before them.
 */
function successor(current: VoterSet, next: VoterSet, before?: VoterSet): string | undefined {
  const gone = current.peers.filter((peer) => !next.peers.includes(peer))
  const come = next.peers.filter((peer) => !current.peers.includes(peer))
  if (new Set(next.peers).size !== next.peers.length || next.peers.length === 0) return 'voters are named once each, and there is at least one'
  if (!current.settled) {
    if (!next.settled && isWayBack(current, next, before)) return undefined
    return next.settled && gone.length + come.length === 0 ? undefined : 'the last change of voters is not settled yet: wait until it is'
  }
  if (next.settled) return 'a change of voters begins unsettled'
  return gone.length + come.length === 1 ? undefined : 'voters change one at a time: add or remove exactly one'
}

/**
 * Voters that cannot be settled are for ever, but for one case: a sole voter, another one that was added to it, and the sole one again. Whatever was decided before
 * and under the two has its vote, so nothing has to be carried over to it that it does not hold.
 */
function isWayBack({ peers }: VoterSet, next: VoterSet, before: VoterSet | undefined): boolean {
  const [sole] = before?.peers ?? []
  return before?.peers.length === 1 && peers.length === 2 && peers[0] === sole && next.peers.length === 1 && next.peers[0] === sole
}
