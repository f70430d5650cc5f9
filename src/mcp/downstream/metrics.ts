import { LATENCY_BUCKETS, type Counter, type Gauge, type Histogram, type Meter } from '../../base/meter.ts'
import type { Era } from '../../wire/mcp-spec.ts'

export type Transport = 'http' | 'stdio'
export type RequestStatus = 'ok' | 'error' | 'cancelled'

/** Label values of `method`; whatever else a client sends counts as `other`, or clients could grow the set. */
const METHODS = new Set([
  'initialize',
  'ping',
  'server/discover',
  'subscriptions/listen',
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
  request(method: string, transport: Transport, era: Era, status: RequestStatus, seconds: number): void
  sessions: Record<Transport, Gauge>
  running: Gauge
  listening: Gauge
  questions: Counter
  refused: Counter
}

export function createDownstreamMetrics(meter: Meter): DownstreamMetrics {
  const requests = meter.counter(
    'mcp_requests_total',
    'Requests of MCP clients by outcome; many errors: see the log lines with success=false, they name the server. Era 2025: clients with sessions, 2026: without.',
    ['method', 'status', 'transport', 'era']
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
  const known: Record<Transport, Record<Era, Map<string, MethodMetrics>>> = {
    http: { '2025': new Map(), '2026': new Map() },
    stdio: { '2025': new Map(), '2026': new Map() }
  }

  function of(method: string, transport: Transport, era: Era): MethodMetrics {
    const label = METHODS.has(method) ? method : 'other'
    const found = known[transport][era].get(label)
    if (found !== undefined) return found
    const made = {
      ok: requests.with(label, 'ok', transport, era),
      error: requests.with(label, 'error', transport, era),
      cancelled: requests.with(label, 'cancelled', transport, era),
      duration: durations.with(label, transport)
    }
    known[transport][era].set(label, made)
    return made
  }

  return {
    request(method, transport, era, status, seconds) {
      const metrics = of(method, transport, era)
      metrics[status].inc()
      metrics.duration.observe(seconds)
    },
    sessions: { http: sessions.with('http'), stdio: sessions.with('stdio') },
    running: meter.gauge('skein_mcp_calls_running', 'Client requests waiting for a server; when it only grows, a server does not answer.').with(),
    listening: meter.gauge('skein_mcp_listening', 'Open subscriptions/listen streams of clients; at 1024 no more are accepted: look for a client that opens them and does not stop.').with(),
    questions: meter
      .counter('skein_mcp_questions_total', 'Questions of servers (sampling, elicitation, roots) put to clients with sessions; many for few calls: a server asks in a loop.')
      .with(),
    refused: meter
      .counter('skein_mcp_calls_refused_total', 'Requests refused because a client had too many at once or the node was stopping; the client should send fewer.')
      .with()
  }
}
