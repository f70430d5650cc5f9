import type { CredentialBundle } from './admission-documents.ts'
import type { NetworkCoordinates } from './coordinates.ts'

/** What members say to each other on /skein/swim/1.0.0 (protocols/swim.md). */

/** Federation and pool stand in every message and under every signature, so nothing of one pool means anything in another. */
export interface SwimScope {
  federation: string
  pool: string
}

/** "I am here": signed by its subject, who alone raises its incarnation. One content per incarnation. */
export interface AliveStatement {
  kind: 'alive'
  /** Peer id. */
  subject: string
  /** Starts at `boot`; one more for every change and every refutation. */
  incarnation: number
  /** Which process of this identity speaks: unix ms of its start, raised above that of any earlier life. The higher one wins. */
  boot: number
  name: string
  /** Software version. */
  version: string
  /** Multiaddrs at which it listens or is announced, without /p2p. */
  addresses: string[]
  /** Proves that the key belongs to a member of the federation. */
  credential: CredentialBundle
}

/** "I go": signed by its subject; the only message of a leave. */
export interface LeaveStatement {
  kind: 'leave'
  subject: string
  incarnation: number
}

/**
 * `silence`: no answer, directly or through others. `refused`: the connection to it broke and its machine refused new ones
 * (ECONNREFUSED at the directly advertised address).
 */
export type Evidence = 'silence' | 'refused'

/** "I think it is dead": signed by its accuser. */
export interface SuspectStatement {
  kind: 'suspect'
  subject: string
  incarnation: number
  accuser: string
  evidence: Evidence
}

/** "Its time is over here": signed by whoever's suspicion ran out. To others it is the strongest suspicion, not yet a death. */
export interface DeadStatement {
  kind: 'dead'
  subject: string
  incarnation: number
  accuser: string
}

export type Statement = AliveStatement | LeaveStatement | SuspectStatement | DeadStatement

/** A statement with the signed bytes in which it travels and is passed on. Immutable. */
export interface Sealed<S extends Statement = Statement> {
  readonly statement: S
  readonly bytes: Uint8Array
}

/** How a member stands in a digest: `up` is alive or suspect. */
export type Standing = 'up' | 'dead' | 'left'

export interface DigestEntry {
  peer: string
  incarnation: number
  standing: Standing
}

interface Carrying {
  /** News carried along. */
  updates: Sealed[]
}

export type SwimMessage =
  /** Are you there, and are you `target`? */
  | ({ kind: 'ping'; nonce: number; target: string } & Carrying)
  /** `coordinates`: where the sender is; left out when it answers for another. */
  | ({ kind: 'ack'; nonce: number; coordinates?: NetworkCoordinates } & Carrying)
  /** Ask `target` for me; answer with ack, or with nack when `within` ms are over or there is no way to it. */
  | ({ kind: 'ping-req'; nonce: number; target: string; within: number } & Carrying)
  /** `tried`: it was asked and did not answer; false: I have no connection with it, ask somebody else. */
  | ({ kind: 'nack'; nonce: number; tried: boolean } & Carrying)
  | ({ kind: 'gossip' } & Carrying)
  /** What I know has this hash; answered with `digest` if the receiver's differs, with `same` otherwise. */
  | ({ kind: 'sync'; nonce: number; hash: Uint8Array } & Carrying)
  | ({ kind: 'same'; nonce: number } & Carrying)
  /** All I know, for comparison; answered with `state`. */
  | ({ kind: 'digest'; nonce: number; entries: DigestEntry[] } & Carrying)
  /** What you lack (in updates), and the peers of which I lack something; a non-empty `want` is answered with `state`. */
  | ({ kind: 'state'; nonce: number; want: string[] } & Carrying)

export type SwimMessageKind = SwimMessage['kind']

/** Incarnations and boots above this are refused: far beyond any clock, far below 2^53, so that raising by one never overflows. */
export const MAX_INCARNATION = 2 ** 48
