import type { Clock } from '../../base/clock.ts'
import { AVOID_FOR } from './limits.ts'

/** More than a node gets to know in that time. */
const MAX_POOLS = 64

/** Pools that promised a place and were none. */
export interface Avoided {
  has(pool: string): boolean
  /** @param empty nobody but this node was ever seen in it: it is avoided at once; any other one when it is lost a second time */
  lost(pool: string, options: { empty: boolean }): void
}

/** A hub may praise itself as it likes, and win each search: whoever was drawn into an empty pool by it goes elsewhere for a while. */
export function createAvoided(clock: Clock): Avoided {
  const pools = new Map<string, { at: number; until: number }>()
  return {
    has: (pool) => (pools.get(pool)?.until ?? -Infinity) > clock.now(),
    lost(pool, { empty }) {
      const now = clock.now()
      const again = now < (pools.get(pool)?.at ?? -Infinity) + AVOID_FOR
      pools.delete(pool)
      if (pools.size >= MAX_POOLS) pools.delete(pools.keys().next().value as string)
      pools.set(pool, { at: now, until: empty || again ? now + AVOID_FOR : -Infinity })
    }
  }
}
