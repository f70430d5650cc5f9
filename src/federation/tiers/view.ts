import type { HubFacts, NodeRecord } from '../../wire/catalog-types.ts'
import { ROOT_POOL } from '../../wire/protocols.ts'
import type { Acceptance, Contact, HubInfo } from '../../wire/tiers-types.ts'
import { believedClaim } from '../hub-claims.ts'
import type { AdmitFacts, OwnPool } from './admit.ts'
import type { PoolKeeper } from './keeper.ts'
import { CONTACT_ADDRESS_CHARS, CONTACT_ADDRESSES, CONTACTS, RESERVED_FOR } from './limits.ts'
import { isLiving, RELAYED, tierOf } from './order.ts'
import type { TierMember, TiersDeps, TiersOptions } from './ports.ts'
import { limitsOf, type Limits } from './score.ts'
import type { DownEdge } from './types.ts'

const QUARTERS = 4
/** Hubs from the disk that are named when no others are known: they may not be there any more. */
const MAX_REMEMBERED = 3
/** Places kept at one time; more would be more than any hub takes. */
const MAX_RESERVED = 1_024

export interface TiersView {
  limits(): Limits
  /** Living members of the pool without this node. */
  others(pool: string): TierMember[]
  /** Alive or suspect in the pool. */
  isThere(peer: string, pool: string): boolean
  /** Of a pool that this node is hub of. */
  children(keeper: PoolKeeper): DownEdge['children']
  rooms(keeper: PoolKeeper): { children: number; hubs: number; hubRoom: number; leafRoom: number }
  /** What this node says of itself as hub of the pool, to the pool above. */
  facts(keeper: PoolKeeper): HubFacts
  /** Hub first, then members that can be dialled; at most 4. */
  contacts(pool: string, keep?: readonly Contact[]): Contact[]
  /** Hubs that are known by records and leases; each pool once. */
  hubs(): HubInfo[]
  /** The holder of the lease of a pool that this node is a member of. */
  hubOf(keeper: PoolKeeper): HubInfo | undefined
  /** What `asker` is told by. */
  admitFacts(asker: string): AdmitFacts
  /** A place in the pool for a while, until its members show the peer. */
  reserve(pool: string, peer: string, as: 'leaf' | 'hub'): void
}

/** What a node knows of its pools and their hubs, put together when it is asked. */
export function createView(deps: TiersDeps, options: TiersOptions, keepers: ReadonlyMap<string, PoolKeeper>): TiersView {
  const { clock, members, catalog } = deps
  const { self } = options
  const reserved = new Map<string, { pool: string; peer: string; as: 'leaf' | 'hub'; until: number }>()

  function limits(): Limits {
    const setting = (name: 'max_regional_hubs' | 'max_child_hubs' | 'max_clusters', own: number) => deps.setting?.(name) ?? own
    return {
      maxRegionalHubs: setting('max_regional_hubs', options.limits.maxRegionalHubs),
      maxChildHubs: setting('max_child_hubs', options.limits.maxChildHubs),
      maxClusters: setting('max_clusters', options.limits.maxClusters)
    }
  }

  function others(pool: string): TierMember[] {
    return members.members(pool).filter((member) => member.peer !== self && isLiving(member))
  }

  function hubRecords(pool: string): Map<string, NodeRecord & { hub: HubFacts }> {
    const found = new Map<string, NodeRecord & { hub: HubFacts }>()
    // A hub never is a child of its own pool; an old record may say so for a moment.
    for (const record of catalog.records(pool)) if (record.hub !== undefined && record.hub.pool !== pool) found.set(record.peer, record as NodeRecord & { hub: HubFacts })
    return found
  }

  function children(keeper: PoolKeeper): DownEdge['children'] {
    const hubs = hubRecords(keeper.pool)
    return others(keeper.pool).map(({ peer }) => {
      const hub = hubs.get(peer)?.hub
      return hub === undefined ? { peer } : { peer, hub: { pool: hub.pool, token: hub.token } }
    })
  }

  /** @param asker does not take a place of its own away from itself */
  function rooms(keeper: PoolKeeper, asker?: string): { children: number; hubs: number; hubRoom: number; leafRoom: number } {
    const hubs = hubRecords(keeper.pool)
    const living = others(keeper.pool)
    const holder = keeper.lease()?.holder
    // Counted by the hub for itself, and by members for their hub.
    const below = living.filter(({ peer }) => peer !== holder && peer !== asker)
    let hubCount = below.reduce((sum, { peer }) => sum + (hubs.has(peer) ? 1 : 0), 0)
    let leafCount = below.length - hubCount
    const present = new Set(living.map(({ peer }) => peer))
    for (const [key, place] of reserved) {
      if (place.until <= clock.now()) reserved.delete(key)
      else if (place.pool === keeper.pool && !present.has(place.peer) && place.peer !== asker) {
        if (place.as === 'hub') hubCount++
        else leafCount++
      }
    }
    const most = limitsOf(keeper.tier, limits())
    return { children: below.length, hubs: hubCount, hubRoom: Math.max(0, most.hubs - hubCount), leafRoom: Math.max(0, most.leaves - leafCount) }
  }

  const quarters = (load: number) => Math.min(1, Math.max(0, Math.round(load * QUARTERS) / QUARTERS))

  function ownInfo(keeper: PoolKeeper, asker?: string): HubInfo {
    const { hubRoom, leafRoom } = rooms(keeper, asker)
    return {
      peer: self, name: options.name, addresses: dialable(deps.addresses()), pool: keeper.pool, tier: keeper.tier, region: options.region,
      ...(options.coordinates === undefined ? {} : { coordinates: options.coordinates }),
      hubRoom, leafRoom, load: quarters(deps.load())
    }
  }

  function hubOf(keeper: PoolKeeper): HubInfo | undefined {
    const lease = keeper.lease()
    if (lease === undefined || lease.resigned === true) return undefined
    if (lease.holder === self) return keeper.acting() ? ownInfo(keeper) : undefined
    const member = members.member(lease.holder, keeper.pool)
    if (member === undefined || !isLiving(member)) return undefined
    const { hubRoom, leafRoom } = rooms(keeper)
    return { peer: member.peer, name: member.name, addresses: dialable(member.addresses), pool: keeper.pool, tier: keeper.tier, region: lease.region, hubRoom, leafRoom, load: 0 }
  }

  function hubs(): HubInfo[] {
    const found = new Map<string, HubInfo>()
    const claims = new Map<string, { peer: string; token: number; info: HubInfo }[]>()
    for (const keeper of keepers.values()) {
      for (const { peer, name, addresses, region, coordinates, hub, draining } of hubRecords(keeper.pool).values()) {
        if (peer === self || draining || !isLiving(members.member(peer, keeper.pool))) continue
        const info = {
          peer, name, addresses: dialable(addresses), region, ...(coordinates === undefined ? {} : { coordinates }),
          pool: hub.pool, tier: hub.tier, hubRoom: hub.hubRoom, leafRoom: hub.leafRoom, load: hub.load
        }
        const ofPool = claims.get(hub.pool) ?? []
        ofPool.push({ peer, token: hub.token, info })
        claims.set(hub.pool, ofPool)
      }
    }
    // Whatever a record says of its writer: the one with the newest lease that can be.
    for (const [pool, ofPool] of claims) {
      const { best } = believedClaim(ofPool)
      if (best !== undefined) found.set(pool, best.info)
    }
    for (const keeper of keepers.values()) {
      const info = keeper.lease()?.holder === self ? undefined : hubOf(keeper)
      if (info !== undefined) found.set(keeper.pool, info)
    }
    return [...found.values()]
  }

  function contacts(pool: string, keep: readonly Contact[] = []): Contact[] {
    const hub = keepers.get(pool)?.lease()?.holder
    const living = others(pool).filter(({ addresses }) => addresses.length > 0)
    const kept = new Set(keep.map(({ peer }) => peer))
    const weight = ({ peer }: TierMember) => (peer === hub ? 0 : kept.has(peer) ? 1 : 2)
    const own = keepers.get(pool)?.acting() === true ? [{ peer: self, addresses: dialable(deps.addresses()) }] : []
    const rest = living.toSorted((a, b) => weight(a) - weight(b) || a.since - b.since)
    return [...own, ...rest.map(({ peer, addresses }) => ({ peer, addresses: dialable(addresses) }))].slice(0, CONTACTS)
  }

  /** Nobody in the one pool is hub of anything: the federation has no tiers. */
  function flat(known: readonly HubInfo[]): Acceptance | undefined {
    const root = keepers.get(ROOT_POOL)
    if (root === undefined || root.lease() !== undefined || options.tier === 'global' || known.length > 0) return undefined
    if ([...keepers.values()].some((keeper) => keeper.lease()?.holder === self)) return undefined
    const here = { peer: self, addresses: dialable(deps.addresses()) }
    return { pool: ROOT_POOL, tier: 'global', contacts: [here, ...contacts(ROOT_POOL)].slice(0, CONTACTS) }
  }

  function remembered(): HubInfo[] {
    return deps.hubs
      .list()
      .filter(({ peer }) => peer !== self)
      .slice(0, MAX_REMEMBERED)
      .map(({ peer, name, addresses, pool, tier, region, coordinates }) => ({
        peer, name, addresses, pool, tier, region, ...(coordinates === undefined ? {} : { coordinates }), hubRoom: 1, leafRoom: 1, load: 0
      }))
  }

  return {
    limits,
    others,
    isThere: (peer, pool) => isLiving(members.member(peer, pool)),
    children,
    rooms,
    facts(keeper) {
      const { children: count, hubRoom, leafRoom } = rooms(keeper)
      return { pool: keeper.pool, tier: keeper.tier, token: keeper.lease()?.token ?? 0, children: count, hubRoom, leafRoom, load: quarters(deps.load()) }
    },
    contacts,
    hubs,
    hubOf,
    admitFacts(asker) {
      const known = hubs()
      const open = deps.draining?.() === true ? [] : [...keepers.values()].filter((keeper) => keeper.acting())
      const own: OwnPool[] = open.map((keeper) => ({
        info: ownInfo(keeper, asker),
        token: keeper.lease()?.token ?? 0,
        contacts: contacts(keeper.pool),
        has: (peer) => isLiving(members.member(peer, keeper.pool)) || reserved.has(`${keeper.pool} ${peer}`)
      }))
      const acceptance = flat(known)
      const names = known.length > 0 || own.length > 0 || acceptance !== undefined ? known : remembered()
      return { own, others: names, flat: acceptance }
    },
    reserve(pool, peer, as) {
      if (reserved.size >= MAX_RESERVED) reserved.delete(reserved.keys().next().value as string)
      reserved.set(`${pool} ${peer}`, { pool, peer, as, until: clock.now() + RESERVED_FOR })
    }
  }
}

/** The few addresses that are told to others: direct and short ones first; only where there are none, one of another kind. */
export function dialable(addresses: readonly string[]): string[] {
  const direct = addresses.filter((address) => !address.includes(RELAYED) && address.length <= CONTACT_ADDRESS_CHARS)
  return direct.length > 0 ? direct.slice(0, CONTACT_ADDRESSES) : addresses.slice(0, 1)
}

/** What the disk may remember of a hub. */
export function asKnown(info: HubInfo, now: number): { peer: string; name: string; pool: string; tier: HubInfo['tier']; region: string; addresses: readonly string[]; lastSeen: number; coordinates?: NonNullable<HubInfo['coordinates']> } {
  const { peer, name, pool, tier, region, addresses, coordinates } = info
  return { peer, name, pool, tier: tierOf(tier), region, addresses, ...(coordinates === undefined ? {} : { coordinates }), lastSeen: now }
}
