import type { Gauge, Histogram, Meter } from '../base/meter.ts'

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
