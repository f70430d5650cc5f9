import type { ServerEntry } from '../../wire/catalog-types.ts'
import type { DigestAnswer, DigestRequest, PushRequest } from '../../wire/catalog.ts'
import type { PoolDescriptor } from './ports.ts'
import type { UpdateResult } from './records.ts'

export interface Now {
  /** Monotonic ms. */
  mono: number
  /** Unix ms. */
  wall: number
}

/** `waiting`: it came before the news that its writer is a member. */
export type UpdateSource = 'gossip' | 'answer' | 'push' | 'waiting'

export type CatalogEvent =
  | { type: 'local'; servers: ServerEntry[]; descriptor: PoolDescriptor }
  | { type: 'gossip'; bytes: Uint8Array; from: string }
  | { type: 'push'; push: PushRequest; from: string }
  /** A digest of ours was answered. */
  | { type: 'answer'; answer: DigestAnswer; from: string }
  | { type: 'digest-failed'; peer: string }
  | { type: 'session-up'; peer: string }
  | { type: 'session-down'; peer: string }
  /** The peer is a member of the pool, alive or suspect. */
  | { type: 'member-up'; peer: string }
  /** It left, or was declared dead. */
  | { type: 'member-down'; peer: string }
  | { type: 'tick' }

export type CatalogEffect =
  | { type: 'publish'; bytes: Uint8Array }
  /** Send it, then give back `answer` or `digest-failed`. */
  | { type: 'digest'; peer: string; request: DigestRequest }
  | { type: 'push'; peer: string; push: PushRequest }
  /** Records, the living sessions or the members changed: what is offered may have. */
  | { type: 'changed' }
  /** For metrics and, when bad, for the log. */
  | { type: 'counted'; source: UpdateSource; result: UpdateResult; from: string; message?: string }
