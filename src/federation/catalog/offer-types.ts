import type { DistantServer } from '../../wire/summary-types.ts'
import type { NodeRecord, ServerEntry } from '../../wire/catalog-types.ts'

/** What is offered at this node: a pure function of the records, the living sessions, the hub's summary and the node's own servers. */
export interface Offers {
  /** Sorted by advertised name. */
  servers: OfferedServer[]
  /** Of the servers in this node's pools, in the same order. */
  notices: string[]
  /** Names of servers that are taken here: advertised ones, and plain ones that somebody claims, offered now or not. */
  taken: ReadonlySet<string>
}

export interface OfferedServer {
  /** The name clients see; unique. */
  advertised: string
  /** The name at its providers. */
  server: string
  stateless: boolean
  /** Longest silence of a call that any provider allows, ms; absent: the caller's own. */
  timeout?: number
  /** Why the advertised name is not the plain one, and what to do about it. */
  notice?: string
  /** Digest of what the server says about itself; undefined: no provider tells. Of replicas the local one's, else the lowest of the near ones. */
  about?: string
  /**
   * For everything but tool calls: all in this node's pools that say the same `about`, this node first, then by peer id. Empty: there is
   * none in its pools, and `distant` says whom to ask for one.
   */
  providers: string[]
  /** There are providers beyond this node's pools: the key under which its hub resolves them (wire/summary-types.ts). */
  distant?: string
  /** Hubs between this node and the nearest of those. */
  hops?: number
  /** Sorted by name. */
  tools: OfferedTool[]
}

export interface OfferedTool {
  tool: string
  /** Of the definition to list; a call names it. */
  digest: string
  /** All providers say that it may be run again after an unknown outcome. */
  repeatable: boolean
  /** In this node's pools: this node first, then by peer id. Empty: `distant` is set, and a call has to resolve that first. */
  providers: string[]
  /** There are providers of this very definition beyond this node's pools: the key of its server. */
  distant?: string
}

/** The claim of a name by a node whose word is not held any more, kept so that the name does not move meanwhile. */
export interface FormerClaim {
  name: string
  owner: string
  node: string
  claimed: number
}

export interface OfferFacts {
  self: string
  /** All records that have not expired, one for each peer, the own one left out or ignored. */
  records: readonly NodeRecord[]
  /** Peers with a session. */
  live: ReadonlySet<string>
  /** This node's servers with all their tools, exposed or not. */
  local: readonly ServerEntry[]
  /** Local servers that others cannot see; they claim nothing in the federation. */
  hidden: ReadonlySet<string>
  /** What the hubs tell of servers beyond this node's pools. @default none */
  distant?: readonly DistantServer[]
  /** Tools of distant servers that are offered, nearest servers first; the rest only claims its names. @default all */
  maxDistantTools?: number
  /** @default none */
  former?: readonly FormerClaim[]
}
