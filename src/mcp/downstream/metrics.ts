import { LATENCY_BUCKETS, type Counter, type Gauge, type Histogram, type Meter } from '../../base/meter.ts'

export type Transport = 'http' | 'stdio'
export type RequestStatus = 'ok' | 'error' | 'cancelled'

/** Label values of `method`; whatever else a client sends counts as `other`, or clients could grow the set. */
const METHODS = new Set([
  'initialize',
  'ping',
  'tools/list',
  'tools/call',
  'resources/list',
  'resources/read',
  'resources/templates/list',
  'resources/subscribe',
  'resources/unsubscribe',
  'prompts/list',
  'prompts/get',
  'completion/complete',
  'logging/setLevel'
])

interface MethodMetrics {
  ok: Counter
  error: Counter
  cancelled: Counter
  duration: Histogram
}

export interface DownstreamMetrics {
  request(method: string, transport: Transport, status: RequestStatus, seconds: number): void
  sessions: Record<Transport, Gauge>
  running: Gauge
  refused: Counter
}

export function createDownstreamMetrics(meter: Meter): DownstreamMetrics {
  const requests = meter.counter(
    'mcp_requests_total',
    'Requests of MCP clients by outcome; many errors: see the log lines with success=false, they name the server.',
    ['method', 'status', 'transport']
  )
  const durations = meter.histogram(
    'mcp_request_duration_seconds',
    'Time from a client request to its answer; when high, compare skein_rpc_* and the upstream metrics to see which part is slow.',
    LATENCY_BUCKETS,
    ['method', 'transport']
  )
  const sessions = meter.gauge('skein_mcp_sessions', 'Open MCP client sessions; near mcp.max_sessions new clients push out idle ones or are refused.', [
    'transport'
  ])
  // Label sets are looked up once per method: this is the hot path.
  const known: Record<Transport, Map<string, MethodMetrics>> = { http: new Map(), stdio: new Map() }

  function of(method: string, transport: Transport): MethodMetrics {
    const label = METHODS.has(method) ? method : 'other'
    const found = known[transport].get(label)
    if (found !== undefined) return found
    const made = {
      ok: requests.with(label, 'ok', transport),
      error: requests.with(label, 'error', transport),
      cancelled: requests.with(label, 'cancelled', transport),
      duration: durations.with(label, transport)
    }
    known[transport].set(label, made)
    return made
  }

  return {
    request(method, transport, status, seconds) {
      const metrics = of(method, transport)
      metrics[status].inc()
      metrics.duration.observe(seconds)
    },
    sessions: { http: sessions.with('http'), stdio: sessions.with('stdio') },
    running: meter.gauge('skein_mcp_calls_running', 'Client requests waiting for a server; when it only grows, a server does not answer.').with(),
    refused: meter
      .counter('skein_mcp_calls_refused_total', 'Requests refused because a session had too many at once or the node was stopping; the client should send fewer.')
      .with()
  }
}
