import type { Meter } from '../base/meter.ts'
import { createDhtMetrics } from './dht/metrics.ts'
import { createTallyBook, type DiscoveryStats } from './discovery/stats.ts'

type Status = 'success' | 'failure'

/** Seconds; from a refusal on this machine to the whole patience of a round of bootstrap methods. */
const DISCOVERY_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

export function createNetMetrics(meter: Meter) {
  const discoveries = meter.counter(
    'p2p_peer_discoveries_total',
    'Peers found by source, and whether an authenticated connection followed. Many failures: look at the addresses of that source with `skein net test`.',
    ['source', 'status']
  )
  const discoverySeconds = meter.histogram(
    'p2p_peer_discovery_duration_seconds',
    'Time until a peer found by a source was an authenticated connection, or until that failed. When high, dials end in silence: remove dead addresses from that source.',
    DISCOVERY_BUCKETS,
    ['source']
  )
  const bootstraps = meter.counter(
    'p2p_bootstrap_attempts_total',
    'Rounds of a bootstrap method, and whether one brought an authenticated connection. Many failures: none of its addresses lets this node in, see `skein net test`.',
    ['method', 'status']
  )
  const bootstrapSeconds = meter.histogram('p2p_bootstrap_duration_seconds', 'Time of those rounds. When high, the first addresses of the method are dead: remove them.', DISCOVERY_BUCKETS, ['method'])
  const discoveryBook = createTallyBook()
  const bootstrapBook = createTallyBook()
  const dials = meter.counter('skein_net_dials_total', 'Dials by result. Many failures: a peer is down or its addresses are stale.', ['result'])
  return {
    /** @param ms how long it took @param at unix ms when it ended */
    discovered(source: string, status: Status, ms: number, at: number) {
      discoveries.with(source, status).inc()
      discoverySeconds.with(source).observe(ms / 1_000)
      discoveryBook.count(source, status, ms, at)
    },
    /** @param ms how long it took @param at unix ms when it ended */
    bootstrapped(method: string, status: Status, ms: number, at: number) {
      bootstraps.with(method, status).inc()
      bootstrapSeconds.with(method).observe(ms / 1_000)
      bootstrapBook.count(method, status, ms, at)
    },
    discovery: (): DiscoveryStats => ({ discoveries: discoveryBook.read(), bootstraps: bootstrapBook.read() }),
    dht: createDhtMetrics(meter),
    dialled: (result: Status) => dials.with(result).inc(),
    connections: meter.gauge('skein_net_connections', 'Open connections by admission. Strangers that stay: somebody dials without a credential.', ['admitted']),
    presents: meter.counter('skein_net_presents_total', 'Credentials presented on connections, by result. Refusals: an expired or foreign credential.', ['result'])
  }
}

export type NetMetrics = ReturnType<typeof createNetMetrics>
