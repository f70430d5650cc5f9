import { errorMessage } from '../../base/errors.ts'
import type { AcceptRequest, KeysRequest, PrepareRequest, QuorumAnswer, Refused, RegisterValue } from '../../wire/quorum-types.ts'
import { decodeVoterSet, encodeVoterSet, sameData, sameValue, voteBytes } from '../../wire/quorum-votes.ts'
import { MAX_KEYS } from '../../wire/quorum.ts'
import type { AcceptorAnswer, Acceptor, Register } from './acceptor.ts'
import { decidedOf, later, type Decisions } from './decisions.ts'
import type { Permits, StoredRow, VoteSeal } from './ports.ts'
import { chainRows, EVERYTHING, isDecidedRow, registerRow, type LoadedRows } from './rows.ts'
import { maxKeys, type Attempt, type QuorumRules } from './rules.ts'
import { VOTERS_KEY, type Decided, type Proposed } from './types.ts'

export interface VoterOptions {
  federation: string
  pool: string
  self: string
  acceptor: Acceptor
  rules: QuorumRules
  seal: VoteSeal
  permits: Permits
  decisions: Decisions
  loaded: LoadedRows
  now: number
}

/** What was said, and what must be on disk before anybody hears it. */
export interface VoterAnswer {
  rows: StoredRow[]
  answer: QuorumAnswer
  /** A vote was cast. */
  voted?: RegisterValue
}

/** This node as a voter of one pool: its registers, and what it refuses. */
export interface Voter {
  /** `from`: the proposer; only voters may be one. */
  prepare(request: PrepareRequest, from: string, now: number): VoterAnswer
  accept(request: AcceptRequest, from: string, now: number): VoterAnswer
  keys(request: KeysRequest, from: string): VoterAnswer
  /** The highest ballot promised for a register under the voters of today: own ballots begin above it. */
  promised(key: string): number
  /** A voter, and the row of this register can be read. */
  canVote(key: string): boolean
  /** A decision is known: its age begins. */
  learned(key: string, value: RegisterValue, now: number): void
  damaged(): readonly string[]
  /** It has said nothing that it must remember. */
  isBlank(): boolean
  /** It votes on nothing any more: what it said could not be written down. */
  abstain(): void
  /**
   * The voters are settled without this node: what it said counts for nothing, and it may begin anew when it is added again. Nothing happens
   * unless that is later than all voters it may have voted under.
   */
  wipe(): StoredRow[]
  /** … and what that takes is there. */
  mayForget(): boolean
  /** The latest voters it may have voted under; Infinity: nobody knows. */
  votedUpTo(): number
  /** Somebody does, now. */
  votedNoLater(version: number): void
}

export function createVoter(options: VoterOptions): Voter {
  const { federation, pool, self, acceptor, rules, seal, permits, decisions } = options
  const { registers, damaged } = options.loaded
  let { votedUpTo } = options.loaded
  /** Rows that may be on disk, also where writing failed: what is forgotten must not be there after the next start. */
  const stored = new Set([...[...registers.keys()].map((key) => registerRow(key, undefined).key), ...options.loaded.unreadable.filter((key) => !isDecidedRow(key))])
  /** Votes of others, that are told again. */
  const unreadable = options.loaded.unreadable.filter(isDecidedRow)
  /** Since when a register has held what it holds, as this node sees it. */
  const seen = new Map<string, { version: number; op: string | undefined; since: number }>()

  const isVoter = () => decisions.voters().peers.includes(self)
  const mayForget = () => decisions.voters().settled && !isVoter() && decisions.voters().version > votedUpTo

  /** What every question of a proposer must pass. */
  function refusal({ voters }: { voters: number }, from: string, key: string | undefined): Refused | undefined {
    const own = decisions.voters()
    if (voters < own.version) return { kind: 'refused', reason: 'newer', voters: own.version, chain: decisions.chainFrom(voters) }
    if (voters > own.version) return { kind: 'refused', reason: 'behind', voters: own.version }
    // Before whether it votes: whoever looks for voters must hear that.
    if (damaged.has(EVERYTHING) || (key !== undefined && damaged.has(key))) return { kind: 'refused', reason: 'damaged' }
    if (!isVoter() || !own.peers.includes(from)) return { kind: 'refused', reason: 'not-voter', voters: own.version }
    if (key !== undefined && !registers.has(key) && registers.size >= maxKeys(key)) return { kind: 'refused', reason: 'full' }
    return undefined
  }

  function current(key: string): Decided | undefined {
    const accepted = registers.get(key)?.accepted
    const newest = later(accepted && { key, ...accepted, votes: [{ peer: self, signature: accepted.signature }] }, decisions.get(key))
    return newest === undefined || newest.value.version === 0 ? undefined : decidedOf(newest)
  }

  /** `proposer`: only where it is its own idea; what is put to the vote again may be another's. */
  function permitted(key: string, next: Proposed, now: number, proposer?: string): Refused | undefined {
    const since = seen.get(key)?.since ?? options.now
    try {
      const why = permits(pool, key, current(key), next, { age: now - since, proposer })
      return why === true ? undefined : { kind: 'refused', reason: 'not-permitted', why }
    } catch (error) {
      return { kind: 'refused', reason: 'not-permitted', why: `this voter cannot say: ${errorMessage(error)}` }
    }
  }

  /** Whatever differs begins anew: a lease may look younger than it is, never older. */
  function see(key: string, { version, ops }: RegisterValue, now: number): void {
    const before = seen.get(key)
    if (before === undefined || before.version !== version || before.op !== ops[0]) seen.set(key, { version, op: ops[0], since: now })
  }

  /** Voted for already, or known to be decided: no new decision of this voter. */
  function isKnown(key: string, value: RegisterValue): boolean {
    const accepted = registers.get(key)?.accepted
    const decided = decisions.get(key)
    return value.version === 0 || (accepted !== undefined && sameValue(accepted.value, value)) || (decided !== undefined && sameValue(decided.value, value))
  }

  /** Voters follow the known ones, or are the known ones. */
  function illegal(value: RegisterValue): string | undefined {
    const own = decisions.voters()
    const same = value.data !== undefined && sameData(value.data, encodeVoterSet({ peers: own.peers, settled: own.settled }))
    if (value.version === own.version) return same ? undefined : 'it is not what was decided'
    if (value.version !== own.version + 1 || value.data === undefined) return 'its version does not follow'
    try {
      return rules.successor(own, decodeVoterSet(value.data), decisions.votersBefore())
    } catch (error) {
      return errorMessage(error)
    }
  }

  function record(key: string, said: AcceptorAnswer): VoterAnswer {
    if (said.type === 'late') return { rows: [], answer: { kind: 'refused', reason: 'ballot', ballot: said.ballot } }
    if (said.type === 'illegal') return { rows: [], answer: { kind: 'refused', reason: 'illegal' } }
    registers.set(key, said.register)
    const rows = [registerRow(key, said.register)]
    for (const row of rows) stored.add(row.key)
    if (said.type === 'promised') return { rows, answer: { kind: 'promised', ...(said.register.accepted !== undefined && { accepted: said.register.accepted }) } }
    return { rows, answer: { kind: 'accepted', signature: said.accepted.signature }, voted: said.accepted.value }
  }

  return {
    prepare(request, from, now) {
      const { key, next, voters, ballot } = request
      // A refusal costs no promise: who would not get a value through must not stop the others.
      const no = refusal(request, from, key) ?? (next && permitted(key, { version: next.version, data: next.data }, now, from))
      if (no !== undefined) return { rows: [], answer: no }
      return record(key, acceptor.prepare(registers.get(key), { voters, ballot }))
    },
    accept(request, from, now) {
      const { key, voters, ballot, value } = request
      const refused = refusal(request, from, key)
      if (refused !== undefined) return { rows: [], answer: refused }
      const why = key === VOTERS_KEY ? illegal(value) : undefined
      if (why !== undefined) return { rows: [], answer: { kind: 'refused', reason: 'illegal', why } }
      const no = isKnown(key, value) ? undefined : permitted(key, { version: value.version, data: value.data }, now)
      if (no !== undefined) return { rows: [], answer: no }
      const attempt: Attempt = { voters, ballot }
      const said = record(key, acceptor.accept(registers.get(key), attempt, value, () => seal.sign(voteBytes({ federation, pool, key, ...attempt, value }))))
      if (said.voted !== undefined) see(key, value, now)
      return said
    },
    keys(request, from) {
      const refused = refusal(request, from, undefined)
      const accepted = [...registers].filter(([, register]) => register.accepted !== undefined).map(([key]) => key)
      // A damaged row may hold what was decided: named, so that others are asked for it.
      const keys = [...accepted, ...damaged].filter((key) => key !== VOTERS_KEY).slice(0, MAX_KEYS)
      // Asked by a voter whether it would be one: its answer says that its disk takes what it writes.
      const tried = refused?.reason === 'not-voter' && decisions.voters().peers.includes(from)
      return { rows: tried ? chainRows(decisions.chain()) : [], answer: refused ?? { kind: 'keys', keys } }
    },
    promised(key) {
      const register: Register | undefined = registers.get(key)
      return register?.promised.voters === decisions.voters().version ? register.promised.ballot.n : 0
    },
    canVote: (key) => isVoter() && !damaged.has(EVERYTHING) && !damaged.has(key) && (registers.has(key) || registers.size < maxKeys(key)),
    learned: see,
    damaged: () => [...damaged],
    isBlank: () => registers.size === 0 && damaged.size === 0,
    abstain: () => void damaged.add(EVERYTHING),
    wipe() {
      if (!mayForget()) return []
      registers.clear()
      damaged.clear()
      return [...stored, ...unreadable.splice(0)].map((key) => ({ key, bytes: undefined }))
    },
    mayForget,
    votedUpTo: () => votedUpTo,
    votedNoLater(version) {
      votedUpTo = Math.min(votedUpTo, version)
    }
  }
}
