import type { PoolKeeper } from './keeper.ts'
import type { Place } from './place-types.ts'
import type { DownEdge, PoolState, TierEdges, TiersState, UpEdge } from './types.ts'
import type { TiersView } from './view.ts'

// What the whole federation has decided comes before the keys of the configuration.
const NO_ROOM_ABOVE = 'no hub above takes this one: raise the limits under federation at the hubs above (or with `skein consensus propose`, where the federation has decided on them: `skein consensus ls`), or start another hub'
export const NO_ROOM =
  'every hub is full: this node stays in the top pool until one has room. Raise federation.max_clusters at the hubs (or with `skein consensus propose setting/max_clusters`, where that is decided: `skein consensus ls`), or start another hub'

export interface Chain {
  self: string
  keepers: ReadonlyMap<string, PoolKeeper>
  home(): string | undefined
  /** The pool above one that this node is hub of. */
  above(pool: string): string | undefined
}

/** From home upward, as long as this node is hub. Pools' tiers rise on the way, so it ends. */
export function climb({ keepers, home, above }: Chain): PoolKeeper[] {
  const way: PoolKeeper[] = []
  for (let pool = home(); pool !== undefined; ) {
    const keeper = keepers.get(pool)
    if (keeper === undefined || way.includes(keeper)) break
    way.push(keeper)
    pool = keeper.acting() ? above(pool) : undefined
  }
  return way
}

export function readEdges(chain: Chain, view: TiersView): TierEdges {
  const way = climb(chain)
  const hubOf: DownEdge[] = way.filter((keeper) => keeper.acting()).map((keeper) => ({ pool: keeper.pool, token: keeper.lease()?.token ?? 0, children: view.children(keeper) }))
  const top = way.at(-1)
  return { up: top === undefined || top.acting() ? undefined : upEdge(chain.self, top, view), hubOf }
}

function upEdge(self: string, keeper: PoolKeeper, view: TiersView): UpEdge | undefined {
  const lease = keeper.lease()
  if (lease === undefined || lease.resigned === true || lease.holder === self || !view.isThere(lease.holder, keeper.pool)) return undefined
  return { peer: lease.holder, token: lease.token, pool: keeper.pool }
}

export function readState(chain: Chain, places: ReadonlyMap<string, Place>): TiersState {
  const way = climb(chain)
  const rest = [...chain.keepers.values()].filter((keeper) => !way.includes(keeper))
  return { home: chain.home() ?? '', pools: [...way, ...rest].map((keeper) => poolState(keeper, places.get(keeper.pool), places.get(''))) }
}

function poolState(keeper: PoolKeeper, above: Place | undefined, home: Place | undefined): PoolState {
  const lease = keeper.lease()
  const holder = lease?.resigned === true ? undefined : lease?.holder
  const problem = keeper.problem() ?? (above?.refused() === true ? NO_ROOM_ABOVE : undefined) ?? (home?.refused() === true && home.current()?.pool === keeper.pool ? NO_ROOM : undefined)
  return {
    pool: keeper.pool,
    tier: keeper.tier,
    ...(holder === undefined ? {} : { hub: holder }),
    ...(lease === undefined ? {} : { token: lease.token }),
    isHub: keeper.acting(),
    standbys: keeper.voters().filter((peer) => peer !== holder),
    ...(lease?.parent === undefined ? {} : { parent: lease.parent }),
    ...(problem === undefined ? {} : { problem })
  }
}
