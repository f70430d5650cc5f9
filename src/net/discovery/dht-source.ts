import type { Dht } from '../dht/dht.ts'
import type { DiscoverySource } from './ports.ts'

/** Members near a random key of the DHT: those that neither gossip nor a list has named yet. */
export function dhtSource(dht: Dht): DiscoverySource {
  return { name: 'dht', find: ({ signal }) => dht.walk({ signal }) }
}
