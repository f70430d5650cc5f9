import { shortPeerId } from '../../wire/peer-id.ts'
import { collectClaims, type Claim } from './claims.ts'
import { mergeAbout, mergeTools } from './merge-offers.ts'
import type { OfferedServer, OfferFacts, Offers } from './offer-types.ts'

export type { FormerClaim, OfferedServer, OfferedTool, OfferFacts, Offers } from './offer-types.ts'

/** One server as it is offered: a node's own, or all stateless ones of a name. */
interface Claimant {
  claims: readonly Claim[]
  /** Of the earliest claim. */
  peer: string
  claimed: number
  hidden: boolean
  stateless: boolean
  node: string
}

/**
 * Names: all servers of one name that are stateless are replicas, one server. Of several servers of a name the earliest claim has the
 * plain name; another node's is offered as `<server>-<last 8 characters of its peer id>`, replicas as `<server>-replicas`. Claims count as
 * long as they are known, session or not, from near or far: a name must not move to another node's state because a link broke or a
 * node changed its pool. A local server that is not exposed keeps its plain name at this node.
 */
export function computeOffers(facts: OfferFacts): Offers {
  const byName = collectClaims(facts)
  const taken = new Set(byName.keys())
  const servers: OfferedServer[] = []
  const explained = new Set<OfferedServer>()
  for (const [name, claims] of [...byName].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const [first, ...others] = claimantsOf(claims).toSorted(byClaim) as [Claimant, ...Claimant[]]
    const plain = offer({ advertised: name, server: name, stateless: first.stateless }, first, facts.self)
    if (plain !== undefined) servers.push(plain)
    for (const claimant of others.toSorted((a, b) => (a.peer < b.peer ? -1 : 1))) {
      let advertised = laterName(name, claimant)
      // Only a server that is itself called like this, or two ids with the same end, ever get here.
      while (taken.has(advertised)) advertised += '_'
      taken.add(advertised)
      const notice = explain(name, advertised, first, claimant)
      const later = offer({ advertised, server: name, stateless: claimant.stateless, notice }, claimant, facts.self)
      if (later === undefined) continue
      servers.push(later)
      // Whoever reads it can do something about servers near it; of a large federation it would be hundreds of others.
      if (claimant.claims.some(({ near }) => near !== undefined)) explained.add(later)
    }
  }
  servers.sort((a, b) => (a.advertised < b.advertised ? -1 : 1))
  return { servers, notices: servers.flatMap((server) => (explained.has(server) && server.notice !== undefined ? [server.notice] : [])), taken }
}

/** The name of a server whose plain name belongs to an earlier claim. */
export function laterName(name: string, { stateless, peer }: { stateless: boolean; peer: string }): string {
  return stateless ? `${name}-replicas` : `${name}-${shortPeerId(peer)}`
}

function claimantsOf(claims: readonly Claim[]): Claimant[] {
  const own = claims.filter(({ stateless }) => !stateless).map((claim): Claimant => ({ ...claim, claims: [claim] }))
  const replicas = claims.filter(({ stateless }) => stateless).toSorted(byClaim)
  const [first] = replicas
  if (first === undefined) return own
  const node = replicas.length === 1 ? first.node : `${replicas.length} nodes with stateless: true`
  return [...own, { claims: replicas, peer: first.peer, claimed: first.claimed, hidden: first.hidden, stateless: true, node }]
}

function byClaim(a: Pick<Claim, 'peer' | 'claimed' | 'hidden'>, b: typeof a): number {
  if (a.hidden !== b.hidden) return a.hidden ? -1 : 1
  return a.claimed - b.claimed || (a.peer < b.peer ? -1 : 1)
}

function explain(name: string, advertised: string, owner: Claimant, claimant: Claimant): string {
  const why = owner.hidden
    ? `this node has a server "${name}" of its own that is not exposed`
    : `${owner.node} claimed the name "${name}" first`
  return (
    `The server "${name}" of ${claimant.node} is offered here as "${advertised}", because ${why}: ` +
    'rename one of them under mcp.servers, or set stateless: true on both if any instance may answer any call.'
  )
}

/** Undefined: nobody provides it now. */
function offer(head: Pick<OfferedServer, 'advertised' | 'server' | 'stateless' | 'notice'>, { claims }: Claimant, self: string): OfferedServer | undefined {
  const near = claims.flatMap(({ peer, near: entry }) => (entry === undefined ? [] : [{ peer, entry }]))
  const far = claims.find((claim) => claim.far !== undefined)?.far
  if (near.length === 0 && far === undefined) return undefined
  const timeouts = [...near.map(({ entry }) => entry.timeout), far?.timeout].filter((timeout) => timeout !== undefined)
  return {
    ...head,
    ...(timeouts.length > 0 ? { timeout: Math.max(...timeouts) } : {}),
    ...mergeAbout(near, far, self),
    ...(far === undefined ? {} : { hops: far.hops }),
    tools: mergeTools(near, far, self)
  }
}
