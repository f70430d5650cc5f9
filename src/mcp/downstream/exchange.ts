import { parseTraceparent, type TraceContext } from '../../wire/trace.ts'
import type { Json, JsonRpcRequest, Outcome } from '../../wire/json-rpc.ts'
import type { Era } from '../../wire/mcp-spec.ts'
import { MAX_NAMED } from './errors.ts'
import type { RequestStatus, Transport } from './metrics.ts'
import type { ClientLink, SessionDeps } from './ports.ts'

/** Characters of an error in the log: servers may send pages. */
const MAX_LOGGED = 1024

/** One request of a client and the way its answer goes. */
export interface Exchange {
  readonly request: JsonRpcRequest
  readonly view: string | undefined
  readonly link: ClientLink
  readonly transport: Transport
  readonly era: Era
  /** For the log; undefined: a client without sessions over HTTP. */
  readonly session: string | undefined
  readonly correlation: string
  /** By the clock, ms. */
  readonly started: number
}

type Deps = Pick<SessionDeps, 'clock' | 'logger' | 'metrics'>

/** Counts the request and writes its one log line. */
export function record(deps: Deps, exchange: Exchange, status: RequestStatus, error?: string): void {
  const { method, params } = exchange.request
  const duration = deps.clock.now() - exchange.started
  deps.metrics.request(method, exchange.transport, exchange.era, status, duration / 1000)
  const tool = method === 'tools/call' && typeof params?.['name'] === 'string' ? { tool: params['name'].slice(0, MAX_NAMED) } : {}
  const fields = {
    correlation: exchange.correlation,
    ...(exchange.session === undefined ? {} : { session: exchange.session }),
    method: method.slice(0, MAX_NAMED),
    ...tool,
    durationMs: Math.round(duration * 1000) / 1000,
    success: status === 'ok'
  }
  // A busy node answers thousands a second: only what went wrong is worth a line by default.
  if (status === 'ok') deps.logger.debug('request answered', fields)
  else deps.logger.info(status === 'cancelled' ? 'request cancelled' : 'request failed', error === undefined ? fields : { ...fields, error: error.slice(0, MAX_LOGGED) })
}

/** Answers the request. `refused`: it was wrong in itself (see ClientLink). */
export function answer(deps: Deps, exchange: Exchange, outcome: Outcome, refused = false): void {
  if ('error' in outcome) record(deps, exchange, 'error', outcome.error.message)
  else record(deps, exchange, 'ok')
  exchange.link.answer(exchange.request.id, outcome, refused)
}

/** `_meta.traceparent` (SEP-414), read here and left where it is. */
export function traceOf(params: Json): TraceContext | undefined {
  const traceparent = (params['_meta'] as Json | null | undefined)?.['traceparent']
  return typeof traceparent === 'string' ? parseTraceparent(traceparent) : undefined
}
