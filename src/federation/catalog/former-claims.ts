import type { DistantServer } from '../../wire/summary-types.ts'
import type { NodeRecord } from '../../wire/catalog-types.ts'
import type { FormerClaim } from './offer-types.ts'

/** As many as there are records in the largest catalog; the oldest go first. */
export const MAX_FORMER = 4_096

/**
 * Claims of stateful names by nodes that nothing tells of just now: their hub died and its successor has not told yet, or this node
 * left a pool. They stand as long as a record would, so that no name moves for that. Pure.
 */
export interface FormerClaims {
  /** Told of no more: kept until `until`, monotonic ms. */
  add(servers: readonly Pick<DistantServer, 'name' | 'owner' | 'node' | 'claimed'>[], until: number): void
  /** A record of a pool that this node has left. */
  addRecord(record: NodeRecord, until: number): void
  /** True if any went. */
  expire(now: number): boolean
  list(): FormerClaim[]
}

export function createFormerClaims(): FormerClaims {
  /** In the order of arrival. */
  const kept = new Map<string, FormerClaim & { until: number }>()

  function put(claim: FormerClaim, until: number): void {
    const key = `${claim.name}@${claim.owner}`
    kept.delete(key)
    kept.set(key, { ...claim, until })
    if (kept.size > MAX_FORMER) kept.delete(kept.keys().next().value as string)
  }

  return {
    add(servers, until) {
      for (const { name, owner, node, claimed } of servers) if (owner !== undefined) put({ name, owner, node: node ?? owner, claimed }, until)
    },
    addRecord({ peer, name: node, servers }, until) {
      for (const { name, claimed, stateless } of servers) if (!stateless) put({ name, owner: peer, node, claimed }, until)
    },
    expire(now) {
      const gone = [...kept].filter(([, { until }]) => until <= now)
      for (const [key] of gone) kept.delete(key)
      return gone.length > 0
    },
    list: () => [...kept.values()]
  }
}
