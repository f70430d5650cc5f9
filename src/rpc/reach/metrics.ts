import type { Counter, Gauge, Meter } from '../../base/meter.ts'

export interface ReachMetrics {
  peers: { direct: Gauge; relayed: Gauge; none: Gauge; suggested: Gauge }
  queries: { found: Counter; none: Counter }
  abandoned: Counter
}

export function createReachMetrics(meter: Meter): ReachMetrics {
  const peers = meter.gauge('skein_rpc_reach_peers', 'Members and peers by the way that calls take. Many relayed or none: look why they do not reach each other directly. Suggested: nodes of other pools that calls go to over hubs.', ['path'])
  const queries = meter.counter('skein_rpc_reach_queries_total', 'Questions to other nodes whether they could pass calls on. Many none: members are cut off from all others.', ['result'])
  return {
    peers: { direct: peers.with('direct'), relayed: peers.with('relayed'), none: peers.with('none'), suggested: peers.with('suggested') },
    queries: { found: queries.with('found'), none: queries.with('none') },
    abandoned: meter
      .counter('skein_rpc_reach_abandoned_total', 'Connections closed because nothing came over them while others heard the peer. Growing: a link between two members is broken.')
      .with()
  }
}
