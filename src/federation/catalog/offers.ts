import type { NodeRecord, ServerEntry, ToolEntry } from '../../wire/catalog-types.ts'
import { shortPeerId } from '../../wire/peer-id.ts'

/** What is offered at this node: a pure function of the records, the living sessions and the node's own servers. */
export interface Offers {
  /** Sorted by advertised name. */
  servers: OfferedServer[]
  /** Every server's notice, in the same order. */
  notices: string[]
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
  /** Digest of what the server says about itself; undefined: no provider tells. Of replicas the local one's, else the lowest. */
  about?: string
  /** For everything but tool calls: all that say the same `about`, this node first, then by peer id. Never empty. */
  providers: string[]
  /** Sorted by name. */
  tools: OfferedTool[]
}

export interface OfferedTool {
  tool: string
  /** Of the definition to list; a call names it. */
  digest: string
  /** All providers say that it may be run again after an unknown outcome. */
  repeatable: boolean
  /** This node first, then by peer id. Never empty. */
  providers: string[]
}

export interface OfferFacts {
  self: string
  /** All records that have not expired, the own one left out or ignored. */
  records: readonly NodeRecord[]
  /** Peers with a session. */
  live: ReadonlySet<string>
  /** This node's servers with all their tools, exposed or not. */
  local: readonly ServerEntry[]
  /** Local servers that others cannot see; they claim nothing in the federation. */
  hidden: ReadonlySet<string>
}

interface Claim {
  peer: string
  /** The node's display name. */
  node: string
  entry: ServerEntry
  /** A session lives, and the node is not leaving. */
  usable: boolean
  hidden: boolean
}

/**
 * Names: servers of one name that are all stateless are replicas under the plain name. Otherwise the earliest claim has
 * the plain name and every other claimant is offered as `<server>-<last 8 characters of its peer id>`. Claims count as
 * long as the record does, session or not: a name must not move to another node's state because a link broke.
 * A local server that is not exposed keeps its plain name at this node.
 */
export function computeOffers(facts: OfferFacts): Offers {
  const claims = collectClaims(facts)
  const used = new Set(claims.keys())
  const servers: OfferedServer[] = []
  for (const [name, claimants] of [...claims].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    if (claimants.every((claim) => claim.entry.stateless)) {
      push(servers, { advertised: name, server: name, stateless: true }, claimants, facts.self)
      continue
    }
    const [owner, ...others] = claimants.toSorted(byClaim) as [Claim, ...Claim[]]
    push(servers, { advertised: name, server: name, stateless: owner.entry.stateless }, [owner], facts.self)
    for (const claim of others.toSorted((a, b) => (a.peer < b.peer ? -1 : 1))) {
      let advertised = `${name}-${shortPeerId(claim.peer)}`
      // Only a server that is itself called like this, or two ids with the same end, ever get here.
      while (used.has(advertised)) advertised += '_'
      used.add(advertised)
      const notice = explain(name, advertised, owner, claim)
      push(servers, { advertised, server: name, stateless: claim.entry.stateless, notice }, [claim], facts.self)
    }
  }
  servers.sort((a, b) => (a.advertised < b.advertised ? -1 : 1))
  return { servers, notices: servers.flatMap(({ notice }) => (notice === undefined ? [] : [notice])) }
}

function collectClaims({ self, records, live, local, hidden }: OfferFacts): Map<string, Claim[]> {
  const claims = new Map<string, Claim[]>()
  const add = (claim: Claim) => {
    const found = claims.get(claim.entry.name)
    if (found === undefined) claims.set(claim.entry.name, [claim])
    else found.push(claim)
  }
  for (const entry of local) add({ peer: self, node: 'this node', entry, usable: true, hidden: hidden.has(entry.name) })
  for (const record of records) {
    if (record.peer === self) continue
    const usable = live.has(record.peer) && !record.draining
    for (const entry of record.servers) add({ peer: record.peer, node: `node "${record.name}"`, entry, usable, hidden: false })
  }
  return claims
}

function byClaim(a: Claim, b: Claim): number {
  if (a.hidden !== b.hidden) return a.hidden ? -1 : 1
  return a.entry.claimed - b.entry.claimed || (a.peer < b.peer ? -1 : 1)
}

function explain(name: string, advertised: string, owner: Claim, claim: Claim): string {
  const why = owner.hidden
    ? `this node has a server "${name}" of its own that is not exposed`
    : `${owner.node} claimed the name "${name}" first`
  return (
    `The server "${name}" of ${claim.node} is offered here as "${advertised}", because ${why}: ` +
    'rename one of them under mcp.servers, or set stateless: true on both if any instance may answer any call.'
  )
}

/** Adds the server if any usable node provides it. */
function push(servers: OfferedServer[], head: Omit<OfferedServer, 'tools' | 'providers'>, claims: readonly Claim[], self: string): void {
  const usable = claims.filter((claim) => claim.usable)
  const timeouts = usable.flatMap(({ entry }) => (entry.timeout === undefined ? [] : [entry.timeout]))
  const timeout = timeouts.length > 0 ? { timeout: Math.max(...timeouts) } : {}
  if (usable.length > 0) servers.push({ ...head, ...timeout, ...mergeAbout(usable, self), tools: mergeTools(usable, self) })
}

function mergeAbout(claims: readonly Claim[], self: string): Pick<OfferedServer, 'about' | 'providers'> {
  const telling = claims.filter(({ entry }) => entry.about !== undefined)
  const shown = telling.find(({ peer }) => peer === self) ?? telling.toSorted((a, b) => ((a.entry.about as string) < (b.entry.about as string) ? -1 : 1))[0]
  const about = shown?.entry.about
  if (about === undefined) return { providers: localFirst(claims, self) }
  return { about, providers: localFirst(telling.filter(({ entry }) => entry.about === about), self) }
}

function localFirst(claims: readonly { peer: string }[], self: string): string[] {
  return claims.map(({ peer }) => peer).sort((a, b) => (a === self ? -1 : b === self ? 1 : a < b ? -1 : 1))
}

function mergeTools(claims: readonly Claim[], self: string): OfferedTool[] {
  const byName = new Map<string, { peer: string; entry: ToolEntry }[]>()
  for (const { peer, entry } of claims) {
    for (const tool of entry.tools) {
      const found = byName.get(tool.name)
      if (found === undefined) byName.set(tool.name, [{ peer, entry: tool }])
      else found.push({ peer, entry: tool })
    }
  }
  return [...byName].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([tool, instances]) => {
    const digest = listedDigest(instances, self)
    const group = instances.filter(({ entry }) => entry.digest === digest)
    return { tool, digest, repeatable: group.every(({ entry }) => entry.repeatable), providers: localFirst(group, self) }
  })
}

/** The local definition, else that of the largest group, else the lowest digest. */
function listedDigest(instances: readonly { peer: string; entry: ToolEntry }[], self: string): string {
  const local = instances.find(({ peer }) => peer === self)
  if (local !== undefined) return local.entry.digest
  const sizes = new Map<string, number>()
  for (const { entry } of instances) sizes.set(entry.digest, (sizes.get(entry.digest) ?? 0) + 1)
  const ranked = [...sizes].sort(([a, sizeA], [b, sizeB]) => sizeB - sizeA || (a < b ? -1 : 1))
  return (ranked[0] as [string, number])[0]
}
