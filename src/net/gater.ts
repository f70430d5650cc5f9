import type { ConnectionGater } from '@libp2p/interface'
import type { Clock } from '../base/clock.ts'

/** A peer that was refused this often within the window is not even upgraded for the length of the window. */
export const REFUSALS = 5
export const WINDOW_MS = 60_000
/** Enough for every neighbour of a large pool; the oldest entry goes first. */
const MAX_TRACKED = 1024

export interface Gater extends ConnectionGater {
  /** Counts a refused admission of this peer. */
  refused(peer: string): void
}

/**
 * Says no before anything is spent: to ourselves (an address of ours in somebody's list) and to peers that keep asking
 * for admission and are refused. Who is banned is not dialled, but may ask, and is told why not. The peer id is proven only from the encrypted stage on.
 */
export function createGater(clock: Clock, self: string, isBanned: (peer: string) => boolean = () => false): Gater {
  const refusals = new Map<string, { count: number; since: number }>()

  function isBarred(peer: string): boolean {
    const entry = refusals.get(peer)
    if (entry === undefined) return false
    if (clock.now() - entry.since < WINDOW_MS) return entry.count >= REFUSALS
    refusals.delete(peer)
    return false
  }

  const deny = (peer: { toString(): string }) => peer.toString() === self || isBarred(peer.toString())
  return {
    denyDialPeer: (peer) => peer.toString() === self || isBanned(peer.toString()),
    denyInboundEncryptedConnection: deny,
    denyOutboundEncryptedConnection: (peer) => peer.toString() === self || isBanned(peer.toString()),
    refused(peer) {
      const known = refusals.get(peer)
      if (known !== undefined && clock.now() - known.since < WINDOW_MS) {
        known.count++
        return
      }
      refusals.delete(peer)
      refusals.set(peer, { count: 1, since: clock.now() })
      const oldest = refusals.keys().next().value
      if (refusals.size > MAX_TRACKED && oldest !== undefined) refusals.delete(oldest)
    }
  }
}
