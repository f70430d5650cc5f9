import type { Tier } from './admission-documents.ts'

export interface Coordinates {
  /** Degrees, -90 to 90. */
  latitude: number
  /** Degrees, -180 to 180. */
  longitude: number
}

/** A member of a pool, and where it is dialled. */
export interface Contact {
  peer: string
  /** Multiaddrs, at most 4. */
  addresses: readonly string[]
}

/** The value of the register `hub` of a pool: who is its hub (protocols/tiers.md). */
export interface Lease {
  /** Peer id. */
  holder: string
  /** The fencing number: 1, and 1 more at each change of the holder. */
  token: number
  /** How long it holds after the renewal was begun, ms. */
  ttl: number
  /** Of the holder. */
  tier: Tier
  region: string
  /** A node of the pool's own tier holds it, or has held it before. */
  proper: boolean
  /** The holder goes: others may take it at once. */
  resigned?: boolean
  /** With `resigned`: who should take it first. */
  successor?: string
  /** The pool above, that the holder is a member of: a successor goes on there. */
  parent?: string
  /** The tier of that pool. */
  parentTier?: Tier
  /** Members of that pool, at most 4. */
  contacts?: readonly Contact[]
}

/** What is told about a hub to whoever looks for one. */
export interface HubInfo extends Contact {
  /** Display name; '' where it is not known. */
  name: string
  /** The pool it is hub of, and that pool's tier. */
  pool: string
  tier: Tier
  region: string
  coordinates?: Coordinates
  /** Child hubs and leaves that it takes more; 0 where it is not known. */
  hubRoom: number
  leafRoom: number
  /** 0 to 1, in quarters. */
  load: number
}

/** Body of TIER_ATTACH. */
export interface AttachRequest {
  /** `leaf`: for itself. `hub`: for `pool`, of which the asker is the hub. */
  as: 'leaf' | 'hub'
  /** With `hub`: the pool, and its tier. */
  pool?: string
  /** Of the pool, or of the leaf. */
  tier: Tier
  region: string
  coordinates?: Coordinates
  /** `federation.parent` of the asker. */
  prefer?: string
  /** The pool it would leave for the new one. */
  current?: string
  /** It only compares: no place is kept for it. */
  look: boolean
}

/** An accepted one enters `pool`. */
export interface Acceptance {
  pool: string
  tier: Tier
  /** The hub of the pool and its fencing number; absent in a federation without hubs. */
  hub?: HubInfo
  token?: number
  /** Members of the pool, the hub first, at most 4. */
  contacts: readonly Contact[]
}

export interface AttachAnswer {
  accept?: Acceptance
  /** Hubs that may be better, or have room; best first, at most 10. */
  hubs: readonly HubInfo[]
}

/** Body of TIER_TOPOLOGY. */
export interface TopologyRequest {
  /** Go up to the top first; otherwise what is below the asked node. */
  up: boolean
  /** The pool whose tree is wanted, without `up`. */
  pool?: string
  /** Levels below the asked node, 0 to 6. */
  depth: number
  /** Nodes in the answer at most. */
  max: number
  /** How long the answer may take, ms. */
  within: number
  /** Hubs that have passed the question on, at most 8. @default 0 */
  hops?: number
}

export interface TopologyNode {
  peer: string
  name: string
  tier: Tier
  region: string
  role: 'hub' | 'member'
  /** The pool it is hub of. */
  pool?: string
  alive: boolean
  draining: boolean
  /** 0 to 1. */
  load: number
  /** From its parent in the tree, ms; absent where it was not measured. */
  rtt?: number
  /** Servers that it offers itself. */
  servers: number
  children: TopologyNode[]
  /** Nodes below it that are left out: too many, too deep, or no answer in time. */
  more?: number
  /** Only of a top that is not that of the federation: the hub above it, which could not be asked; '' if there is none. */
  above?: string
}
