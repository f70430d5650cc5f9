import type { GossipCounts, TopicCounts } from '../../net/gossip.ts'
import type { MemberInfo } from '../api.ts'

/** Questions about the federation as this node sees it: the part of NodeApi for programs that watch. */
export interface NodeOverview {
  /** What this node holds of the catalog. */
  registry(): RegistryStatus
  gossip(): GossipInfo
  /**
   * Sends one message through the gossip mesh and waits until all living members have answered.
   * @throws SKEIN_BUSY: one is under way, or the last one began less than a second ago; the signal's reason
   */
  gossipTest(options: GossipTestOptions): Promise<GossipTestResult>
  /** The numbers of the operations guide, in its shape; at most 30 s old. */
  dashboard(): Dashboard
}

export interface RegistryStatus {
  /** This node. */
  peer: string
  federation: string
  pool: string
  /** The own one included, by name. */
  records: RecordInfo[]
  /** Definitions of offered tools and servers that are not here yet. */
  missing: { total: number; /** The first 100 digests. */ digests: string[] }
  /** The last comparison with another node that worked; null: none yet. */
  lastSync: { peer: string; name: string; /** Unix ms. */ at: number } | null
}

export interface RecordInfo {
  peer: string
  name: string
  self: boolean
  /** Grows with every version of the record. */
  sequence: number
  /** Since it was written, by the clock of its writer. */
  ageSeconds: number
  /** Unix ms; then it is forgotten unless renewed. */
  expires: number
  draining: boolean
  /** How this node reaches the writer; servers of those it does not reach are not offered here. */
  path: 'self' | 'direct' | 'relayed' | 'none'
  servers: string[]
  tools: number
}

export interface TopicInfo extends TopicCounts {
  about: 'catalog' | 'test' | 'other'
}

export interface GossipInfo {
  gossipsub: Omit<GossipCounts, 'topics'> & { topics: TopicInfo[] }
  swim: {
    queued: number
    queuedBytes: number
    health: number
    suspicions: number
    links: number
    sent: Record<string, number>
    sentBytes: Record<string, number>
    received: Record<string, number>
    receivedBytes: Record<string, number>
    held: Record<string, number>
  }
}

export interface GossipTestOptions {
  signal: AbortSignal
  /** How long to wait for answers, ms. @default 2000 */
  within?: number
}

export interface GossipTestResult {
  /** Of the message, hexadecimal. */
  id: string
  /** Unix ms. */
  sent: number
  /** How long the test took. */
  ms: number
  /** In the order of their answers. */
  reached: ReachedMember[]
  /** Members that have not left and did not answer in time, by name. */
  missing: { peer: string; name: string; state: Exclude<MemberInfo['state'], 'left'> }[]
}

export interface ReachedMember {
  peer: string
  name: string
  /** Whoever handed it over to that member. */
  via: string
  /** From sending until its answer was here. */
  ms: number
  /** Peer ids from this node to that member; absent: somebody on the way did not answer. */
  path?: string[]
}

/** Rates are in percent, and 0 where nothing was tried; times are ISO 8601 in UTC, null where there was none. */
export interface Dashboard {
  peer_discovery: {
    total: number
    successful: number
    failed: number
    success_rate: number
    avg_duration_ms: number
    /** Successful ones. */
    by_source: Record<string, number>
    last_discovery: string | null
  }
  workflows: {
    total: number
    active: number
    completed: number
    failed: number
    success_rate: number
    avg_duration_ms: number
    by_status: Record<string, number>
    last_workflow: string | null
  }
  bootstrap: {
    total_attempts: number
    successful: number
    failed: number
    success_rate: number
    avg_duration_ms: number
    /** All attempts. */
    by_method: Record<string, number>
    last_bootstrap: string | null
  }
}
