import { Registry } from 'prom-client'
import type { Metric } from 'prom-client'
import type { MetricSnapshot } from '../base/meter.ts'

interface Value {
  metricName: string
  labels: Record<string, string | number>
  value: number
}

function labelsOf(names: readonly string[], values: readonly string[]): Record<string, string | number> {
  return Object.fromEntries(names.map((name, index) => [name, values[index] ?? '']))
}

/** Prometheus wants buckets cumulative and closed by +Inf, and the number of observations as `_count`. */
function histogramValues(metric: MetricSnapshot): Value[] {
  const values: Value[] = []
  for (const sample of metric.samples) {
    const labels = labelsOf(metric.labels, sample.labels)
    const { counts, sum } = sample.histogram ?? { counts: [], sum: 0 }
    let total = 0
    for (let index = 0; index <= metric.buckets.length; index++) {
      total += counts[index] ?? 0
      const le = metric.buckets[index] ?? '+Inf'
      values.push({ metricName: `${metric.name}_bucket`, labels: { ...labels, le }, value: total })
    }
    values.push({ metricName: `${metric.name}_sum`, labels, value: sum }, { metricName: `${metric.name}_count`, labels, value: total })
  }
  return values
}

function plainValues(metric: MetricSnapshot): Value[] {
  return metric.samples.map(({ labels, value }) => ({ metricName: metric.name, labels: labelsOf(metric.labels, labels), value }))
}

/** A metric as a prom-client registry reads it: `get()` is all it asks for when it renders. */
function asMetric(snapshot: MetricSnapshot): Metric {
  const { name, help, type } = snapshot
  const values = type === 'histogram' ? histogramValues(snapshot) : plainValues(snapshot)
  const metric = { name, help, type, get: async () => ({ name, help, type, values, aggregator: 'sum' }) }
  return metric as unknown as Metric
}

/**
 * The text a Prometheus server scrapes: our own numbers, then the metrics of other registries (process, libp2p).
 * A name that two of them use is rendered once, ours first: one clash must not cost the whole scrape.
 */
export async function renderMetrics(snapshot: readonly MetricSnapshot[], extra: readonly Registry[] = []): Promise<string> {
  const registry = new Registry()
  const seen = new Set<string>()
  const add = (name: string, metric: Metric) => {
    if (seen.has(name)) return
    seen.add(name)
    registry.registerMetric(metric)
  }
  for (const metric of snapshot) add(metric.name, asMetric(metric))
  for (const other of extra) {
    for (const { name } of other.getMetricsAsArray()) {
      const metric = other.getSingleMetric(name)
      if (metric !== undefined) add(name, metric as Metric)
    }
  }
  return await registry.metrics()
}
