import type { HubFacts, NodeRecord, ServerEntry } from '../../wire/catalog-types.ts'
import type { Signer } from '../../wire/envelope.ts'
import type { DistantServer } from '../../wire/summary-types.ts'
import type { Offers } from './offers.ts'
import type { CatalogRequestKind, Definition, Descriptor, LocalServer, RecordSeal } from './ports.ts'

export interface CatalogDriverOptions {
  federation: string
  /** Own peer id. */
  self: string
  /** The node's key; `seal` may replace signing in simulations. */
  signer: Signer
  /** @default sealRecord and openRecord with `signer` */
  seal?: RecordSeal
  /** How often records are compared with a random peer of each pool, ms. @default 30 000 */
  syncEvery?: number
  /** Tools of distant servers that are offered at most, the nearest servers first (`catalog.max_tools`); asked anew each time. @default no limit */
  maxTools?: () => number
}

/** How the members took what they were told. */
export interface Announced {
  /** They have answered: they act on the record now. */
  told: number
  /** They have not, in time: they learn of it by gossip, or by the next comparison of digests. */
  missed: number
}

export interface CatalogDriver {
  /** Takes part in a pool from now on: publishes the own record there. Idempotent. */
  openPool(pool: string): void
  /** Takes no part any more: what is only known from there is not offered when this returns, but its claims of names stand for a while. */
  closePool(pool: string): void
  /** In the order they were opened. */
  pools(): readonly string[]
  /** Calls back when a pool is opened, before anything is published, and when one was closed. Returns the way to stop. */
  onPool(listener: (pool: string, open: boolean) => void): () => void
  /**
   * Replaces what this node says about itself; publishes, in each pool, if it changed there. Call it again after reload, drain, new
   * addresses, or when it became or is no more a hub.
   * @param hubOf what it says in that pool of itself as hub of another @default nothing
   */
  setLocal(servers: readonly LocalServer[], descriptor: Descriptor, hubOf?: (pool: string) => HubFacts | undefined): void
  /**
   * Replaces what the hubs tell of servers beyond this node's pools.
   * @param up the hub above, asked for definitions of which no table tells @default nobody
   */
  setDistant(servers: readonly DistantServer[], up?: readonly string[]): void
  /**
   * Hands the own record to every member with a session, in all pools, and waits for the answers, at most `within` ms: who has answered
   * acts on it already, what gossip cannot promise.
   */
  announce(within: number): Promise<Announced>
  /** A usable session to an admitted peer exists. */
  sessionUp(peer: string): void
  /** None exists any more: the peer's tools are gone from `offers()` when this returns. */
  sessionDown(peer: string): void
  /** A member of that pool, alive or suspect: its record there counts from now on. A pool that is not open: nothing happens. */
  memberUp(pool: string, peer: string): void
  /** It left that pool or was declared dead there: its tools are gone from `offers()` when this returns, unless another pool has it. */
  memberDown(pool: string, peer: string): void
  /** A message on the catalog topic of that pool; `from` is the peer that handed it over. Never throws. */
  onGossip(pool: string, bytes: Uint8Array, from: string): void
  /**
   * Answers another node's request. Throws SKEIN_PROTOCOL on malformed bodies. A promise, which never rejects, when definitions have to
   * be fetched first.
   */
  answer(kind: CatalogRequestKind, body: Uint8Array, from: string): Uint8Array | Promise<Uint8Array>
  /** The same object until something changes. Tools and documents that are not here yet are included: see `definition`. */
  offers(): Offers
  /** What the hubs told last. */
  distant(): readonly DistantServer[]
  /** All records held in that pool, the own one included, by peer id. Without a pool: of all pools, the newest of each peer. */
  records(pool?: string): NodeRecord[]
  /** The record of one node, our own included. */
  record(peer: string, pool?: string): NodeRecord | undefined
  /** What the own record says of servers, in every pool; the same array until it changes. */
  published(): readonly ServerEntry[]
  /** Members of that pool with a session. */
  live(pool: string): ReadonlySet<string>
  /** The last comparison of digests that this node asked for and that worked; undefined: none yet. `at` in unix ms. */
  lastSync(): { peer: string; at: number; pool: string } | undefined
  /** A tool's or a server's `about`: a local one, or one that has been fetched. The same object as long as it is kept. */
  definition(digest: string): Definition | undefined
  /** Fetches definitions of tools that need not be offered here, as a search finds them; resolves when they are here or nobody has them, after some seconds at most. */
  fetch(digests: readonly string[]): Promise<void>
  /** Sentences: what other nodes cannot see although it is exposed, and why. */
  problems(): readonly string[]
  /** Offers changed or definitions arrived. Returns the way to stop. */
  onChange(listener: () => void): () => void
  start(): void
  stop(): void
}
