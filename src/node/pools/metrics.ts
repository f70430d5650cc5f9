import type { Counter, Gauge, Meter } from '../../base/meter.ts'

export interface BanMetrics {
  /** Bans in force, as far as this node has heard. */
  banned: Gauge
  /** Members that refused this node as banned. */
  refused: Counter
}

export function createBanMetrics(meter: Meter): BanMetrics {
  return {
    banned: meter.gauge('skein_federation_bans', 'Nodes that the federation has banned, as far as this node has heard. When it differs from node to node for long, look at `skein consensus ls` and at the way to the hub above.').with(),
    refused: meter
      .counter('skein_federation_refused_total', 'How often a member refused this node because the federation has banned it. When it grows, `skein status` says what to do.')
      .with()
  }
}
