import type { Clock, Timer } from '../base/clock.ts'
import { errorMessage } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { CatalogDriver } from '../federation/catalog/driver.ts'
import type { Membership } from '../membership/driver.ts'
import type { Member, MemberEvent } from '../membership/types.ts'
import { addressesFor } from '../net/addresses.ts'
import type { FrameNetwork } from '../net/member-network.ts'
import type { KnownPeer } from '../store/known-peers.ts'
import type { Store } from '../store/store.ts'

/** The first known peer is written at once, what follows within this time together: else each join of a storm is a disk write, ms. */
const SAVE_EVERY = 1_000

export interface MembershipLinks {
  membership: Pick<Membership, 'received' | 'onEvent'>
  network: Pick<FrameNetwork, 'onFrame'>
  catalog: Pick<CatalogDriver, 'memberUp' | 'memberDown'>
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

  function follow({ type, member }: MemberEvent): void {
    if (member.peer === self) return
    switch (type) {
      case 'joined':
      case 'updated':
      case 'recovered':
        remember(member)
        return catalog.memberUp(member.peer)
      case 'failed':
      case 'left':
        return catalog.memberDown(member.peer)
      case 'suspected':
    }
  }

  network.onFrame((peer, message) => membership.received(peer, message))
  membership.onEvent(follow)
  return {
    stop() {
      timer?.cancel()
      timer = undefined
      save()
    }
  }
}
