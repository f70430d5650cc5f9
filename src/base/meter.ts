/**
 * Metrics as domains see them: plain in-memory numbers, cheap enough for a hot path (an increment is one addition, no
 * look-up). telemetry/ renders them for Prometheus at scrape time. Names: `skein_<area>_<what>_<unit>`, seconds and bytes only;
 * labels from closed sets, never a peer id.
 */
export interface Counter {
  inc(by?: number): void
}
export interface Gauge {
  set(value: number): void
}
export interface Histogram {
  observe(value: number): void
}

export interface Family<T> {
  /** The child with these label values, in the order of the declared label names. Look it up once, not per event. */
  with(...labels: string[]): T
}

export interface Meter {
  counter(name: string, help: string, labels?: readonly string[]): Family<Counter>
  gauge(name: string, help: string, labels?: readonly string[]): Family<Gauge>
  histogram(name: string, help: string, buckets: readonly number[], labels?: readonly string[]): Family<Histogram>
  /** Calls `fill` right before each scrape: for gauges whose truth lives elsewhere. */
  onCollect(fill: () => void): void
}

export interface HistogramValue {
  /** Observations per bucket, not cumulative; the last entry is +Inf. */
  counts: number[]
  sum: number
}

export interface MetricSnapshot {
  name: string
  help: string
  type: 'counter' | 'gauge' | 'histogram'
  labels: readonly string[]
  buckets: readonly number[]
  samples: { labels: string[]; value: number; histogram?: HistogramValue }[]
}

/** More children than this in one family means that a label is not from a closed set. */
const MAX_CHILDREN = 1000

interface Child {
  labels: string[]
  value: number
  histogram: HistogramValue
}

export interface MemoryMeter extends Meter {
  snapshot(): MetricSnapshot[]
}

/** Seconds; from a local echo to the default request timeout. */
export const LATENCY_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20] as const

export function createMeter(): MemoryMeter {
  const families = new Map<string, MetricSnapshot & { children: Map<string, Child> }>()
  const fills: (() => void)[] = []

  function family<T>(
    type: MetricSnapshot['type'],
    name: string,
    help: string,
    labels: readonly string[],
    buckets: readonly number[],
    instrument: (child: Child) => T
  ): Family<T> {
    // Declaring the same metric twice is normal: two components of one kind share a family.
    const found = families.get(name) ?? { name, help, type, labels, buckets, samples: [], children: new Map<string, Child>() }
    if (found.type !== type || found.labels.join() !== labels.join()) throw new Error(`metric ${name} is declared twice, differently`)
    families.set(name, found)
    const instruments = new Map<string, T>()
    return {
      with(...values) {
        const key = values.join('\u0000')
        const known = instruments.get(key)
        if (known !== undefined) return known
        if (values.length !== labels.length) throw new Error(`metric ${name} wants labels ${labels.join(', ')}`)
        let child = found.children.get(key)
        if (child === undefined) {
          if (found.children.size >= MAX_CHILDREN) throw new Error(`metric ${name} has over ${MAX_CHILDREN} label sets`)
          child = { labels: values, value: 0, histogram: { counts: Array.from({ length: buckets.length + 1 }, () => 0), sum: 0 } }
          found.children.set(key, child)
        }
        const made = instrument(child)
        instruments.set(key, made)
        return made
      }
    }
  }

  return {
    counter: (name, help, labels = []) =>
      family('counter', name, help, labels, [], (child) => ({
        inc(by = 1) {
          child.value += by
        }
      })),
    gauge: (name, help, labels = []) =>
      family('gauge', name, help, labels, [], (child) => ({
        set(value) {
          child.value = value
        }
      })),
    histogram: (name, help, buckets, labels = []) =>
      family('histogram', name, help, labels, buckets, (child) => ({
        observe(value) {
          let index = 0
          while (index < buckets.length && value > (buckets[index] as number)) index += 1
          ;(child.histogram.counts[index] as number)++
          child.histogram.sum += value
        }
      })),
    onCollect(fill) {
      fills.push(fill)
    },
    snapshot() {
      for (const fill of fills) fill()
      return [...families.values()].map(({ children, ...rest }) => ({ ...rest, samples: [...children.values()] }))
    }
  }
}
