import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Meter } from '../../base/meter.ts'
import type { Random } from '../../base/random.ts'
import type { NodeRecord } from '../../wire/catalog-types.ts'
import type { BodyReader } from '../../wire/summary-row.ts'

/** One exchange over the session with a peer. Rejects within `timeout` ms, or when `signal` aborts. */
export type SummaryCall = (peer: string, method: number, body: Uint8Array, options: { timeout: number; signal: AbortSignal }) => Promise<Uint8Array>

/** `via`: the relays in order; none when `direct`. */
export interface SummaryWay {
  kind: 'direct' | 'relayed'
  via: readonly string[]
}

export interface SummaryDeps {
  clock: Clock
  random: Random
  meter: Meter
  logger: Logger
  call: SummaryCall
  /** Of the pool's members with a session that are not draining, the own one included. */
  records(pool: string): readonly NodeRecord[]
  /** Round trip to a peer with a session, ms; undefined: not known. */
  rtt(peer: string): number | undefined
  /** How calls get to a neighbour now; undefined: not at all. @default over a session of its own */
  way?(peer: string): SummaryWay | undefined
  /** A simulation may give one object for the same bytes to all its nodes. @default readBody of wire/summary-row.ts */
  readBody?: BodyReader
}

export interface ChildEdge {
  peer: string
  /** The pool below whose hub it is, if it is one, and the token of that lease. */
  hub?: { pool: string; token: number } | undefined
}

/** Where a node stands in the tree. */
export interface Edges {
  /** The hub of home, or of the highest pool it is in; undefined: it is hub of the top, or there is none. */
  up: { peer: string; token: number; pool: string } | undefined
  /** The pools whose hub it is, lowest first, and their living members. */
  hubOf: readonly { pool: string; token: number; children: readonly ChildEdge[] }[]
  /** All pools that it is in, if those above are not all: a node of a flat federation is in one without a hub. */
  pools?: readonly string[]
}
