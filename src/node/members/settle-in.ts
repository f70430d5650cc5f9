import { sleep, type Clock } from '../../base/clock.ts'
import type { CatalogDriver } from '../../federation/catalog/driver.ts'
import type { PoolMembers } from '../../membership/pools.ts'
import type { Reach } from '../../rpc/reach/types.ts'
import type { NodeRecord } from '../../wire/catalog-types.ts'

/** A node whose federation is gone starts alone after this, ms; one that finds it needs a few hundred, on a busy machine more. */
export const SETTLE_WITHIN = 2_000
/** Members that it has not heard of yet get so long to be mentioned by the first it meets, ms. */
const UNCHANGED_FOR = 250
/** Between two looks, ms: short beside the rest of a start. */
const EVERY = 20

export interface SettleDeps {
  clock: Clock
  self: string
  membership: Pick<PoolMembers, 'members'>
  reach: Pick<Reach, 'path'>
  catalog: Pick<CatalogDriver, 'record' | 'offers' | 'definition'>
  /** How many members this node has met, in this life or an earlier one. */
  known: number
  signal?: AbortSignal
}

/**
 * Waits until this node can call what the others offer: else its first clients would be told that tools do not exist which all other
 * nodes have. It needs the records of all members, but no way to those whose servers others have too: first links are spread over more
 * than a second. Resolves at once without known members, and after SETTLE_WITHIN whatever is missing.
 */
export async function settleIn({ clock, self, membership, reach, catalog, known, signal }: SettleDeps): Promise<void> {
  if (known === 0) return
  const until = clock.now() + SETTLE_WITHIN
  let settledAt: number | undefined

  /** Clients miss nothing although this node does not reach it: it offers nothing, or replicas that are reached have the same tools. */
  function isCovered({ draining, servers }: NodeRecord): boolean {
    const offered = catalog.offers().servers
    const stands = ({ name, stateless, tools }: NodeRecord['servers'][number]) => {
      const replicas = stateless ? offered.find((server) => server.advertised === name && server.stateless) : undefined
      return replicas !== undefined && tools.every((tool) => replicas.tools.some((other) => other.tool === tool.name))
    }
    return draining || servers.every(stands)
  }

  function isThere(peer: string): boolean {
    const record = catalog.record(peer)
    return record !== undefined && (reach.path(peer) !== undefined || isCovered(record))
  }

  while (clock.now() < until) {
    const others = membership.members().filter(({ peer, state }) => peer !== self && state === 'alive')
    const isSettled = others.length > 0 && others.every(({ peer }) => isThere(peer)) && catalog.offers().servers.every(({ tools }) => tools.every(({ digest }) => catalog.definition(digest) !== undefined))
    if (isSettled) settledAt ??= clock.now()
    else settledAt = undefined
    if (settledAt !== undefined && (others.length >= known || clock.now() - settledAt >= UNCHANGED_FOR)) return
    await sleep(clock, EVERY, signal === undefined ? {} : { signal })
  }
}
