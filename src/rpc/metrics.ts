import { LATENCY_BUCKETS, type Counter, type Gauge, type Histogram, type Meter } from '../base/meter.ts'

const REQUEST_STATUSES = ['ok', 'error', 'cancelled', 'deadline', 'undelivered', 'unknown'] as const
export type RequestStatus = (typeof REQUEST_STATUSES)[number]

export interface RpcMetrics {
  client: Record<RequestStatus, Counter>
  server: Record<RequestStatus, Counter>
  duration: Histogram
  inFlightClient: Gauge
  inFlightServer: Gauge
  sessions: Gauge
  bytesIn: Counter
  bytesOut: Counter
  queueBytes: Gauge
  bufferedBytes: Gauge
  framesIn: Counter
  protocolErrors: Counter
  sessionsReplaced: Counter
  refused: Counter
  stalls: Counter
}

/** Every child is looked up here, once: the hot path only adds. */
export function createRpcMetrics(meter: Meter): RpcMetrics {
  const requests = meter.counter(
    'skein_rpc_requests_total',
    'Requests between nodes that ended, by side and how. Many unknown: look for dying peers; many deadline: look at the slow tool or peer.',
    ['side', 'status']
  )
  const side = (name: string): Record<RequestStatus, Counter> => ({
    ok: requests.with(name, 'ok'),
    error: requests.with(name, 'error'),
    cancelled: requests.with(name, 'cancelled'),
    deadline: requests.with(name, 'deadline'),
    undelivered: requests.with(name, 'undelivered'),
    unknown: requests.with(name, 'unknown')
  })
  const inFlight = meter.gauge('skein_rpc_in_flight', 'Requests running now. Near the limit of 1024 a session: spread the load over more nodes.', ['side'])
  const bytes = meter.counter('skein_rpc_bytes_total', 'Bytes on session streams. Compare with the link when it is high.', ['direction'])
  return {
    client: side('client'),
    server: side('server'),
    duration: meter
      .histogram('skein_rpc_request_duration_seconds', 'From request to answer, as the asking node sees it. High: compare with the tool’s own time.', LATENCY_BUCKETS)
      .with(),
    inFlightClient: inFlight.with('client'),
    inFlightServer: inFlight.with('server'),
    sessions: meter.gauge('skein_rpc_sessions', 'Peers with a session. Lower than the connected peers: see the log for refused sessions.').with(),
    bytesIn: bytes.with('in'),
    bytesOut: bytes.with('out'),
    queueBytes: meter.gauge('skein_rpc_queue_bytes', 'Bytes waiting for slow peers. High: a peer or link is too slow for its load.').with(),
    bufferedBytes: meter.gauge('skein_rpc_buffered_bytes', 'Bodies being assembled or held back. High: many large bodies at once, or slow handlers.').with(),
    framesIn: meter.counter('skein_rpc_frames_total', 'Frames received. Many more than requests: chatty progress or large bodies.').with(),
    protocolErrors: meter.counter('skein_rpc_protocol_errors_total', 'Sessions closed because the peer broke a rule. Not zero: update the older node.').with(),
    sessionsReplaced: meter.counter('skein_rpc_sessions_replaced_total', 'Sessions that gave way to another of the same peer. Growing: a peer restarts or reconnects often.').with(),
    refused: meter.counter('skein_rpc_refused_total', 'Requests of peers refused as SKEIN_BUSY. Growing: this node is overloaded.').with(),
    stalls: meter.counter('skein_rpc_stalls_total', 'Sessions that gave no sign of life while requests waited. Growing: look for lost links and for peers that stand still.').with()
  }
}
