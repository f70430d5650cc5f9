import type { Counter, Gauge, Meter } from '../../base/meter.ts'

export interface DistantMetrics {
  /** Questions where a distant server is. */
  resolved(result: 'found' | 'none' | 'failed'): Counter
}

export function createDistantMetrics(meter: Meter): DistantMetrics {
  const resolved = meter.counter(
    'skein_calls_distant_resolves_total',
    'Questions to a hub which nodes have a server that no pool of this node has. Many none or failed: a hub is gone and its pool has no successor yet, or lists show what nobody offers any more; see skein topology.',
    ['result']
  )
  return { resolved: (result) => resolved.with(result) }
}

export interface LongTailMetrics {
  /** Searches in the DHT for a server that no hub names a provider of. */
  searches(result: 'found' | 'unreached' | 'none'): Counter
}

export function createLongTailMetrics(meter: Meter): LongTailMetrics {
  const searches = meter.counter(
    'skein_calls_dht_searches_total',
    'Searches in the DHT for a server that no hub names a provider of. Many found: hubs do not do their work, see skein topology. Many unreached: providers are named there, and cannot be dialled from here.',
    ['result']
  )
  return { searches: (result) => searches.with(result) }
}

export interface PassingMetrics {
  dials(result: 'ok' | 'failed' | 'refused'): Counter
}

export function createPassingMetrics(meter: Meter): PassingMetrics {
  const dials = meter.counter(
    'skein_calls_dht_dials_total',
    'Nodes of other pools that were to be connected for a question to the DHT. Many failed: its answers name nodes that are gone. Many refused: more than 60 a minute were wanted, and lookups find less.',
    ['result']
  )
  return { dials: (result) => dials.with(result) }
}

export interface DirectLinkMetrics {
  links: Gauge
  dials(result: 'ok' | 'failed'): Counter
}

export function createDirectLinkMetrics(meter: Meter): DirectLinkMetrics {
  const dials = meter.counter(
    'skein_calls_direct_dials_total',
    'Attempts to connect providers of other pools that are called often. Many failed: those nodes cannot be dialled, and hubs pass their calls on; see skein net test.',
    ['result']
  )
  return {
    links: meter
      .gauge('skein_calls_direct_links', 'Connections kept to providers of other pools because they are called often. At 32 no more are made, and hubs pass on the calls to all others.')
      .with(),
    dials: (result) => dials.with(result)
  }
}
