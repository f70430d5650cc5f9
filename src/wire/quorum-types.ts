/** What the voters of a pool say to each other (protocols/quorum.md). */

/** Orders the attempts of one voters version; the peer id breaks ties. Across versions the version comes first (`Vote.voters`). */
export interface Ballot {
  n: number
  peer: string
}

/** What a register holds. Carried over whole, so the same `version` always has the same content. */
export interface RegisterValue {
  /** 0: never written. One more with each change. */
  version: number
  /** At most 4 KiB; absent: nothing, or taken away. */
  data?: Uint8Array | undefined
  /** Who asked for the last changes, newest first, at most 16: `ops[i]` made version `version - i`. Lower-case hexadecimal, 12 bytes. */
  ops: readonly string[]
}

/** A voter's signature under a ballot, a voters version and a value. */
export interface SignedVote {
  peer: string
  signature: Uint8Array
}

/** A value as one voter accepted it. */
export interface Accepted {
  ballot: Ballot
  /** Version of the voters register under which. */
  voters: number
  value: RegisterValue
  signature: Uint8Array
}

/** A decided value with the votes that prove it. */
export interface Certificate {
  key: string
  ballot: Ballot
  /** Version of the voters register whose voters voted. */
  voters: number
  value: RegisterValue
  votes: readonly SignedVote[]
}

/** What `voters` holds, as data. */
export interface VoterSet {
  /** In order of succession. */
  peers: readonly string[]
  /** Every register was carried over to these: the next change may come. */
  settled: boolean
}

interface Asked {
  pool: string
  /** The voters version the sender knows. */
  voters: number
  /** Decisions of `voters` that the asked one said it lacks. */
  chain?: readonly Certificate[] | undefined
}

export interface PrepareRequest extends Asked {
  kind: 'prepare'
  key: string
  ballot: Ballot
  /** What is going to be proposed, so that a refusal costs nobody a promise. Absent: only to read or carry over. */
  next?: { version?: number | undefined; data?: Uint8Array | undefined } | undefined
}

export interface AcceptRequest extends Asked {
  kind: 'accept'
  key: string
  ballot: Ballot
  value: RegisterValue
}

/** Which registers do you hold anything of? */
export interface KeysRequest extends Asked {
  kind: 'keys'
}

/** Tells decisions, and asks for those that the sender lacks. */
export interface LearnRequest {
  kind: 'learn'
  pool: string
  told: readonly Certificate[]
  /** Of all that the sender knows: nothing comes back when it is the same. Absent: only telling. */
  hash?: Uint8Array | undefined
  /** What it knows; absent with `hash`: first see whether anything differs. */
  have?: readonly { key: string; version: number }[] | undefined
}

/** A change, or a read, that a voter is to make for somebody who is none. */
export interface ForwardRequest {
  kind: 'forward'
  pool: string
  key: string
  /** `read`: nothing is changed. */
  what: 'change' | 'read' | 'voters'
  /** The same at every voter that is asked: it is applied once. '' for reads. */
  op: string
  /** Absent: whatever the version is. */
  expect?: number | undefined
  data?: Uint8Array | undefined
  /** ms */
  within: number
  /** How often it may be passed on by nodes that do not vote. Absent: never. */
  relays?: number | undefined
}

export type QuorumRequest = PrepareRequest | AcceptRequest | KeysRequest | LearnRequest | ForwardRequest

export type RefusalReason = (typeof REFUSAL_REASONS)[number]
export const REFUSAL_REASONS = ['ballot', 'newer', 'behind', 'not-voter', 'not-permitted', 'damaged', 'full', 'illegal', 'closed'] as const

/**
 * `ballot`: a higher one was promised, `ballot` says which. `newer`: `chain` has later voters. `behind`: the answerer knows only `voters`, send it the
 * chain. `not-voter`, `not-permitted` (`why`), `damaged` (its row for this register cannot be read), `full` (too many registers), `illegal` (no successor
 * of the voters it knows), `closed` (it is not in this pool).
 */
export interface Refused {
  kind: 'refused'
  reason: RefusalReason
  ballot?: Ballot | undefined
  voters?: number | undefined
  chain?: readonly Certificate[] | undefined
  why?: string | undefined
}

export type ForwardOutcome = 'decided' | 'conflict' | 'no-quorum' | 'expired' | 'unknown' | 'busy'

export type QuorumAnswer =
  | { kind: 'promised'; accepted?: Accepted | undefined }
  | { kind: 'accepted'; signature: Uint8Array }
  | { kind: 'keys'; keys: readonly string[] }
  | { kind: 'learned'; same: boolean; decided: readonly Certificate[]; more: boolean }
  | { kind: 'outcome'; outcome: ForwardOutcome; decided?: Certificate | undefined; why?: string | undefined }
  | Refused
