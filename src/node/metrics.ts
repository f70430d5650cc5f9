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
