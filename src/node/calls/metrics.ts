import type { Counter, Gauge, Meter } from '../../base/meter.ts'

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
