import type { Random } from '../base/random.ts'
import type { AliveStatement, Sealed, Statement, SwimMessage, SwimScope } from '../wire/swim-types.ts'
import type { BroadcastQueue } from './broadcast-queue.ts'
import type { Vivaldi } from './coordinates/vivaldi.ts'
import type { Evidences } from './evidence.ts'
import type { Health } from './health.ts'
import type { Links } from './links.ts'
import type { StatementSeal } from './ports.ts'
import type { MembershipProfile } from './profiles.ts'
import type { Entry, Table } from './table.ts'
import type { Counted, SwimEffect } from './types.ts'

export interface SwimOptions {
  /** Own peer id. */
  self: string
  scope: SwimScope
  profile: MembershipProfile
  random: Random
  seal: StatementSeal
  /** Up to this many members everybody keeps a link with everybody. @default 128 */
  fullMesh?: number
  /** The network coordinates of this node, if other pools use them too. @default its own */
  vivaldi?: Vivaldi
}

/** What this member says about itself, and whether it speaks at all. */
export interface Own {
  phase: 'idle' | 'running' | 'left' | 'superseded'
  alive: Sealed<AliveStatement> | undefined
  startedAt: number
  refutedAt: number
}

/** What the parts of the machine share. One step is one call into them; `now` and `effects` are of that step. */
export interface Core {
  readonly options: SwimOptions
  readonly profile: MembershipProfile
  readonly table: Table
  readonly suspects: Set<Entry>
  readonly queue: BroadcastQueue
  readonly health: Health
  readonly links: Links
  readonly evidence: Evidences
  readonly vivaldi: Vivaldi
  readonly own: Own
  now: number
  effects: SwimEffect[]
  emit(effect: SwimEffect): void
  /** To a peer with a link; dropped without one. */
  send(to: string, message: SwimMessage): void
  /** News for everyone: on the queue, and on its way within 10 ms. */
  spread(sealed: Sealed): void
  /** News to carry along on a message. */
  carry(first?: readonly Sealed[]): Sealed[]
  count(what: Counted, peer?: string, value?: number): void
  /** An integer below 2^32. */
  nonce(): number
}

export type SealedOf<K extends Statement['kind']> = Sealed<Extract<Statement, { kind: K }>>
