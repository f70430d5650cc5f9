import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { randomHex } from '../../base/random.ts'
import { readBody } from './body.ts'
import { createExchange, type Exchange } from './exchange.ts'
import { accepts, correlationOf, hostProblem, isJson, originProblem, type HostRules } from './guards.ts'
import { createHttpSession, type HttpSession } from './http-session.ts'
import { readMessage } from './json-rpc.ts'
import { createMcpHttpMetrics } from './metrics.ts'
import type { McpHttpDeps, McpHttpOptions } from './ports.ts'
import type { JsonRpcRequest } from '../../wire/json-rpc.ts'
import { BAD_REQUEST, INVALID_REQUEST, PARSE_ERROR, refuse, SESSION_NOT_FOUND, skipBody, UNSUPPORTED_VERSION } from './replies.ts'
import { createSessionTable } from './session-table.ts'
import { createStdioSession, type StdioSession } from './stdio-session.ts'

export interface McpHttp {
  /** Serves one request on `/mcp` (`server` undefined) or `/mcp/<server>`, body not yet read. Never throws. */
  handle(req: IncomingMessage, res: ServerResponse, server: string | undefined): void
  /** Serves an MCP session over a byte stream, one JSON message a line. */
  attachStdio(socket: Duplex, server: string | undefined): void
  /** Whether there is such a view now. */
  serves(server: string | undefined): boolean
  /** Open sessions, both kinds. */
  sessions(): number
  /** Refuses new requests; resolves when the running ones are answered. */
  drain(): Promise<void>
  /** Ends every session and stream. */
  close(): void
}

const ALLOW = 'GET, POST, DELETE'

/**
 * The streamable HTTP edge for clients of 2025-11-25 and older, on bare node:http. A client that closes a POST early does
 * not cancel its request (the specification asks for notifications/cancelled): it runs on and its answer is discarded.
 */
export function createMcpHttp(deps: McpHttpDeps, options: McpHttpOptions = {}): McpHttp {
  const { clock, downstream, random } = deps
  const maxBody = options.maxBody ?? 4 * 1024 * 1024
  const rules: HostRules = { loopback: options.loopback ?? true, allowedHosts: options.allowedHosts ?? [], allowedOrigins: options.allowedOrigins ?? [] }
  const maxSessions = options.maxSessions ?? 256
  const logger = deps.logger.child({ area: 'mcp-http' })
  const metrics = createMcpHttpMetrics(deps.meter)
  const table = createSessionTable(
    { clock, onEvict: () => metrics.evicted.inc() },
    { maxSessions, idleTimeout: options.sessionIdleTimeout ?? 3_600_000 }
  )
  const stdio = new Set<StdioSession>()
  const onSlow = () => {
    metrics.slow.inc()
    logger.warn('closed a client that does not read what it is sent')
  }

  /** A failure of ours ends one request, never the process. */
  function guarded(res: ServerResponse, serve: () => void): void {
    try {
      serve()
    } catch (error) {
      logger.error('serving an MCP request failed', { error: String(error) })
      refuse(res, 500, { code: -32603, message: 'The node failed to serve this request; its log says why.' })
    }
  }

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

  function openSession(req: IncomingMessage, res: ServerResponse, view: string | undefined): HttpSession | undefined {
    if (req.headers['mcp-session-id'] !== undefined) {
      refuse(res, 400, { code: INVALID_REQUEST, message: 'initialize starts a new session: send it without Mcp-Session-Id.' })
    } else if (!downstream.serves(view)) {
      refuse(res, 404, { code: BAD_REQUEST, message: `No node offers a server named "${view}": see "skein tools ls" for what there is.` })
    } else if (!table.makeRoom()) {
      metrics.refused('sessions')
      refuse(res, 503, { code: BAD_REQUEST, message: `All ${maxSessions} sessions (mcp.max_sessions) are in use: try again in a while.` }, { 'retry-after': '5' })
    } else {
      return createHttpSession({ downstream, onSlow }, { id: randomHex(random, 16), view, now: clock.now() })
    }
    return undefined
  }

  function request(req: IncomingMessage, res: ServerResponse, view: string | undefined, message: JsonRpcRequest): void {
    const opening = message.method === 'initialize'
    const session = opening ? openSession(req, res, view) : sessionOf(req, res, view)
    if (session === undefined) return
    const headers: Record<string, string> = opening ? { 'mcp-session-id': session.id } : {}
    const exchange = createExchange(res, { accepts: accepts(req.headers.accept), headers, onSlow })
    if (opening) table.add(session)
    const answering: Exchange = !opening
      ? exchange
      : {
          ...exchange,
          answer(answer) {
            if (!('error' in answer)) return exchange.answer(answer)
            // A refused initialize leaves no session behind.
            delete headers['mcp-session-id']
            const sent = exchange.answer(answer)
            table.end(session, 'initialize was refused')
            return sent
          }
        }
    if (session.request(message, answering, correlationOf(req.headers['x-correlation-id']))) return
    refuse(res, 400, { code: INVALID_REQUEST, message: 'A request with this id is still running: use a new id for each request.' }, {}, message.id)
  }

  function received(req: IncomingMessage, res: ServerResponse, view: string | undefined, text: string): void {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      return refuse(res, 400, { code: PARSE_ERROR, message: 'The body is not JSON: send one JSON-RPC message.' })
    }
    const read = readMessage(value)
    if ('problem' in read) return refuse(res, 400, { code: INVALID_REQUEST, message: read.problem })
    const { message } = read
    if ('method' in message && 'id' in message) return request(req, res, view, message)
    const session = sessionOf(req, res, view)
    if (session === undefined) return
    session.receive(message)
    res.writeHead(202).end()
  }

  function post(req: IncomingMessage, res: ServerResponse, view: string | undefined): void {
    const accepted = accepts(req.headers.accept)
    if (!accepted.json && !accepted.sse) {
      skipBody(req)
      return refuse(res, 406, { code: BAD_REQUEST, message: 'The client must accept application/json and text/event-stream.' })
    }
    if (!isJson(req.headers['content-type'])) {
      skipBody(req)
      return refuse(res, 415, { code: BAD_REQUEST, message: 'The Content-Type must be application/json.' })
    }
    readBody(req, maxBody, (body) => {
      if (!('problem' in body)) return guarded(res, () => received(req, res, view, body.text))
      if (body.problem === 'gone') return
      metrics.refused('body')
      // The rest of the body is not worth reading: the connection ends with the answer.
      refuse(res, 413, { code: BAD_REQUEST, message: `The body is larger than ${maxBody} bytes (mcp.max_body_bytes).` }, { connection: 'close' })
    })
  }

  function get(req: IncomingMessage, res: ServerResponse, view: string | undefined): void {
    if (!accepts(req.headers.accept).sse) return refuse(res, 406, { code: BAD_REQUEST, message: 'The client must accept text/event-stream.' })
    const session = sessionOf(req, res, view)
    if (session === undefined) return
    if (session.streaming) return refuse(res, 409, { code: BAD_REQUEST, message: 'This session already has a stream: close that one first.' })
    session.stream(res)
  }

  function remove(req: IncomingMessage, res: ServerResponse, view: string | undefined): void {
    const session = sessionOf(req, res, view)
    if (session === undefined) return
    table.end(session, 'the client ended it')
    res.writeHead(204).end()
  }

  /** Checks that come before any method; false after a refusal. */
  function admitted(req: IncomingMessage, res: ServerResponse): boolean {
    const host = hostProblem(req.headers.host, rules)
    const problem = host ?? originProblem(req.headers.origin, rules)
    const version = req.headers['mcp-protocol-version']
    if (problem !== undefined) {
      metrics.refused(host === undefined ? 'origin' : 'host')
      refuse(res, 403, { code: BAD_REQUEST, message: problem })
    } else if (version !== undefined && !downstream.versions.includes(String(version))) {
      const data = { supported: downstream.versions, requested: String(version).slice(0, 64) }
      const message = 'This endpoint does not speak the revision in MCP-Protocol-Version: use one of data.supported.'
      refuse(res, 400, { code: UNSUPPORTED_VERSION, message, data })
    } else return true
    skipBody(req)
    return false
  }

  return {
    handle(req, res, server) {
      // Errors of a socket are its end, nothing more: without a listener they would be the process's.
      res.on('error', () => res.destroy())
      guarded(res, () => {
        if (!admitted(req, res)) return
        if (req.method === 'POST') return post(req, res, server)
        skipBody(req)
        if (req.method === 'GET') return get(req, res, server)
        if (req.method === 'DELETE') return remove(req, res, server)
        refuse(res, 405, { code: BAD_REQUEST, message: `Method not allowed: use ${ALLOW}.` }, { allow: ALLOW })
      })
    },
    attachStdio(socket, server) {
      const session = createStdioSession(socket, { downstream, onSlow, onEnd: () => stdio.delete(session) }, { view: server, maxLine: maxBody })
      stdio.add(session)
    },
    serves: (server) => downstream.serves(server),
    sessions: () => table.size + stdio.size,
    drain: () => downstream.drain(),
    close() {
      table.close('the node is stopping')
      for (const session of stdio) session.close('the node is stopping')
      downstream.close()
    }
  }
}
