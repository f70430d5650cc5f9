/** What a node says about itself: signed, written by that node alone (protocols/catalog.md). */
export interface NodeRecord {
  federation: string
  pool: string
  /** Peer id of the only writer. */
  peer: string
  /** Grows with every change and every restart (unix ms, at least the last one + 1). */
  sequence: number
  /** Unix ms after which the record is forgotten unless renewed. */
  expires: number
  /** Display name (`node.id`). */
  name: string
  region: string
  tier: Tier
  coordinates?: { latitude: number; longitude: number }
  /** Dialable multiaddrs, without the /p2p part. */
  addresses: string[]
  draining: boolean
  /** This node is hub of the pool below; absent: it is not, or it is written by an earlier version. */
  hub?: HubFacts
  servers: ServerEntry[]
}

/** What the writer of a record is to its federation: its place in the tree of pools. */
export type Tier = 'global' | 'regional' | 'local' | 'leaf'

/** What the members of a pool are told of one of them that is hub of another pool. */
export interface HubFacts {
  /** The pool below that this node is hub of. */
  pool: string
  /** Of that pool. */
  tier: Tier
  /** Fencing number of the lease. */
  token: number
  /** Living members of that pool, this node left out. */
  children: number
  /** Child hubs that it takes more. */
  hubRoom: number
  /** Leaves that it takes more. */
  leafRoom: number
  /** 0 to 1, in quarters, so that the record does not change with every call. */
  load: number
}

export interface ServerEntry {
  /** The name under `mcp.servers`. */
  name: string
  /** When this node first claimed the name, unix ms: the earliest claim of a stateful name wins. */
  claimed: number
  /** Any instance of this name may serve any call. */
  stateless: boolean
  /** Longest silence of a call, ms; absent: the caller's own. */
  timeout?: number
  /** Calls that it runs at a time; absent: written by an earlier version. */
  capacity?: number
  /** SHA-256 of the canonical JSON of the server's `About`, lower-case hexadecimal; absent: written by an earlier version, or not known yet. */
  about?: string
  tools: ToolEntry[]
}

export interface ToolEntry {
  /** Bare name, as the server says it. */
  name: string
  /** SHA-256 of the canonical JSON of the definition, lower-case hexadecimal. */
  digest: string
  /** May be run again after an unknown outcome. */
  repeatable: boolean
}
