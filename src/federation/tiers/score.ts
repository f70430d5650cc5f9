import { distanceKm } from '../../base/geo.ts'
import { isAbove, depthOf } from './order.ts'
import type { AttachRequest, HubInfo } from '../../wire/tiers-types.ts'
import type { TiersOptions } from './ports.ts'

/** Architecture, section 4: what counts for how much. */
const GEOGRAPHY = 0.4
const LOAD = 0.3
const CAPACITY = 0.3
/** At this distance the geographic part is one half, km; and at the round trip that light takes for it in fibre, ms. */
const HALF_KM = 1_000
const HALF_MS = 10
/** Without coordinates and without a measurement. */
const OTHER_REGION = 0.5
/** For each tier skipped: a leaf goes to a local hub as long as that one takes it. */
const SKIPPED = 0.3
/** Less than a skipped tier: a hub of the own region is better than one of the right tier elsewhere, but not than none. */
const ELSEWHERE = 0.2
/** Within this round trip two nodes are at one place, whatever they call it, ms. */
const NEAR_MS = 5
/** Above everything that can be reached by score. */
const PREFERRED = 10

export type Limits = TiersOptions['limits']
export type Asker = Pick<AttachRequest, 'as' | 'tier' | 'region' | 'coordinates' | 'prefer'>

/** How many child hubs and leaves a hub of a pool of this tier takes. */
export function limitsOf(tier: HubInfo['tier'], limits: Limits): { hubs: number; leaves: number } {
  const hubs = tier === 'global' ? limits.maxRegionalHubs : tier === 'regional' ? limits.maxChildHubs : 0
  return { hubs, leaves: limits.maxClusters }
}

/** 0.4 geography + 0.3 (1 - load) + 0.3 capacity: 0 to 1. */
export function scoreHub(asker: Asker, hub: HubInfo, limits: Limits, rtt?: number): number {
  const most = limitsOf(hub.tier, limits)
  const [room, limit] = asker.as === 'leaf' ? [hub.leafRoom, most.leaves] : [hub.hubRoom, most.hubs]
  const capacity = limit > 0 ? Math.min(1, room / limit) : 0
  return GEOGRAPHY * nearness(asker, hub, rtt) + LOAD * (1 - hub.load) + CAPACITY * capacity
}

function nearness(asker: Asker, hub: HubInfo, rtt: number | undefined): number {
  if (rtt !== undefined) return 1 / (1 + rtt / HALF_MS)
  if (asker.coordinates !== undefined && hub.coordinates !== undefined) return 1 / (1 + distanceKm(asker.coordinates, hub.coordinates) / HALF_KM)
  return asker.region === hub.region ? 1 : OTHER_REGION
}

/** The score, less for tiers that are skipped and for another region, far more for the preferred hub; undefined: not above the asker. */
export function valueOf(asker: Asker, hub: HubInfo, limits: Limits, rtt?: number): number | undefined {
  if (!isAbove(hub.tier, asker.tier)) return undefined
  const near = asker.region === hub.region || (rtt !== undefined && rtt <= NEAR_MS)
  const skipped = depthOf(asker.tier) - depthOf(hub.tier) - 1
  return scoreHub(asker, hub, limits, rtt) - SKIPPED * skipped - (near ? 0 : ELSEWHERE) + (isPreferred(asker.prefer, hub) ? PREFERRED : 0)
}

/** @param prefer name, peer id or multiaddr with /p2p/ */
export function isPreferred(prefer: string | undefined, hub: Pick<HubInfo, 'peer' | 'name'>): boolean {
  return prefer !== undefined && (prefer === hub.peer || prefer === hub.name || preferredPeer(prefer)?.peer === hub.peer)
}

/** The peer that a preference names, as far as it names one: a peer id or a multiaddr that ends in one. */
export function preferredPeer(prefer: string | undefined): { peer: string; addresses: string[] } | undefined {
  if (prefer === undefined) return undefined
  const [, address, peer] = /^(\/.+)\/p2p\/([A-Za-z0-9]+)$/.exec(prefer) ?? []
  if (address !== undefined && peer !== undefined) return { peer, addresses: [address] }
  return /^12D3Koo[A-Za-z0-9]{45}$/.test(prefer) ? { peer: prefer, addresses: [] } : undefined
}
