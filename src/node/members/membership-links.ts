import type { Clock, Timer } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { PoolMembers } from '../../membership/pools.ts'
import type { Member, MemberEvent } from '../../membership/types.ts'
import { addressesFor } from '../../net/addresses.ts'
import type { FrameNetwork } from '../../net/member-network.ts'
import type { KnownPeer } from '../../store/known-peers.ts'
import type { Store } from '../../store/store.ts'

/** The first known peer is written at once, what follows within this time together: else each join of a storm is a disk write, ms. */
const SAVE_EVERY = 1_000

export interface MembershipLinks {
  membership: Pick<PoolMembers, 'received' | 'onEvent' | 'onPoolEvent'>
  network: Pick<FrameNetwork, 'onFrame'>
  /** The catalogs of the pools. */
  catalog: { memberUp(pool: string, peer: string): void; memberDown(pool: string, peer: string): void }
  store: Pick<Store, 'peers'>
  clock: Clock
  logger: Logger
  self: string
}

/**
 * Who is a member decides whose servers are offered, and whom this node looks for after a restart. Connections of those that failed or
 * left are closed by the machine itself.
 * @returns `stop` writes down what is not written yet
 */
export function linkMembership({ membership, network, catalog, store, clock, logger, self }: MembershipLinks): { stop(): void } {
  const unsaved = new Map<string, KnownPeer>()
  let timer: Timer | undefined
  let failing = false

  /** A full disk must neither keep the catalog from hearing of members nor end the process: it is tried again with the next ones. */
  function save(): void {
    try {
      store.peers.save(...unsaved.values())
      unsaved.clear()
      failing = false
    } catch (error) {
      if (!failing) logger.warn('the known peers could not be written: after a restart this node may not find its way back', { error: errorMessage(error) })
      failing = true
    }
  }

  function onTimer(): void {
    timer = unsaved.size > 0 ? clock.after(SAVE_EVERY, onTimer) : undefined
    save()
  }

  function remember({ peer, name, addresses }: Member): void {
    const dialable = addressesFor(peer, addresses)
    if (dialable.length === 0) return
    unsaved.set(peer, { peer, name, addresses: dialable, lastSeen: clock.wall() })
    if (timer === undefined) onTimer()
  }

  /** In one pool one is a member, in another not. */
  function follow(pool: string, { type, member: { peer } }: MemberEvent): void {
    if (peer === self) return
    switch (type) {
      case 'joined':
      case 'updated':
      case 'recovered':
        return catalog.memberUp(pool, peer)
      case 'failed':
      case 'left':
        return catalog.memberDown(pool, peer)
      case 'suspected':
    }
  }

  network.onFrame((peer, message) => membership.received(peer, message))
  membership.onPoolEvent(follow)
  membership.onEvent(({ type, member }) => {
    if (member.peer !== self && (type === 'joined' || type === 'updated' || type === 'recovered')) remember(member)
  })
  return {
    stop() {
      timer?.cancel()
      timer = undefined
      save()
    }
  }
}
