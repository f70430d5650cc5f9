import type { Tier } from '../../wire/admission-documents.ts'
import type { Ballot, SignedVote, VoterSet } from '../../wire/quorum-types.ts'

/** A value that a quorum has accepted. */
export interface Decided {
  key: string
  /** 0 = never written; one more with each change: the fencing number. */
  version: number
  data: Uint8Array | undefined
  ballot: Ballot
  /** Version of the voters register whose voters voted. */
  voters: number
  /** Of the change that made this version; '' for version 0. */
  op: string
  /** Those that prove it; empty where a later version's votes stand for it. */
  votes: readonly SignedVote[]
}

/** What somebody wants a register to hold next. */
export interface Proposed {
  /** Absent while it is not known: a change of whatever the version is. */
  version: number | undefined
  data: Uint8Array | undefined
}

export interface Voters extends VoterSet {
  /** Of the register `voters`; 0 = genesis. */
  version: number
}

export type ProposalState = 'running' | 'settling' | 'decided' | 'conflict' | 'no-quorum' | 'expired' | 'unknown'

/** One change or read under way at this node, or one of the last that ended. Times in ms on the machine's clock. */
export interface ProposalInfo {
  pool: string
  key: string
  /** Lower-case hexadecimal; '' for reads. */
  op: string
  what: 'change' | 'read' | 'voters'
  state: ProposalState
  started: number
  ended?: number
  deadline: number
  rounds: number
  /** Votes needed, and had in the last round. */
  needed: number
  votes: number
  /** Why it ended so, or what holds it up, as a sentence. */
  why?: string
  version?: number
}

/** A vote that this node cast or counted. */
export interface VoteInfo {
  pool: string
  key: string
  voter: string
  ballot: Ballot
  voters: number
  version: number
  /** ms on the machine's clock. */
  at: number
}

/** A group as people see it. */
export interface GroupStatus {
  pool: string
  tier: Tier
  voters: Voters
  /** This node votes. */
  isVoter: boolean
  /** Registers whose row cannot be read: this node does not vote on them. `*`: on none. */
  damaged: readonly string[]
  /** What this node votes cannot be written down: the error of its disk. It votes on nothing then. */
  unwritten?: string | undefined
  /** Voters that said so of theirs, by key, since this node started. */
  damagedAt: readonly { peer: string; key: string }[]
  needed: { lease: number; setting: number }
}

/** The register of a pool's voters; its changes are single and follow each other. */
export const VOTERS_KEY = 'voters'
/** The lease of the hub's role. */
export const HUB_KEY = 'hub'
