import type { PeerDiscovery } from '@libp2p/interface'
import { addressesFor } from '../addresses.ts'

/** Peers whose addresses are remembered: those of some lookups. The oldest goes first. */
const MAX_HEARD = 1_024
/** Of each; a node has a few interfaces, and some relays. */
const MAX_ADDRESSES = 16

/** Addresses that answers of the DHT name. libp2p stores them too, but only a moment after the next question needs them. */
export function createHeard(kad: Pick<PeerDiscovery, 'addEventListener'>, stored: (peer: string) => Promise<string[]>): { of(peer: string): Promise<readonly string[]> } {
  const heard = new Map<string, readonly string[]>()
  kad.addEventListener('peer', ({ detail: { id, multiaddrs } }) => {
    const peer = id.toString()
    if (multiaddrs.length === 0) return
    heard.delete(peer)
    heard.set(peer, multiaddrs.slice(0, MAX_ADDRESSES).map(String))
    if (heard.size > MAX_HEARD) heard.delete(heard.keys().next().value as string)
  })
  return {
    async of(peer) {
      const all = new Set([...(heard.get(peer) ?? []), ...(await stored(peer))])
      return addressesFor(peer, [...all].slice(0, MAX_ADDRESSES))
    }
  }
}
