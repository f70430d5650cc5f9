import type { Counter, Gauge, Meter } from '../../base/meter.ts'

/** Why a relay does not pass an exchange on. */
const REFUSALS = ['ticket', 'origin', 'hops', 'busy', 'unreachable', 'other'] as const
export type RelayRefusal = (typeof REFUSALS)[number]

export interface RelayMetrics {
  carried: Counter
  refused: Record<RelayRefusal, Counter>
  bytes: Counter
  running: Gauge
  /** Exchanges that came here over relays. */
  received: Counter
}

export function createRelayMetrics(meter: Meter): RelayMetrics {
  const refused = meter.counter(
    'skein_rpc_relay_refused_total',
    'Exchanges this node did not pass on or take from a relay, by reason. Many ticket: compare clocks, or look for a hostile node; origin: nodes of other pools with credentials that have ended, or banned ones; busy: more nodes should reach each other directly.',
    ['reason']
  )
  const exchanges = meter.counter('skein_rpc_relay_exchanges_total', 'Relayed exchanges, passed on by this node or taken in by it. Many: look why members do not reach each other directly.', ['side'])
  return {
    carried: exchanges.with('carried'),
    received: exchanges.with('received'),
    refused: {
      ticket: refused.with('ticket'),
      origin: refused.with('origin'),
      hops: refused.with('hops'),
      busy: refused.with('busy'),
      unreachable: refused.with('unreachable'),
      other: refused.with('other')
    },
    bytes: meter.counter('skein_rpc_relay_bytes_total', 'Bytes of bodies that this node passed on for others. Compare with its link when it is high.').with(),
    running: meter.gauge('skein_rpc_relay_running', 'Exchanges this node passes on now. Near 2048: others are refused; see skein_rpc_relay_exchanges_total.').with()
  }
}
