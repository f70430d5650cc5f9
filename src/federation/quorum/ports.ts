import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Meter } from '../../base/meter.ts'
import type { Random } from '../../base/random.ts'
import type { Signer } from '../../wire/envelope.ts'
import type { Decided, Proposed } from './types.ts'

export interface StoredRow {
  /** `r/<register>`: what a voter promised and accepted; `v`: the chain of voters. */
  key: string
  /** Undefined: the row's checksum is wrong. */
  bytes: Uint8Array | undefined
}

/** What a voter must never forget. */
export interface QuorumStore {
  /** Those with rows. */
  pools(): string[]
  /** All rows of a pool. Throws if the file cannot be read. */
  load(pool: string): StoredRow[]
  /** On disk when it returns, all of them or none; bytes undefined takes the row away. Throws if it cannot. */
  save(pool: string, rows: readonly StoredRow[]): void
}

/** Signing and checking votes, behind a port so that a simulation can do without. */
export interface VoteSeal {
  /** 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array
  /** Is this the signature of `peer`? */
  verify(peer: string, bytes: Uint8Array, signature: Uint8Array): boolean
}

/**
 * May `next` follow `current` at this voter? True, or a sentence why not. `age`: for how long this node has known or voted for `current`, ms on its
 * own monotonic clock (a renewal with the same data begins anew; after a restart it counts from the start). Asked before a promise and before
 * a vote; not for a value that this voter has voted for already. `proposer`: whose change it is, before a promise; undefined before a vote, for a value
 * that another began is put to the vote by whoever finds it. Must not call the quorum.
 */
export type Permits = (pool: string, key: string, current: Decided | undefined, next: Proposed, about: { age: number; proposer?: string | undefined }) => true | string

export interface QuorumDeps {
  clock: Clock
  random: Random
  meter: Meter
  logger: Logger
  store: QuorumStore
  signer: Signer
  /** One request over the session with `peer`. Rejects within `timeout` ms, or when `signal` aborts. */
  call(peer: string, method: number, body: Uint8Array, options: { timeout: number; signal: AbortSignal }): Promise<Uint8Array>
  permits: Permits
  /** May this peer change settings and bans of this pool? Asked for whoever hands a change to this node; voters may. @default everybody may */
  mayPropose?(pool: string, from: string): boolean
  /** Is there such a register? Nobody has others voted on. @default whatever the name */
  isRegister?(pool: string, key: string): boolean
  /** Replaces signing in simulations. @default Ed25519 with `signer` */
  seal?: VoteSeal
}
