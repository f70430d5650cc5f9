import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Meter } from '../base/meter.ts'
import type { Random } from '../base/random.ts'
import type { AliveStatement, Sealed, Statement } from '../wire/swim-types.ts'
import type { PeerKeys } from '../wire/swim-peers.ts'
import type { Budgets } from './budget.ts'
import type { Vivaldi } from './coordinates/vivaldi.ts'
import type { MembershipMetrics } from './metrics.ts'
import type { Refusals } from './refusals.ts'
import type { KnockResult } from './types.ts'

/** Signing and checking, behind a port so that the simulation can do without. */
export interface StatementSeal {
  /** Signs with this node's key. */
  seal<S extends Statement>(statement: S): Sealed<S>
  /** Whether the signature is right. Decoding has already checked that the signer is the subject or the accuser. Asked only for news. */
  verify(sealed: Sealed): boolean
  /** Whether the subject belongs to the federation: what its credential says, or undefined if it does not hold. */
  standing(alive: AliveStatement): { tier: string; region: string } | undefined
}

/** What happened to a frame: `kept` waits for a stream to open or to drain, `replaced` does so too and pushed out older ones, `lost` had no connection or no stream. */
export type SendResult = 'sent' | 'kept' | 'replaced' | 'lost'

/** How the members reach each other; implemented by net/. */
export interface MemberNetwork {
  /** What cannot leave now waits, in a few KiB for each peer; when they are full the oldest frames go, for the next ones say more. Never throws. */
  send(peer: string, frame: Uint8Array): SendResult
  /** Bare TCP connects, nothing is sent. Never rejects; `silent` when `signal` aborts. */
  knock(addresses: readonly string[], options: { timeout: number; signal: AbortSignal }): Promise<KnockResult>
  /** Resolves when both sides have admitted each other. */
  dial(peer: string, addresses: readonly string[], options: { timeout: number; signal: AbortSignal }): Promise<void>
  /** Closes every connection with this peer. */
  close(peer: string): void
}

/** What the pools of one node have in common: a peer has one budget, and this node one place in the network. */
export interface MembershipShared {
  budgets: Budgets
  peers: PeerKeys
  metrics: MembershipMetrics
  refusals: Refusals
  vivaldi: Vivaldi
}

export interface MembershipDeps {
  clock: Clock
  random: Random
  meter: Meter
  logger: Logger
  network: MemberNetwork
  seal: StatementSeal
  /** @default of its own */
  shared?: MembershipShared
}
