import type { Acceptor, AcceptorAnswer } from '../../../src/federation/quorum/acceptor.ts'
import type { Attempt, QuorumRules } from '../../../src/federation/quorum/rules.ts'
import { VOTERS_KEY } from '../../../src/federation/quorum/types.ts'
import type { Plant } from './world-types.ts'

/** Bugs that must be found. Each breaks one rule of the quorum and leaves the others as they are. */
export const PLANTS = {
  /** Votes and promises are said but never written down: after a restart the voter says something else. */
  'votes are not persisted': { forget: (key: string) => key.startsWith('r/') },
  /** The quorum is counted over those that are alive: each side of a partition decides. */
  'quorum of the living': { rules: (sound: QuorumRules): QuorumRules => ({ ...sound, needed: (_key, count, _threshold, living) => Math.floor(Math.min(count, living) / 2) + 1 }) },
  /** `expect` is read by nobody: who comes late overwrites what it never saw. */
  'no fencing': { rules: (sound: QuorumRules): QuorumRules => ({ ...sound, expected: () => true }) },
  /** A change of voters may follow one that is not settled, or be of two at once. */
  'two voter changes at once': { rules: (sound: QuorumRules): QuorumRules => ({ ...sound, successor: () => undefined }) },
  /** The second of two voters decides alone who votes, as the first does: each may be left over by itself. */
  'either of two voters decides': {
    rules: (sound: QuorumRules): QuorumRules => ({ ...sound, isQuorum: (key, peers, voted, needed) => (key === VOTERS_KEY && peers.length === 2 ? voted.length > 0 : sound.isQuorum(key, peers, voted, needed)) })
  },
  /** Two voters that are left of three go back to one although not all was carried over to them. */
  'two of three voters shrink unsettled': {
    rules: (sound: QuorumRules): QuorumRules => ({
      ...sound,
      successor: (current, next, before) => (!current.settled && !next.settled && current.peers.length === 2 && next.peers.join() === current.peers[0] ? undefined : sound.successor(current, next, before))
    })
  },
  /** Promises and votes leave before they are on disk: a crash in between takes them back. */
  'said before it is written': { saysFirst: true },
  /** Voters let anybody have the lease at any time. */
  'a running lease is taken over': { permits: () => true },
  /** Ballots are told apart by their number alone: a voter votes for the values of two proposers in one ballot. */
  'two values in one ballot': { acceptor: (sound: Acceptor): Acceptor => ({ ...sound, prepare: promiseByNumber, accept: voteByNumber }) }
} as const satisfies Record<string, Plant>

function isEarlier(attempt: Attempt, promised: Attempt | undefined): promised is Attempt {
  return promised !== undefined && (attempt.voters - promised.voters || attempt.ballot.n - promised.ballot.n) < 0
}

function promiseByNumber(...[register, attempt]: Parameters<Acceptor['prepare']>): AcceptorAnswer {
  const promised = register?.promised
  return isEarlier(attempt, promised) ? { type: 'late', ballot: promised.ballot } : { type: 'promised', register: { ...register, promised: attempt } }
}

function voteByNumber(...[register, attempt, value, sign]: Parameters<Acceptor['accept']>): AcceptorAnswer {
  const promised = register?.promised
  if (isEarlier(attempt, promised)) return { type: 'late', ballot: promised.ballot }
  const accepted = { ...attempt, value, signature: sign() }
  return { type: 'voted', register: { promised: attempt, accepted }, accepted, again: false }
}
