import type { Random } from '../../base/random.ts'
import type { Certificate, QuorumAnswer, QuorumRequest } from '../../wire/quorum-types.ts'
import type { Decisions } from './decisions.ts'
import type { GroupEffect } from './events.ts'
import type { QuorumRules } from './rules.ts'
import type { VoteInfo } from './types.ts'
import type { Voter } from './voter.ts'

/** What the parts of a group's machine share. Effects are gathered in the order in which they must happen. */
export interface GroupContext {
  pool: string
  self: string
  random: Random
  rules: QuorumRules
  decisions: Decisions
  voter: Voter
  now(): number
  emit(effect: GroupEffect): void
  /** Asks `to`; `heard` gets the answer, or undefined when there is none. Returns how to stop waiting. */
  ask(to: string, request: QuorumRequest, timeout: number, heard: (answer: QuorumAnswer | undefined) => void): () => void
  /** This node's own voice as a voter: what it says is on disk before anything that follows. */
  own(request: QuorumRequest): QuorumAnswer
  /** Counted here: no need to check the votes. */
  decided(certificate: Certificate): void
  /**
   * Checked. `from`: whose answer to a question it is; undefined: told unasked. `open`: some cannot be proven without what this node lacks, so it should ask.
   * `doubt`: there are later voters, as this one says alone.
   */
  learn(certificates: readonly Certificate[], from: string | undefined): { open: boolean; doubt: boolean }
  /** Who said so of voters and was not believed. */
  doubted(): ReadonlySet<string>
  needed(key: string): number
  /** The votes of these voters of today decide. */
  isQuorum(key: string, voted: readonly string[]): boolean
  vote(vote: Omit<VoteInfo, 'pool' | 'at'>): void
  /** A voter says that it cannot read its row. */
  damagedAt(peer: string, key: string): void
  /** A new proposal of the machine's own. */
  nextId(): number
}
