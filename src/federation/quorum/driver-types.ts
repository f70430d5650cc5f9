import type { Tier } from '../../wire/admission-documents.ts'
import type { Decided, GroupStatus, ProposalInfo, VoteInfo, Voters } from './types.ts'

export interface Within {
  /** ms */
  within: number
  signal?: AbortSignal
}

export interface Change {
  /** The version that is to be replaced; `any`: whatever it is. */
  expect: number | 'any'
  /** At most 4 KiB; undefined takes the value away (the version goes on). */
  data: Uint8Array | undefined
}

/** What this node knows of a group that it need not belong to. */
export interface QuorumLearned {
  pool: string
  voters(): Voters
  /** The newest decision known, proven by its votes; perhaps not the newest there is. */
  known(key: string): Decided | undefined
  all(): Decided[]
  /** Each version at most once, versions rising, some perhaps left out. Renewals with the same data too, where they are learned. */
  onDecided(listener: (decided: Decided) => void): () => void
  /** Of this node, the oldest first. */
  proposals(): ProposalInfo[]
}

export interface QuorumGroup extends QuorumLearned {
  tier: Tier
  /** Votes that decide changes of this register. */
  needed(key: string): number
  /**
   * Changes a register, at the voters if this node is none. Rejects with SKEIN_CONFLICT (the version differs, or voters do not permit it; `data.current`
   * is the version there, in the first case), SKEIN_NO_QUORUM or SKEIN_PROPOSAL_EXPIRED (surely not applied), SKEIN_OUTCOME_UNKNOWN (may still be: read), SKEIN_BUSY, SKEIN_CANCELLED
   * (the signal: it goes on by itself), SKEIN_LIMIT (too large).
   */
  change(key: string, change: Change, options: Within): Promise<Decided>
  /** Linearizable: what was decided before the call is seen. Undefined: never written. Rejects with SKEIN_NO_QUORUM, SKEIN_BUSY, SKEIN_CANCELLED. */
  read(key: string, options: Within): Promise<Decided | undefined>
  /** Exactly one added or removed. Resolves when every register is carried over to them. */
  changeVoters(peers: readonly string[], options: Within): Promise<Decided>
  /** Asks a member that is no voter whether it would be a sound one. */
  wouldVote(peer: string, options: { within: number }): Promise<boolean>
  votes(): VoteInfo[]
  status(): GroupStatus
}

export interface Quorum {
  /** Throws SKEIN_DATA_DIR if what this node has voted cannot be read at all. Idempotent for the same pool. */
  open(pool: string, options: { genesis: readonly string[]; tier: Tier; threshold?: number | undefined }): QuorumGroup
  /** Its votes stay on disk: as a voter it must know them when it comes back. */
  close(pool: string): void
  group(pool: string): QuorumGroup | undefined
  /** Pools that are not open in which this node has a vote, by what its disk says. */
  votesIn(): string[]
  groups(): QuorumGroup[]
  /** The living of a pool without this node: told what is decided, and asked. For a pool that is not open: those to ask (the hub above). */
  setMembers(pool: string, peers: readonly string[]): void
  /** Who else is told of `setting/*`, `ban/*` and voters of this pool: a hub's own children, for `root`. */
  setAudience(pool: string, peers: readonly string[]): void
  /** A session with it has come up: groups that have it as a member compare with it, within half a second and at most once in 5 s. */
  peerUp(peer: string): void
  /** One of the QUORUM methods. Throws SKEIN_PROTOCOL. */
  answer(method: number, body: Uint8Array, from: string): Promise<Uint8Array>
  /**
   * Of a group that this node may not belong to; the same object while it runs, also when it joins.
   * @param options.genesis its first voters, where they are known: then nobody's word is needed for what they decided. Kept for later calls.
   */
  learned(pool: string, options?: { genesis: readonly string[] }): QuorumLearned
  /** As `QuorumGroup.change`, also of a pool that this node only learns of: then hubs pass it on, up the tree. */
  change(pool: string, key: string, change: Change, options: Within): Promise<Decided>
  start(): void
  /** Ends what waits with SKEIN_CANCELLED. */
  stop(): void
}
