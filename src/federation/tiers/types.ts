import type { Tier } from '../../wire/admission-documents.ts'
import type { HubFacts } from '../../wire/catalog-types.ts'
import type { TopologyNode } from '../../wire/tiers-types.ts'
import type { TierMethod } from './ports.ts'

export interface PoolState {
  pool: string
  tier: Tier
  /** Holder of the lease, valid or not; absent: nobody yet, or it has resigned. */
  hub?: string
  /** Its fencing number. */
  token?: number
  /** This node acts as the hub: it holds the lease, and the lease is valid on its own clock. */
  isHub: boolean
  /** Voters other than the hub, in order of succession. */
  standbys: readonly string[]
  /** The pool above, as the hub says. */
  parent?: string
  /** A sentence, where there is no acting hub although there should be one. */
  problem?: string
}

/** The hub above this node. */
export interface UpEdge {
  peer: string
  token: number
  pool: string
}

export interface DownEdge {
  pool: string
  token: number
  /** Living members of the pool, with the pool below that they are hub of. */
  children: readonly { peer: string; hub?: { pool: string; token: number } }[]
}

export interface TierEdges {
  /** The hub of home, or of the highest pool this node is in; undefined: this node is hub of the top, or there is none. */
  up: UpEdge | undefined
  /** Pools this node is hub of, lowest first. */
  hubOf: readonly DownEdge[]
}

export interface TiersState {
  /** '' before one is entered. */
  home: string
  /** Lowest first. */
  pools: readonly PoolState[]
  up?: UpEdge
  /** Looking for a hub above, since when, on the injected clock, ms. */
  seeking?: number
  /** Why this node is not below its `federation.parent`: a sentence. */
  unmet?: string
}

export interface Tiers {
  /** Resolves when a home is entered. */
  start(): Promise<void>
  /** Gives its leases back first, for at most 2 s. The pools are not left. Idempotent. */
  stop(): Promise<void>
  /** Gives back leases that a living standby can take, and takes none until `resume`. */
  resign(): Promise<void>
  resume(): void
  /** A session to a peer has come up. */
  peerUp(peer: string): void
  /** Records have changed: who is hub of what is in them. */
  catalogChanged(): void
  state(): TiersState
  /** What the own record in `pool` says: of which pool below this node is the hub. */
  hubFacts(pool: string): HubFacts | undefined
  edges(): TierEdges
  /**
   * Whether this node, as a voter, may vote for `next`; if not, the reason. Only the register `hub` has rules.
   * `age`: how long it has known, or voted for, `current`, ms.
   */
  permits(pool: string, key: string, current: { data: Uint8Array | undefined } | undefined, next: { data: Uint8Array | undefined }, about: { age: number; /** Whose change it is, where that is known. */ proposer?: string | undefined }): true | string
  /** The fencing number of the highest hub this node knows for the pool. An order with a lower one is refused. */
  token(pool: string): number
  /** Its connection is needed, whether a pool knows the peer or not: it is being asked for a place. */
  wants(peer: string): boolean
  /** Answers another node's request. Rejects with SKEIN_PROTOCOL on malformed bodies, with the reason of `signal` when the asker waits no more. */
  answer(method: TierMethod, body: Uint8Array, from: string, options?: { signal?: AbortSignal }): Promise<Uint8Array>
  /** Home, hubs, leases or children have changed. Returns the way to stop. */
  onChange(listener: () => void): () => void
  /** The tree from the top hub down, at most 1 000 nodes; of a federation without hubs: this node and the others below it. */
  topology(options: { signal: AbortSignal; timeout: number; depth: number }): Promise<TopologyNode>
}
