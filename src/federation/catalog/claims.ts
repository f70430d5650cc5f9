import type { DistantServer } from '../../wire/summary-types.ts'
import type { ToolEntry } from '../../wire/catalog-types.ts'
import type { OfferFacts } from './offer-types.ts'

/** What one claimant has: the entry of its record, or what the hub tells of it. */
export interface ClaimEntry {
  claimed: number
  stateless: boolean
  timeout?: number
  about?: string
  tools: readonly ToolEntry[]
}

/** One claim of a server's name. */
export interface Claim {
  /** Empty: replicas beyond this node's pools, which are told of together. */
  peer: string
  /** The node in words. */
  node: string
  claimed: number
  stateless: boolean
  /** A server of the owner that nobody else sees. */
  hidden: boolean
  /** In a pool of this node, a session lives, and the node is not leaving: what it has. */
  near?: ClaimEntry
  /** Beyond the pools, where nothing better is known from within. */
  far?: DistantServer
}

/** All claims by the name claimed: of local servers, of records, of what the hub tells, and of what was known before. */
export function collectClaims(facts: OfferFacts): Map<string, Claim[]> {
  const { self, records, live, local, hidden } = facts
  const claims = new Map<string, Claim[]>()
  const add = (name: string, claim: Claim) => {
    const found = claims.get(name)
    if (found === undefined) claims.set(name, [claim])
    else found.push(claim)
  }
  /** Nodes whose own word is here and is the newest there is. */
  const speaking = new Set([self])
  for (const entry of local) {
    add(entry.name, { peer: self, node: 'this node', claimed: entry.claimed, stateless: entry.stateless, hidden: hidden.has(entry.name), near: entry })
  }
  for (const record of records) {
    if (record.peer === self) continue
    if (live.has(record.peer)) speaking.add(record.peer)
    const usable = live.has(record.peer) && !record.draining
    for (const entry of record.servers) {
      const claim: Claim = { peer: record.peer, node: `node "${record.name}"`, claimed: entry.claimed, stateless: entry.stateless, hidden: false }
      add(entry.name, usable ? { ...claim, near: entry } : claim)
    }
  }
  const offered = nearestServers(facts.distant ?? [], facts.maxDistantTools ?? Infinity)
  for (const server of facts.distant ?? []) {
    const { name, owner, node, claimed } = server
    // What it says itself is newer than what its hubs pass on: a server that is not there any more, or a node that leaves.
    if (owner !== undefined && speaking.has(owner)) continue
    const far = offered.has(server) ? { far: server } : {}
    const known = owner === undefined ? undefined : claims.get(name)?.find((claim) => claim.peer === owner && !claim.stateless)
    if (known !== undefined) Object.assign(known, far)
    else if (owner === undefined) add(name, { peer: '', node: 'nodes of other pools', claimed, stateless: true, hidden: false, ...far })
    else add(name, { peer: owner, node: `node "${node ?? owner}"`, claimed, stateless: false, hidden: false, ...far })
  }
  for (const { name, owner, node, claimed } of facts.former ?? []) {
    const isKnown = speaking.has(owner) || claims.get(name)?.some((claim) => claim.peer === owner) === true
    if (!isKnown) add(name, { peer: owner, node: `node "${node}"`, claimed, stateless: false, hidden: false })
  }
  return claims
}

/** Whole servers, the nearest first, then by key, as long as all their tools are not more than `max`; one that does not fit is left out. */
function nearestServers(servers: readonly DistantServer[], max: number): ReadonlySet<DistantServer> {
  if (max === Infinity) return new Set(servers)
  let room = max
  const chosen = new Set<DistantServer>()
  for (const server of servers.toSorted((a, b) => a.hops - b.hops || (a.key < b.key ? -1 : 1))) {
    if (server.tools.length > room) continue
    room -= server.tools.length
    chosen.add(server)
  }
  return chosen
}
