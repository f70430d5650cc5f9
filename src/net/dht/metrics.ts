import type { Meter } from '../../base/meter.ts'

export function createDhtMetrics(meter: Meter) {
  return {
    peers: meter.gauge('skein_net_dht_peers', 'Members in the routing table of the DHT. 0 with connected members: they take no part in it (network.dht).'),
    keys: meter.gauge('skein_net_dht_keys', 'Names of servers and tools that this node offers in the DHT. At 512 no more are offered there; calls do not need it.'),
    published: meter.counter('skein_net_dht_published_total', 'Names published in the DHT, by result. Only failures: no member keeps them, look at skein_net_dht_peers.', ['result']),
    lookups: meter.counter('skein_net_dht_lookups_total', 'Questions to the DHT who has a name, by result. Mostly `none`: names are asked for that nobody offers.', ['result'])
  }
}

export type DhtMetrics = ReturnType<typeof createDhtMetrics>
