import type { Meter } from '../../base/meter.ts'

export const STATES = ['stopped', 'starting', 'ready', 'backoff', 'failed'] as const
export type UpstreamState = (typeof STATES)[number]

export type UpstreamMetrics = ReturnType<typeof createUpstreamMetrics>

/** Labels: names under `mcp.servers` (at most `MAX_SERVERS` of them) and closed sets. */
export function createUpstreamMetrics(meter: Meter) {
  return {
    state: meter.gauge(
      'skein_upstream_state',
      'State of an attached server: 0 stopped, 1 starting, 2 ready, 3 backoff, 4 failed. Over 2 for long: see `skein status` for the reason.',
      ['server']
    ),
    restarts: meter.counter(
      'skein_upstream_restarts_total',
      'Restarts of an attached server after it went away by itself. Growing: read its stderr in the log (level debug).',
      ['server']
    ),
    requests: meter.counter(
      'skein_upstream_requests_total',
      'Requests to attached servers by how they ended: ok, error (the server said no), busy, cancelled, timeout, unavailable, unknown (it went away while running), invalid.',
      ['server', 'status']
    ),
    children: meter.gauge(
      'skein_upstream_children',
      'Child processes or connections of an attached server. High: many clients need one of their own; see `isolation`.',
      ['server']
    )
  }
}
