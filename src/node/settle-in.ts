import { sleep, type Clock } from '../base/clock.ts'
import type { CatalogDriver } from '../federation/driver.ts'
import type { Membership } from '../membership/driver.ts'
import type { Reach } from '../rpc/reach/types.ts'

/** A node whose federation is gone starts alone after this, ms; one that finds it needs a few hundred, on a busy machine more. */
export const SETTLE_WITHIN = 2_000
/** Members that it has not heard of yet get so long to be mentioned by the first it meets, ms. */
const UNCHANGED_FOR = 250
/** Between two looks, ms: short beside the rest of a start. */
const EVERY = 20

export interface SettleDeps {
  clock: Clock
  self: string
  membership: Pick<Membership, 'members'>
  reach: Pick<Reach, 'path'>
  catalog: Pick<CatalogDriver, 'record' | 'offers' | 'definition'>
  /** How many members this node has met, in this life or an earlier one. */
  known: number
  signal?: AbortSignal
}

/**
 * Waits until this node can call what the others offer: else its first clients would be told that tools do not exist which all other
 * nodes have. Resolves at once without known members, and after SETTLE_WITHIN whatever is missing.
 */
export async function settleIn({ clock, self, membership, reach, catalog, known, signal }: SettleDeps): Promise<void> {
  if (known === 0) return
  const until = clock.now() + SETTLE_WITHIN
  let settledAt: number | undefined
  while (clock.now() < until) {
    const others = membership.members().filter(({ peer, state }) => peer !== self && state === 'alive')
    const reached = others.every(({ peer }) => reach.path(peer) !== undefined && catalog.record(peer) !== undefined)
    const isSettled = others.length > 0 && reached && catalog.offers().servers.every(({ tools }) => tools.every(({ digest }) => catalog.definition(digest) !== undefined))
    if (isSettled) settledAt ??= clock.now()
    else settledAt = undefined
    if (settledAt !== undefined && (others.length >= known || clock.now() - settledAt >= UNCHANGED_FOR)) return
    await sleep(clock, EVERY, signal === undefined ? {} : { signal })
  }
}
