import type { Counter, Gauge, Meter } from '../../base/meter.ts'

export interface McpHttpMetrics {
  refused(reason: 'host' | 'origin' | 'sessions' | 'body' | 'draining'): void
  resumed: { found: Counter; gone: Counter }
  slow: Counter
  evicted: Counter
  stateless: Gauge
  kept: Gauge
}

export function createMcpHttpMetrics(meter: Meter): McpHttpMetrics {
  const refused = meter.counter(
    'skein_mcp_http_refused_total',
    'HTTP requests refused before MCP: host and origin, see security.allowed_hosts and allowed_origins; sessions, mcp.max_sessions; body, mcp.max_body_bytes; draining, the node is being drained or stopped and whoever sends it clients has not noticed: see /ready.',
    ['reason']
  )
  const resumed = meter.counter(
    'skein_mcp_http_resumed_total',
    'Clients that came back to a broken event stream; gone: nothing was left of it. When gone grows, clients stay away for longer than a minute.',
    ['outcome']
  )
  const reasons = { host: refused.with('host'), origin: refused.with('origin'), sessions: refused.with('sessions'), body: refused.with('body'), draining: refused.with('draining') }
  return {
    refused: (reason) => reasons[reason].inc(),
    resumed: { found: resumed.with('found'), gone: resumed.with('gone') },
    stateless: meter
      .gauge('skein_mcp_http_stateless_open', 'Requests and subscriptions of clients without sessions; when it only grows, clients do not close their connections.')
      .with(),
    kept: meter
      .gauge('skein_mcp_http_kept_events_bytes', 'Events kept for clients whose stream broke, about; at most 1 MiB a session, and 64 MiB of larger answers. When it stays high, look at what large results clients stream.')
      .with(),
    slow: meter.counter('skein_mcp_slow_clients_total', 'Client connections closed because they did not read; such a client or its network is stuck.').with(),
    evicted: meter
      .counter('skein_mcp_sessions_evicted_total', 'Idle HTTP sessions ended to make room for new clients; when it grows, raise mcp.max_sessions.')
      .with()
  }
}
