import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../../../base/clock.ts'
import { randomHex, type Random } from '../../../base/random.ts'
import type { JsonRpcMessage, JsonRpcRequest } from '../../../wire/json-rpc.ts'
import { INVALID_REQUEST } from '../../../wire/mcp-spec.ts'
import { accepts, correlationOf } from '../guards.ts'
import type { McpHttpMetrics } from '../metrics.ts'
import type { Sessions } from '../ports.ts'
import { BAD_REQUEST, refuse, refuseDraining, SESSION_NOT_FOUND, viewMissing } from '../replies.ts'
import { createStreamWriter, isPrimed } from './client-stream.ts'
import { createHttpSession, type HttpSession } from './http-session.ts'
import { createSessionTable } from './session-table.ts'

/** Streamable HTTP of 2025-03-26 to 2025-11-25: sessions, a stream per request, one for the session, streams that can be resumed. */
export interface SessionEndpoint {
  /** A POSTed message whose `MCP-Protocol-Version` is this. */
  post(req: IncomingMessage, res: ServerResponse, view: string | undefined, message: JsonRpcMessage, version: string | undefined): void
  get(req: IncomingMessage, res: ServerResponse, view: string | undefined): void
  remove(req: IncomingMessage, res: ServerResponse, view: string | undefined): void
  /** Sessions. */
  readonly size: number
  /** Characters kept for clients that come back. */
  kept(): number
  close(reason: string): void
}

export interface SessionEndpointDeps {
  downstream: Sessions
  clock: Clock
  random: Random
  metrics: McpHttpMetrics
  onSlow: () => void
}

export function createSessionEndpoint(deps: SessionEndpointDeps, options: { maxSessions: number; idleTimeout: number }): SessionEndpoint {
  const { clock, downstream, metrics } = deps
  const { maxSessions } = options
  const table = createSessionTable({ clock, onEvict: () => metrics.evicted.inc() }, options)
  // A refused initialize leaves no session behind.
  const onRefused = (session: HttpSession) => table.end(session, 'initialize was refused')
  const sessionDeps = { downstream, clock, streams: createStreamWriter(deps), kept: () => table.kept(), onRefused }

  /** The session a request names, or undefined after it was refused. */
  function sessionOf(req: IncomingMessage, res: ServerResponse, view: string | undefined): HttpSession | undefined {
    const id = req.headers['mcp-session-id']
    if (typeof id !== 'string') {
      refuse(res, 400, { code: BAD_REQUEST, message: 'The header Mcp-Session-Id is missing: send initialize first and repeat the id it returns.' })
      return undefined
    }
    const session = table.get(id)
    if (session === undefined || session.view !== view) {
      refuse(res, 404, { code: SESSION_NOT_FOUND, message: 'There is no such session, or it has expired: start a new one with initialize.' })
      return undefined
    }
    session.used = clock.now()
    return session
  }

  function openSession(req: IncomingMessage, res: ServerResponse, view: string | undefined, { id }: JsonRpcRequest): HttpSession | undefined {
    if (req.headers['mcp-session-id'] !== undefined) {
      refuse(res, 400, { code: INVALID_REQUEST, message: 'initialize starts a new session: send it without Mcp-Session-Id.' })
    } else if (downstream.draining) {
      // A session that begins now would end with its first call.
      metrics.refused('draining')
      refuseDraining(res, id)
    } else if (!downstream.serves(view)) {
      refuse(res, 404, viewMissing(view))
    } else if (!table.makeRoom()) {
      metrics.refused('sessions')
      refuse(res, 503, { code: BAD_REQUEST, message: `All ${maxSessions} sessions (mcp.max_sessions) are in use: try again in a while.` }, { 'retry-after': '5' })
    } else {
      const session = createHttpSession(sessionDeps, { id: randomHex(deps.random, 16), view })
      table.add(session)
      return session
    }
    return undefined
  }

  function request(req: IncomingMessage, res: ServerResponse, view: string | undefined, message: JsonRpcRequest, version: string | undefined): void {
    const session = message.method === 'initialize' ? openSession(req, res, view, message) : sessionOf(req, res, view)
    if (session === undefined) return
    const correlation = correlationOf(req.headers['x-correlation-id'])
    if (session.request(message, res, { accepts: accepts(req.headers.accept), primed: isPrimed(version), correlation })) return
    refuse(res, 400, { code: INVALID_REQUEST, message: 'A request with this id is still running: use a new id for each request.' }, undefined, message.id)
  }

  return {
    post(req, res, view, message, version) {
      if ('method' in message && 'id' in message) return request(req, res, view, message, version)
      const session = sessionOf(req, res, view)
      if (session === undefined) return
      session.receive(message)
      res.writeHead(202).end()
    },
    get(req, res, view) {
      if (!accepts(req.headers.accept).sse) return refuse(res, 406, { code: BAD_REQUEST, message: 'The client must accept text/event-stream.' })
      const session = sessionOf(req, res, view)
      if (session === undefined) return
      const last = req.headers['last-event-id']
      if (typeof last === 'string' && last !== '') {
        if (session.resume(res, last)) return metrics.resumed.found.inc()
        metrics.resumed.gone.inc()
        const message = 'Nothing is left of the stream in Last-Event-ID: open a new one without that header, and repeat what was not answered.'
        return refuse(res, 400, { code: BAD_REQUEST, message })
      }
      if (session.streaming) return refuse(res, 409, { code: BAD_REQUEST, message: 'This session already has a stream: close that one first.' })
      session.stream(res)
    },
    remove(req, res, view) {
      const session = sessionOf(req, res, view)
      if (session === undefined) return
      table.end(session, 'the client ended it')
      res.writeHead(204).end()
    },
    get size() {
      return table.size
    },
    kept: () => table.kept(),
    close: (reason) => table.close(reason)
  }
}
