import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Meter } from '../../base/meter.ts'
import type { Random } from '../../base/random.ts'
import type { About } from '../../wire/about.ts'
import type { NodeRecord } from '../../wire/catalog-types.ts'

export type CatalogRequestKind = 'digest' | 'push' | 'definitions'

/** How the catalog reaches other nodes; node/ joins it to gossipsub and the RPC sessions. */
export interface CatalogNetwork {
  /** To everyone in the pool, at best effort; never throws. At most 64 KiB. */
  publish(pool: string, bytes: Uint8Array): void
  /** One request over the session with `peer`; bodies of at most 1 MiB either way. Rejects within `timeout` ms, or when `signal` aborts. */
  request(peer: string, kind: CatalogRequestKind, body: Uint8Array, options: { signal: AbortSignal; timeout: number }): Promise<Uint8Array>
}

/** Signing and checking, behind a port so that a simulation can do without. */
export interface RecordSeal {
  /** Throws SKEIN_LIMIT when the record is too large. */
  seal(record: NodeRecord): Uint8Array
  /** Checks signature and writer. Throws SKEIN_PROTOCOL. */
  open(bytes: Uint8Array): NodeRecord
}

export interface CatalogDeps {
  clock: Clock
  random: Random
  meter: Meter
  logger: Logger
  network: CatalogNetwork
  /**
   * Hubs whose tables tell of these definitions: digest -> peers, those below first. A hub has more in its tables than it offers itself.
   * @default only those of the servers given to `setDistant`
   */
  holders?(digests: ReadonlySet<string>): ReadonlyMap<string, readonly string[]>
}

export type Definition = Record<string, unknown>

/** A server of this node as the catalog needs it. */
export interface LocalServer {
  /** The name under `mcp.servers`. */
  name: string
  /** When this node first claimed the name, unix ms, kept over restarts. */
  claimed: number
  stateless: boolean
  /** Longest silence of a call, ms. */
  timeout?: number
  /** Calls that it runs at a time. */
  capacity?: number
  tools: LocalTool[]
  about?: LocalAbout
}

/** What the server says about itself beside its tools. */
export interface LocalAbout {
  /** The same object until it changes: what is made of it is kept. */
  document: About
  /** As with tools. A server may be exposed that has no tools, only prompts or resources. */
  exposed: boolean
}

export interface LocalTool {
  /** As the server lists it; `definition.name` is the bare name. The same object until it changes. */
  definition: Definition
  repeatable: boolean
  /** Others may see and call it. What is not exposed is offered at this node only. */
  exposed: boolean
}

/** What the node says about itself beside its servers, the same in each of its pools. */
export type Descriptor = Pick<NodeRecord, 'name' | 'addresses' | 'region' | 'tier' | 'coordinates' | 'draining'>

/** What it says in one pool: there it may be known as hub of another one. */
export type PoolDescriptor = Descriptor & Pick<NodeRecord, 'hub'>
