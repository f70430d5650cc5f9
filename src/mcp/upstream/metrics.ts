import type { Counter, Gauge, Meter } from '../../base/meter.ts'

export const STATES = ['stopped', 'starting', 'ready', 'backoff', 'failed'] as const
export type UpstreamState = (typeof STATES)[number]

const STATUSES = ['ok', 'error', 'busy', 'cancelled', 'timeout', 'unavailable', 'unknown', 'invalid'] as const
/** How a request to an attached server ended. */
export type RequestStatus = (typeof STATUSES)[number]

/** Names of servers that were ever attached, for labels: with eight statuses each they stay below the meter's bound. */
const MAX_LABELS = 100

export interface ServerMetrics {
  state: Gauge
  restarts: Counter
  requests: Record<RequestStatus, Counter>
  children: Gauge
  givenUp: Counter
}

export interface UpstreamMetrics {
  /** The metrics of one server; those attached after the first hundred names share the label `other`. */
  forServer(name: string): ServerMetrics
}

/** What is counted over all servers when somebody looks. */
export interface UpstreamTotals {
  parked: number
  listeners: number
}

export function createUpstreamMetrics(meter: Meter, totals: () => UpstreamTotals): UpstreamMetrics {
  const state = meter.gauge(
    'skein_upstream_state',
    'State of an attached server: 0 stopped, 1 starting, 2 ready, 3 backoff, 4 failed. Over 2 for long: see `skein status` for the reason.',
    ['server']
  )
  const restarts = meter.counter(
    'skein_upstream_restarts_total',
    'Restarts of an attached server after it went away by itself. Growing: read its stderr in the log (level debug).',
    ['server']
  )
  const requests = meter.counter(
    'skein_upstream_requests_total',
    'Requests to attached servers by how they ended: ok, error (the server said no), busy, cancelled, timeout, unavailable, unknown (it went away while running), invalid. Busy or timeout growing: the server is too slow for its load.',
    ['server', 'status']
  )
  const children = meter.gauge(
    'skein_upstream_children',
    'Child processes or connections of an attached server. High: many clients need one of their own; see `isolation`.',
    ['server']
  )
  const givenUp = meter.counter(
    'skein_upstream_parked_given_up_total',
    'Calls that waited for an answer of their client and were ended because others needed the place. Growing: clients ask and do not come back, or more ask at once than `isolation` has processes or sessions for.',
    ['server']
  )
  const parked = meter
    .gauge('skein_upstream_parked', 'Calls of servers of the 2025 era that wait for an answer of their client, on all attached servers. High: clients ask and do not come back; each waits ten minutes at most.')
    .with()
  const listeners = meter
    .gauge('skein_upstream_listeners', 'Clients that listen to what attached servers say outside of calls. High: sessions that are not closed, here or at other nodes.')
    .with()
  meter.onCollect(() => {
    const now = totals()
    parked.set(now.parked)
    listeners.set(now.listeners)
  })
  const labels = new Set<string>()
  return {
    forServer(name) {
      if (labels.size < MAX_LABELS) labels.add(name)
      const label = labels.has(name) ? name : 'other'
      const counters = Object.fromEntries(STATUSES.map((status) => [status, requests.with(label, status)])) as Record<RequestStatus, Counter>
      return { state: state.with(label), restarts: restarts.with(label), requests: counters, children: children.with(label), givenUp: givenUp.with(label) }
    }
  }
}
