import type { Meter } from '../base/meter.ts'

export function createNetMetrics(meter: Meter) {
  const discoveries = meter.counter(
    'p2p_peer_discoveries_total',
    'Peers found by source, and whether an authenticated connection followed. Many failures: look at the addresses of that source with `skein net test`.',
    ['source', 'status']
  )
  const dials = meter.counter('skein_net_dials_total', 'Dials by result. Many failures: a peer is down or its addresses are stale.', ['result'])
  return {
    discovered: (source: string, status: 'success' | 'failure') => discoveries.with(source, status).inc(),
    dialled: (result: 'success' | 'failure') => dials.with(result).inc(),
    connections: meter.gauge('skein_net_connections', 'Open connections by admission. Strangers that stay: somebody dials without a credential.', ['admitted']),
    presents: meter.counter('skein_net_presents_total', 'Credentials presented on connections, by result. Refusals: an expired or foreign credential.', ['result'])
  }
}

export type NetMetrics = ReturnType<typeof createNetMetrics>
