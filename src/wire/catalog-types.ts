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
  tier: 'global' | 'regional' | 'local' | 'leaf'
  coordinates?: { latitude: number; longitude: number }
  /** Dialable multiaddrs, without the /p2p part. */
  addresses: string[]
  draining: boolean
  servers: ServerEntry[]
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
