import type { Config } from '../../config/types.ts'
import type { CatalogDriver } from '../../federation/catalog/driver.ts'
import { MAX_CONCURRENT } from '../../mcp/upstream/spec.ts'
import type { UpstreamHost } from '../../mcp/upstream/host.ts'
import type { Membership } from '../../membership/driver.ts'
import { distanceKm } from '../../routing/geo.ts'
import type { Candidate } from '../../routing/types.ts'
import type { Reach } from '../../rpc/reach/types.ts'
import type { SessionInfo } from '../../rpc/types.ts'
import type { NodeRecord, ServerEntry } from '../../wire/catalog-types.ts'
import type { ResolvedProvider } from '../../wire/summary-types.ts'
import type { ProviderGuards } from './provider-guards.ts'

export interface RouteFactsDeps {
  self: string
  guards: Pick<ProviderGuards, 'breaker'>
  reach: Pick<Reach, 'path'>
  rpc: { session(peer: string): Pick<SessionInfo, 'load'> | undefined }
  membership: Pick<Membership, 'member' | 'predicted'>
  catalog: Pick<CatalogDriver, 'record'>
  /** Where this node is. */
  place: Config['node']['coordinates']
  local: Pick<UpstreamHost, 'load' | 'spec'>
  /** What a hub said of a provider that is in no pool of this node. @default nothing */
  distant?: { provider(peer: string): Pick<ResolvedProvider, 'capacity' | 'coordinates'> | undefined }
}

/** What is known now of a provider of a server, from all the parts of the node that know something. */
export function createRouteFacts(deps: RouteFactsDeps): (server: string, peer: string) => Candidate {
  const { self, guards, place } = deps
  /** A record has up to 64 servers and is asked for every candidate of every choice; its servers are the same array until it changes. */
  const capacities = new WeakMap<readonly ServerEntry[], Map<string, number | undefined>>()
  /** Neither end moves without a new record. */
  const distances = new WeakMap<Pick<NodeRecord, 'coordinates'>, number>()

  function capacityOf({ servers }: NodeRecord, server: string): number | undefined {
    let known = capacities.get(servers)
    if (known === undefined) capacities.set(servers, (known = new Map(servers.map(({ name, capacity }) => [name, capacity]))))
    return known.get(server)
  }

  function distanceOf(record: Pick<NodeRecord, 'coordinates'>): number | undefined {
    if (place === undefined || record.coordinates === undefined) return undefined
    let known = distances.get(record)
    if (known === undefined) distances.set(record, (known = distanceKm(place, record.coordinates)))
    return known
  }

  function local(server: string): Candidate {
    const candidate: Candidate = { peer: self, local: true, capacity: deps.local.spec(server)?.maxConcurrent ?? MAX_CONCURRENT }
    const load = deps.local.load(server)
    if (load !== undefined) candidate.now = load
    return candidate
  }

  return (server, peer) => {
    if (peer === self) return local(server)
    const path = deps.reach.path(peer)
    // Worked out anew each time it is asked for.
    const rtt = path?.rtt
    const record = deps.catalog.record(peer)
    const far = record === undefined ? deps.distant?.provider(peer) : undefined
    const candidate: Candidate = { peer, local: false, suspect: deps.membership.member(peer)?.state === 'suspect' || path?.stalled === true, breaker: guards.breaker(server, peer) }
    if (path?.kind === 'relayed') candidate.relayed = true
    // What a relayed peer has to do it says with its answers only.
    const load = path?.kind === 'direct' ? deps.rpc.session(peer)?.load : undefined
    if (load !== undefined) candidate.load = load
    if (rtt !== undefined) candidate.rtt = rtt
    else {
      // Second best, and only until something is measured.
      const predicted = deps.membership.predicted(peer)
      const placed = record ?? far
      const km = predicted === undefined && placed !== undefined ? distanceOf(placed) : undefined
      if (predicted !== undefined) candidate.predicted = predicted
      if (km !== undefined) candidate.km = km
    }
    const capacity = record === undefined ? far?.capacity : capacityOf(record, server)
    if (capacity !== undefined) candidate.capacity = capacity
    return candidate
  }
}
