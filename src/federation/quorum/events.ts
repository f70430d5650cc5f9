import type { Tier } from '../../wire/admission-documents.ts'
import type { Certificate, QuorumAnswer, QuorumRequest } from '../../wire/quorum-types.ts'
import type { Random } from '../../base/random.ts'
import type { Acceptor } from './acceptor.ts'
import type { Permits, StoredRow, VoteSeal } from './ports.ts'
import type { QuorumRules } from './rules.ts'
import type { Decided, GroupStatus, ProposalInfo, VoteInfo, Voters } from './types.ts'

/** How a change or read ended. `data`, with `decided` and `conflict`: what the register holds. */
export type Outcome =
  | { type: 'decided'; decided: Decided }
  /** The version is another one (`current` is there), or the voters do not permit it: surely not applied. */
  | { type: 'conflict'; why: string; current: Decided | undefined }
  /** Too few voters answered, and nothing was put to a vote: surely not applied. */
  | { type: 'no-quorum'; why: string }
  /** Not decided in time, and shut out for ever: surely not applied. */
  | { type: 'expired'; why: string }
  | { type: 'unknown'; why: string }
  /** As many proposals as are kept run already: not begun. */
  | { type: 'busy'; why: string }

export interface ChangeWanted {
  what: 'change'
  key: string
  /** Absent: whatever the version is. */
  expect?: number | undefined
  data?: Uint8Array | undefined
  /** The same in every attempt at the same change. */
  op: string
}
export interface ReadWanted {
  what: 'read'
  key: string
}
export interface VotersWanted {
  what: 'voters'
  peers: readonly string[]
  op: string
}
export type Wanted = ChangeWanted | ReadWanted | VotersWanted

/** Times are ms of one monotonic clock. */
export type GroupEvent =
  /** Somebody's request; the answer comes as an effect with the same id, perhaps later (forwarded ones). */
  | { type: 'request'; id: number; from: string; request: QuorumRequest }
  /** The answer to a `call` effect. */
  | { type: 'answer'; call: number; answer: QuorumAnswer }
  | { type: 'failed'; call: number; why: string }
  /** A change or read of this node's own; `id` is the caller's. */
  | { type: 'propose'; id: number; wanted: Wanted; within: number }
  /** Whoever waited for it does so no more; it goes on by itself until it is settled. */
  | { type: 'abandon'; id: number }
  /** The living of this pool, without this node. */
  | { type: 'members'; peers: readonly string[] }
  /** A session with this peer has come up: what was decided while there was none is compared soon. */
  | { type: 'peer-up'; peer: string }
  /** Who is told of settings and bans beside the members. */
  | { type: 'audience'; peers: readonly string[] }
  /** A `persist` effect of the last step could not be carried out: nothing after it was. Must be the next event; this voter abstains from now on. */
  | { type: 'store-failed'; why: string }
  /** Every 50 ms or so while `nextWake` says so. */
  | { type: 'tick' }

/** In this order; what follows a `persist` must not happen unless that is on disk. */
export type GroupEffect =
  | { type: 'persist'; rows: readonly StoredRow[] }
  /** On disk too, if it takes them: nothing that was said rests on it, and others tell it again. */
  | { type: 'keep'; rows: readonly StoredRow[] }
  | { type: 'call'; call: number; to: string; request: QuorumRequest; timeout: number }
  /** The caller no longer waits for this call's answer. */
  | { type: 'forget'; call: number }
  | { type: 'answer'; id: number; answer: QuorumAnswer }
  | { type: 'ended'; id: number; outcome: Outcome; took: number; what: Wanted['what'] }
  /** News: a version higher than all before, decided here or learned. */
  | { type: 'decided'; decided: Decided; certificate: Certificate | undefined }
  | { type: 'counted'; what: 'round' | 'vote' | 'carried' | 'learned' | 'bad-certificate' | 'believed' }
  | { type: 'refused'; reason: string }
  | { type: 'log'; level: 'info' | 'warn'; message: string; fields: Record<string, unknown> }

export interface GroupOptions {
  federation: string
  pool: string
  self: string
  /** It is not in the pool: the hub above passes on what it wants changed. @default false */
  isObserver?: boolean | undefined
  /** Voters of version 0. Empty: not known, the first voters that are told are believed. */
  genesis: readonly string[]
  tier: Tier
  /** Share of the configured voters for operators' registers, over 0 up to 1. @default that of the tier */
  threshold?: number | undefined
  random: Random
  seal: VoteSeal
  permits: Permits
  /** @default everybody may */
  mayPropose?: ((from: string) => boolean) | undefined
  /** @default whatever the name */
  isRegister?: ((key: string) => boolean) | undefined
  rows: readonly StoredRow[]
  /** What was learned of this pool before: it is not asked for again. */
  known?: readonly Certificate[] | undefined
  /** ms: when the machine was made. */
  now: number
  /** Replaced only by tests that plant faults. */
  rules?: QuorumRules | undefined
  acceptor?: Acceptor | undefined
}

/** The quorum of one pool at one node, as a pure machine. */
export interface GroupMachine {
  step(event: GroupEvent, now: number): GroupEffect[]
  /** When the next tick has something to do; undefined: nothing waits. */
  nextWake(): number | undefined
  voters(): Voters
  needed(key: string): number
  known(key: string): Decided | undefined
  all(): Decided[]
  certificate(key: string): Certificate | undefined
  /** The last changes of voters: what whoever knows only `version` lacks. */
  chainFrom(version: number): Certificate[]
  /** All that is known, voters first. */
  certificates(): Certificate[]
  status(): GroupStatus
  proposals(): ProposalInfo[]
  votes(): VoteInfo[]
}
