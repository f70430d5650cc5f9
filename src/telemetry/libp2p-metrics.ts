import { prometheusMetrics } from '@libp2p/prometheus-metrics'
import type { Registry } from 'prom-client'

/** libp2p's own metrics into the given registry. Not for several nodes in one process: its metric objects are global by name. */
export function libp2pMetrics(registry: Registry) {
  return prometheusMetrics({ registry, collectDefaultMetrics: false, preserveExistingMetrics: true })
}
