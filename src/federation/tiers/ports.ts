import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Meter } from '../../base/meter.ts'
import type { Random } from '../../base/random.ts'
import type { Tier } from '../../wire/admission-documents.ts'
import type { NodeRecord } from '../../wire/catalog-types.ts'
import type { Coordinates } from '../../wire/tiers-types.ts'

/** What a method's number stands for, so that this folder needs none. */
export type TierMethod = 'attach' | 'topology'

/** A member of a pool, as the membership of that pool sees it. */
export interface TierMember {
  peer: string
  state: 'alive' | 'suspect' | 'dead' | 'left'
  name: string
  addresses: readonly string[]
  tier: string
  region: string
  /** Since when in this state, on the injected clock, ms. */
  since: number
}

export interface TierMemberEvent {
  type: 'joined' | 'updated' | 'suspected' | 'failed' | 'left' | 'recovered'
  member: TierMember
  evidence?: 'silence' | 'refused'
}

/** Of PoolMembers (membership/pools.ts). */
export interface TierMembers {
  members(pool: string): readonly TierMember[]
  member(peer: string, pool: string): TierMember | undefined
  onPoolEvent(listener: (pool: string, event: TierMemberEvent) => void): () => void
}

/** What is known of a register. */
export interface TierDecided {
  key: string
  version: number
  data: Uint8Array | undefined
}

/** Of QuorumGroup (federation/quorum). */
export interface TierGroup {
  readonly pool: string
  readonly tier: Tier
  voters(): { version: number; peers: readonly string[]; settled: boolean }
  known(key: string): TierDecided | undefined
  change(key: string, value: { expect: number; data: Uint8Array | undefined }, options: { within: number; signal?: AbortSignal }): Promise<TierDecided>
  /** Linearizable. */
  read(key: string, options: { within: number; signal?: AbortSignal }): Promise<TierDecided | undefined>
  changeVoters(peers: readonly string[], options: { within: number }): Promise<unknown>
  /** Asks a member that is no voter whether it would be a sound one: it knows what that is, and can write down what it votes. Never rejects. */
  wouldVote(peer: string, options: { within: number }): Promise<boolean>
  onDecided(listener: (decided: TierDecided) => void): () => void
  /** `damaged`: registers that this node has lost to a damaged disk; it abstains from votes on them. `damagedAt`: voters that said so. */
  status?(): { damaged: readonly string[]; damagedAt: readonly { peer: string }[] }
}

/** A hub, or a member of its pool, that was met. */
export interface KnownHub {
  peer: string
  name: string
  pool: string
  tier: Tier
  region: string
  coordinates?: Coordinates
  addresses: readonly string[]
  /** Unix ms. */
  lastSeen: number
}

export interface KnownHubs {
  /** Over 256 in all, those not seen for longest are dropped. */
  save(...hubs: readonly KnownHub[]): void
  /** Last seen first. */
  list(): KnownHub[]
}

export interface Home {
  pool: string
  /** Of the pool. */
  tier: Tier
}

export interface HomeStore {
  load(): Home | undefined
  save(home: Home): void
}

export interface TiersDeps {
  clock: Clock
  random: Random
  meter: Meter
  logger: Logger
  /** TIER_ATTACH and TIER_TOPOLOGY to a peer with a session. Rejects when there is none in `timeout` ms. */
  ask(peer: string, method: TierMethod, body: Uint8Array, options: { timeout: number; signal: AbortSignal }): Promise<Uint8Array>
  /** Makes a session, unless there is one. */
  connect(peer: string, addresses: readonly string[], options: { signal: AbortSignal }): Promise<void>
  /** Peers with a session. */
  peers(): readonly string[]
  members: TierMembers
  catalog: { records(pool: string): readonly NodeRecord[] }
  quorum: {
    /** Of a pool that was entered. */
    group(pool: string): TierGroup | undefined
    /** Pools that were not entered in which this node has a vote, as far as it knows. */
    votesIn(): readonly string[]
  }
  /** Measured or predicted, ms. */
  rtt(peer: string): number | undefined
  /** Own dialable multiaddrs. */
  addresses(): readonly string[]
  hubs: KnownHubs
  home: HomeStore
  pools: {
    /** Membership, catalog and quorum group of the pool; idempotent. */
    enter(pool: string, tier: Tier, options: { /** Members of it, who are asked first who is in it. */ through: readonly string[] }): void
    /** Says goodbye in it. */
    leave(pool: string): Promise<void>
  }
  /** 0 to 1. */
  load(): number
  /** A setting agreed on by the federation, that overrides `limits`. @default none */
  setting?(name: 'max_regional_hubs' | 'max_child_hubs' | 'max_clusters'): number | undefined
  /** What is beyond this pool is known here, so that an older one may be left. @default always */
  complete?(pool: string): boolean
  /** The hub of this pool says that it is none any more. @default never */
  disowned?(pool: string): boolean
  /** This node takes no new work. @default never */
  draining?(): boolean
}

export interface TiersOptions {
  /** Own peer id. */
  self: string
  /** Display name. */
  name: string
  /** Peer id of the federation's founder. */
  founder: string
  tier: Tier
  region: string
  coordinates?: Coordinates
  /** `federation.parent`: name, peer id or multiaddr. */
  parent?: string
  limits: { maxRegionalHubs: number; maxChildHubs: number; maxClusters: number }
}
