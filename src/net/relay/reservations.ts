import type { PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { backoffDelay } from '../../base/backoff.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { Random } from '../../base/random.ts'
import { isRelayed, reachableAddresses, relayOf } from '../addresses.ts'
import type { ReservationStore } from './parts.ts'

/** With two the loss of one is not noticed. */
const WANTED = 2
/** Addresses told of one relay: the one that this node knows to work, and one more. */
const ADDRESSES_PER_RELAY = 2
/** How often missing relays are looked for; a lost one is replaced at once. */
const CHECK_MS = 2_000
/** A member that refused is asked again, ever later. */
const BACKOFF = { base: 5_000, cap: 300_000 }
/** Refusals remembered; the oldest go. */
const MAX_REFUSALS = 256

/** A relay may name any text; who dials such an address of this node dials what it says. */
function isAt(relay: string, address: string): boolean {
  const at = relayOf(address)
  return at?.peer === relay && !isRelayed(at.address)
}

export interface Reservations {
  /** Whether relays are wanted; when not, places are given up. */
  set(wanted: boolean): void
  /** Multiaddrs through the relays, without the own peer id. */
  addresses(): string[]
  relays(): string[]
  stop(): void
}

/**
 * Keeps places at up to two relays while they are wanted.
 * @param deps.candidates connected members that relay, best first
 */
export function createReservations(deps: {
  store: () => ReservationStore | undefined
  clock: Clock
  random: Random
  logger: Logger
  candidates: () => string[]
  onChange: () => void
}): Reservations {
  const { clock, logger } = deps
  const held = new Map<string, string[]>()
  const refusals = new Map<string, { count: number; notBefore: number }>()
  let listening = false
  let wanted = false
  let stopped = false
  let asking = false
  let timer: Timer | undefined

  function listen(store: ReservationStore): void {
    if (listening) return
    listening = true
    store.addEventListener('relay:removed', (event) => {
      const { relay } = (event as CustomEvent<{ relay: PeerId }>).detail
      if (!held.delete(relay.toString())) return
      logger.info('a relay of this node is gone', { peer: relay.toString() })
      deps.onChange()
      plan(0)
    })
  }

  function refused(peer: string, error: unknown): void {
    const count = (refusals.get(peer)?.count ?? 0) + 1
    refusals.delete(peer)
    refusals.set(peer, { count, notBefore: clock.now() + backoffDelay(count - 1, BACKOFF, deps.random) })
    if (refusals.size > MAX_REFUSALS) refusals.delete(refusals.keys().next().value as string)
    logger.debug('a member does not relay for this node', { peer, error: errorMessage(error) })
  }

  async function reserve(store: ReservationStore): Promise<void> {
    for (const peer of deps.candidates()) {
      if (!wanted || stopped || held.size >= WANTED) return
      if (held.has(peer) || (refusals.get(peer)?.notBefore ?? 0) > clock.now()) continue
      try {
        const { details } = await store.addRelay(peerIdFromString(peer), 'configured')
        if (!wanted || stopped) return store.cancelReservations()
        const told = details.reservation.addrs.map((bytes) => `${multiaddr(bytes).toString()}/p2p-circuit`)
        const addresses = reachableAddresses(told.filter((address) => isAt(peer, address)))
        if (addresses.length === 0) throw new Error('it names no address of its own')
        refusals.delete(peer)
        held.set(peer, addresses.slice(0, ADDRESSES_PER_RELAY))
        logger.info('this node is reached through a relay', { peer })
        deps.onChange()
      } catch (error) {
        refused(peer, error)
      }
    }
  }

  async function check(): Promise<void> {
    const store = deps.store()
    if (store === undefined || asking || stopped || !wanted) return
    asking = true
    listen(store)
    try {
      for (const peer of held.keys()) if (!store.hasReservation(peerIdFromString(peer))) held.delete(peer)
      if (held.size < WANTED) await reserve(store)
    } finally {
      asking = false
      plan(CHECK_MS)
    }
  }

  function plan(ms: number): void {
    timer?.cancel()
    if (stopped || !wanted) return
    timer = clock.after(ms, () => void check())
  }

  return {
    set(next) {
      if (wanted === next) return
      wanted = next
      if (wanted) return plan(0)
      timer?.cancel()
      deps.store()?.cancelReservations()
      if (held.size === 0) return
      held.clear()
      deps.onChange()
    },
    addresses: () => [...held.values()].flat(),
    relays: () => [...held.keys()],
    stop() {
      stopped = true
      timer?.cancel()
    }
  }
}
