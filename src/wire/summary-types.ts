/** What hubs tell each other, and their members, about servers beyond a pool (protocols/summary.md). */
export interface SummaryServer {
  /** The name under `mcp.servers` at its providers. */
  name: string
  /** Peer id of the only node that has it; absent: stateless replicas. */
  owner?: string
  /** The owner's display name. */
  node?: string
  /** The earliest claim of the name among its providers, unix ms. */
  claimed: number
  /** The longest silence of a call at any of them, ms. */
  timeout?: number
  /** Digest of what the server says about itself, lower-case hexadecimal. */
  about?: string
  /** Nodes that offer it. */
  providers: number
  /** Hubs between the reader and the nearest of them. */
  hops: number
  tools: SummaryTool[]
}

export interface SummaryTool {
  /** Bare name, as the server says it. */
  name: string
  /** SHA-256 of the canonical JSON of the definition, lower-case hexadecimal. */
  digest: string
  /** May be run again after an unknown outcome. */
  repeatable: boolean
  /** Nodes that offer it with this definition. */
  providers: number
}

/** One server in every table: a stateful one has an entry for each owner, replicas have one together. */
export function summaryKey(server: Pick<SummaryServer, 'name' | 'owner'>): string {
  return server.owner === undefined ? server.name : `${server.name}@${server.owner}`
}

/** The only node that may provide the server of this key; undefined: any replica. Names of servers hold no @, so the first one parts them. */
export function ownerOf(key: string): string | undefined {
  const at = key.indexOf('@')
  return at < 0 ? undefined : key.slice(at + 1)
}

export type DistantServer = SummaryServer & {
  /** `summaryKey` of it. */
  key: string
  /** Whom to ask for it: the hub above, or the child hubs that told. */
  from: readonly string[]
}

/** A node that runs a distant server, and how it is reached from the node that asked. */
export interface ResolvedProvider {
  peer: string
  /** Its display name. */
  name: string
  /** Relays from this node, in order; empty: a member of a pool of this node. */
  via: readonly string[]
  /** Round trip over these relays, ms; absent: not known for all of the way. */
  rtt?: number
  /** Of the tool asked about, at this provider. */
  digest?: string
  /** Dialable multiaddrs, without the /p2p part. */
  addresses: readonly string[]
  /** Calls that it runs at a time. */
  capacity?: number
  coordinates?: { latitude: number; longitude: number }
  region: string
}

/** What a search found. */
export interface FoundTools {
  tools: FoundTool[]
  /** A hub did not answer, or has just become one: there may be more. */
  partial: boolean
}

/** A tool found by words. */
export interface FoundTool {
  /** `summaryKey` of its server. */
  key: string
  /** Name of the server at its providers. */
  server: string
  /** As in SummaryServer. */
  owner?: string
  /** As in SummaryServer. */
  node?: string
  tool: string
  digest: string
  repeatable: boolean
  providers: number
}
