import type { Counter, Meter } from '../../base/meter.ts'

export interface McpHttpMetrics {
  refused(reason: 'host' | 'origin' | 'sessions' | 'body'): void
  slow: Counter
  evicted: Counter
}

export function createMcpHttpMetrics(meter: Meter): McpHttpMetrics {
  const refused = meter.counter(
    'skein_mcp_http_refused_total',
    'HTTP requests refused before MCP: host and origin, see security.allowed_hosts and allowed_origins; sessions, mcp.max_sessions; body, mcp.max_body_bytes.',
    ['reason']
  )
  const reasons = { host: refused.with('host'), origin: refused.with('origin'), sessions: refused.with('sessions'), body: refused.with('body') }
  return {
    refused: (reason) => reasons[reason].inc(),
    slow: meter.counter('skein_mcp_slow_clients_total', 'Client connections closed because they did not read; such a client or its network is stuck.').with(),
    evicted: meter
      .counter('skein_mcp_sessions_evicted_total', 'Idle HTTP sessions ended to make room for new clients; when it grows, raise mcp.max_sessions.')
      .with()
  }
}
