import type { Clock, Timer } from '../base/clock.ts'
import type { CatalogDriver } from '../federation/driver.ts'
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
  self: string
}

/**
 * Who is a member decides whose servers are offered, and whom this node looks for after a restart. Connections of those that failed or
 * left are closed by the machine itself.
 * @returns `stop` writes down what is not written yet
 */
export function linkMembership({ membership, network, catalog, store, clock, self }: MembershipLinks): { stop(): void } {
  const unsaved = new Map<string, KnownPeer>()
  let timer: Timer | undefined

  function save(): void {
    store.peers.save(...unsaved.values())
    unsaved.clear()
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
