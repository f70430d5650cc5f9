import type { CatalogDriver } from '../../federation/catalog/driver.ts'
import type { Quorum } from '../../federation/quorum/driver-types.ts'
import type { PoolMembers } from '../../membership/pools.ts'
import type { Tier } from '../../wire/admission-documents.ts'
import { ROOT_POOL } from '../../wire/protocols.ts'

export interface PoolParts {
  members: Pick<PoolMembers, 'enter' | 'leave' | 'members' | 'onPoolEvent'>
  catalog: Pick<CatalogDriver, 'openPool' | 'closePool'>
  quorum: Pick<Quorum, 'open' | 'close' | 'setMembers'>
  self: string
  /** The only voter of `root` as long as nobody else was made one. */
  founder: string
  /** `consensus.threshold`; undefined: that of the pool's tier. */
  threshold: number | undefined
  /** This node's record says who it is in each pool. */
  describe(): void
}

/** A pool of this node: its members, its part of the catalog and its votes come and go together. */
export interface Pools {
  enter(pool: string, tier: Tier, options?: { through?: readonly string[] }): void
  leave(pool: string): Promise<void>
}

export function createPools({ members, catalog, quorum, self, founder, threshold, describe }: PoolParts): Pools {
  const entered = new Set<string>()

  function tellQuorum(pool: string): void {
    if (!entered.has(pool)) return
    quorum.setMembers(pool, members.members(pool).flatMap(({ peer, state }) => (peer !== self && (state === 'alive' || state === 'suspect') ? [peer] : [])))
  }

  members.onPoolEvent((pool) => tellQuorum(pool))
  return {
    enter(pool, tier, { through = [] } = {}) {
      if (entered.has(pool)) return
      entered.add(pool)
      // The founder's peer id is the name of every other pool.
      quorum.open(pool, { genesis: [pool === ROOT_POOL ? founder : pool], tier, ...(threshold === undefined ? {} : { threshold }) })
      catalog.openPool(pool)
      describe()
      members.enter(pool, through.length === 0 ? {} : { through })
      tellQuorum(pool)
    },
    async leave(pool) {
      if (!entered.delete(pool)) return
      // First, and not after the goodbye: it may be entered again while that is under way.
      quorum.close(pool)
      catalog.closePool(pool)
      await members.leave(pool)
    }
  }
}
