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
  /** Does a change with `expect` still apply? */
  expected(expect: number | undefined, current: RegisterValue): boolean
  /** May these voters follow? Undefined, or why not. */
  successor(current: VoterSet, next: VoterSet): string | undefined
}

export const RULES: QuorumRules = {
  needed(key, count, threshold) {
    const majority = Math.floor(count / 2) + 1
    if (key === HUB_KEY || key === VOTERS_KEY) return majority
    // A share such as 0.6 of 5 is 3.0000000000000004 in binary for some products.
    return Math.max(majority, Math.min(count, Math.ceil(threshold * count - 1e-9)))
  },
  expected: (expect, current) => expect === undefined || expect === current.version,
  successor
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
function successor(current: VoterSet, next: VoterSet): string | undefined {
  const gone = current.peers.filter((peer) => !next.peers.includes(peer))
  const come = next.peers.filter((peer) => !current.peers.includes(peer))
  if (new Set(next.peers).size !== next.peers.length || next.peers.length === 0) return 'voters are named once each, and there is at least one'
  if (!current.settled) {
    return next.settled && gone.length + come.length === 0 ? undefined : 'the last change of voters is not settled yet: wait until it is'
  }
  if (next.settled) return 'a change of voters begins unsettled'
  return gone.length + come.length === 1 ? undefined : 'voters change one at a time: add or remove exactly one'
}
