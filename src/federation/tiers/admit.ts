import type { AttachAnswer, AttachRequest, Acceptance, Contact, HubInfo } from '../../wire/tiers-types.ts'
import { isAbove } from './order.ts'
import { isPreferred, valueOf, type Limits } from './score.ts'

const MAX_HUBS = 10

/** A pool that the asked node acts as hub of. */
export interface OwnPool {
  info: HubInfo
  token: number
  /** Members, this node first. */
  contacts: readonly Contact[]
  /** It is in this pool already, or a place is kept for it. */
  has(peer: string): boolean
}

export interface AdmitFacts {
  own: readonly OwnPool[]
  /** Other hubs that are known, in any order; each once. */
  others: readonly HubInfo[]
  /** In a federation without hubs: the pool that all are in. */
  flat: Acceptance | undefined
}

/**
 * What a node says to one that looks for a hub: it takes it into the best of its own pools that is above the asker and has room, and names
 * others. A node that is hub of nothing only names others; in a federation without hubs everybody is taken into the one pool.
 */
export function decideAttach(request: AttachRequest, from: string, facts: AdmitFacts, limits: Limits): AttachAnswer {
  const value = (hub: HubInfo) => valueOf(request, hub, limits) ?? -Infinity
  const best = facts.own
    .filter(({ info, has }) => isAbove(info.tier, request.tier) && info.pool !== request.pool && (roomFor(request, info) > 0 || has(from) || request.current === info.pool))
    .toSorted((a, b) => value(b.info) - value(a.info))[0]
  const accept = best === undefined ? facts.flat : { pool: best.info.pool, tier: best.info.tier, hub: best.info, token: best.token, contacts: best.contacts }
  const hubs = [...facts.own.map(({ info }) => info), ...facts.others]
    .filter((hub) => hub.peer !== from && hub.pool !== request.pool && hub.pool !== accept?.pool && isAbove(hub.tier, request.tier) && (roomFor(request, hub) > 0 || isPreferred(request.prefer, hub)))
    .toSorted((a, b) => value(b) - value(a))
    .slice(0, MAX_HUBS)
  return { ...(accept === undefined ? {} : { accept }), hubs }
}

export function roomFor({ as }: Pick<AttachRequest, 'as'>, hub: HubInfo): number {
  return as === 'leaf' ? hub.leafRoom : hub.hubRoom
}
