import type { Counter, Gauge, Histogram, Meter } from '../base/meter.ts'

export interface BackendMetrics {
  /** Open `subscriptions/listen` calls of this node's clients. */
  listens: Gauge
  /** Attempts after the first. */
  retries(verdict: 'next' | 'repeat'): Counter
}

export function createBackendMetrics(meter: Meter): BackendMetrics {
  const retries = meter.counter(
    'skein_calls_retries_total',
    'Calls that went to another provider (`next`: the first did not run them) or ran again (`repeat`: repeatable, and the first was lost). When it grows, look in the log for the nodes that fail calls, and at skein peers.',
    ['verdict']
  )
  return {
    listens: meter
      .gauge('skein_calls_listens', 'Subscriptions that this node keeps open at servers for its clients. When much higher than the number of client sessions, look for a client that subscribes and never leaves.')
      .with(),
    retries: (verdict) => retries.with(verdict)
  }
}

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

export interface DrainMetrics {
  draining: Gauge
  /** Seconds from the order until nothing ran, or until the time for it was over. */
  seconds: Histogram
}

/** Seconds; from an idle node to the longest shutdown_timeout. */
const DRAIN_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600] as const

export function createDrainMetrics(meter: Meter): DrainMetrics {
  return {
    draining: meter
      .gauge('skein_node_draining', 'Whether this node takes no new calls because it is being drained, is drained or stops: 0 or 1. When it stays 1, somebody forgot skein drain --undo.')
      .with(),
    seconds: meter
      .histogram(
        'skein_drain_seconds',
        'From the order to drain until nothing ran any more, or until the time for it was over. When it is high, long calls hold up every update: skein drain --wait says how many run, mcp.shutdown_timeout how long they may.',
        DRAIN_BUCKETS
      )
      .with()
  }
}

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
