import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { isTooDeep } from '../../base/json-depth.ts'
import type { JsonRpcMessage } from '../../wire/json-rpc.ts'
import { INTERNAL_ERROR, INVALID_REQUEST, PARSE_ERROR, UNSUPPORTED_VERSION } from '../../wire/mcp-spec.ts'
import { readBody } from './body.ts'
import { eraOfHeader, eraOfMessage } from './era.ts'
import { accepts, hostProblem, isJson, originProblem, type HostRules } from './guards.ts'
import { readMessage, TOO_DEEP } from './json-rpc.ts'
import { createMcpHttpMetrics } from './metrics.ts'
import type { McpHttpDeps, McpHttpOptions } from './ports.ts'
import { BAD_REQUEST, refuse, skipBody } from './replies.ts'
import { createSessionEndpoint } from './rev2025/endpoint.ts'
import { createStatelessEndpoint } from './rev2026/endpoint.ts'
import { closeIfUnread } from './sse.ts'
import { createStdioSession, type StdioSession } from './stdio-session.ts'

export interface McpHttp {
  /** Serves one request on `/mcp` (`view` undefined) or `/mcp/<view>`, body not yet read. Never throws. */
  handle(req: IncomingMessage, res: ServerResponse, view: string | undefined): void
  /** Serves an MCP session over a byte stream, one JSON message a line. */
  attachStdio(socket: Duplex, view: string | undefined): void
  /** Whether there is such a view now. */
  serves(view: string | undefined): boolean
  /** It serves nothing new, now or for good. */
  readonly stopping: boolean
  /** Open sessions, both kinds. */
  sessions(): number
  /** Refuses new requests; resolves when the running ones are answered. */
  drain(): Promise<void>
  /** Ends every session and stream. */
  close(): void
}

const ALLOW = 'GET, POST, DELETE'
const ALLOW_STATELESS = 'POST'

/**
 * The streamable HTTP edge on bare node:http, for clients of both eras. A client with a session that closes a POST early does not
 * cancel its request (the specification asks for notifications/cancelled); a stateless one does.
 */
export function createMcpHttp(deps: McpHttpDeps, options: McpHttpOptions = {}): McpHttp {
  const { downstream } = deps
  const maxBody = options.maxBody ?? 4 * 1024 * 1024
  const rules: HostRules = { loopback: options.loopback ?? true, allowedHosts: options.allowedHosts ?? [], allowedOrigins: options.allowedOrigins ?? [] }
  const logger = deps.logger.child({ area: 'mcp-http' })
  const metrics = createMcpHttpMetrics(deps.meter)
  const onSlow = () => {
    metrics.slow.inc()
    logger.warn('closed a client that does not read what it is sent')
  }
  const sessions = createSessionEndpoint({ ...deps, metrics, onSlow }, { maxSessions: options.maxSessions ?? 256, idleTimeout: options.sessionIdleTimeout ?? 3_600_000 })
  const stateless = createStatelessEndpoint({ ...deps, metrics, onSlow })
  const stdio = new Set<StdioSession>()
  let stopping = false
  deps.meter.onCollect(() => {
    metrics.kept.set(sessions.kept())
    metrics.stateless.set(stateless.open)
  })

  /** A failure of ours ends one request, never the process. */
  function guarded(res: ServerResponse, serve: () => void): void {
    try {
      serve()
    } catch (error) {
      logger.error('serving an MCP request failed', { error: String(error) })
      refuse(res, 500, { code: INTERNAL_ERROR, message: 'The node failed to serve this request; its log says why.' })
    }
  }

  /** The revision that a request names; a header that came twice is none of ours. */
  function versionOf(req: IncomingMessage): string | undefined {
    const version = req.headers['mcp-protocol-version']
    return version === undefined ? undefined : String(version).trim()
  }

  function refuseVersion(req: IncomingMessage, res: ServerResponse, message?: JsonRpcMessage): void {
    const data = { supported: [...downstream.statelessVersions, ...downstream.versions], requested: versionOf(req)?.slice(0, 64) }
    const id = message !== undefined && 'method' in message && 'id' in message ? message.id : null
    const text = 'This endpoint does not speak the revision in MCP-Protocol-Version: use one of data.supported.'
    refuse(res, 400, { code: UNSUPPORTED_VERSION, message: text, data }, undefined, id)
  }

  function received(req: IncomingMessage, res: ServerResponse, view: string | undefined, text: string): void {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      return refuse(res, 400, { code: PARSE_ERROR, message: 'The body is not JSON: send one JSON-RPC message.' })
    }
    const read = isTooDeep(text) ? TOO_DEEP : readMessage(value)
    if ('problem' in read) return refuse(res, 400, { code: INVALID_REQUEST, message: read.problem })
    const { message } = read
    const version = versionOf(req)
    const header = eraOfHeader(version, downstream)
    const era = 'method' in message ? eraOfMessage(message, header) : header
    if (era === 'stateless') stateless.post(req, res, view, message)
    else if (era === 'sessions') sessions.post(req, res, view, message, version)
    else refuseVersion(req, res, message)
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
      // A connection that ends while the client still writes is an error to it before it has read why: the rest passes by unread.
      skipBody(req)
      refuse(res, 413, { code: BAD_REQUEST, message: `The body is larger than ${maxBody} bytes (mcp.max_body_bytes).` })
    })
  }

  /** Whether Host and Origin are allowed; false after a refusal. */
  function admitted(req: IncomingMessage, res: ServerResponse): boolean {
    const host = hostProblem(req.headers.host, rules)
    const problem = host ?? originProblem(req.headers.origin, rules)
    if (problem === undefined) return true
    metrics.refused(host === undefined ? 'origin' : 'host')
    skipBody(req)
    refuse(res, 403, { code: BAD_REQUEST, message: problem })
    return false
  }

  return {
    handle(req, res, view) {
      // Errors of a socket are its end, nothing more: without a listener they would be the process's.
      res.on('error', () => res.destroy())
      res.on('prefinish', () => closeIfUnread(res, onSlow))
      guarded(res, () => {
        if (!admitted(req, res)) return
        if (req.method === 'POST') return post(req, res, view)
        skipBody(req)
        const era = eraOfHeader(versionOf(req), downstream)
        const allow = era === 'stateless' ? ALLOW_STATELESS : ALLOW
        if (era === 'unknown') return refuseVersion(req, res)
        if (req.method === 'GET' && era === 'sessions') return sessions.get(req, res, view)
        if (req.method === 'DELETE' && era === 'sessions') return sessions.remove(req, res, view)
        refuse(res, 405, { code: BAD_REQUEST, message: `Method not allowed: use ${allow}.` }, { allow })
      })
    },
    attachStdio(socket, view) {
      const session = createStdioSession(socket, { downstream, onSlow, onEnd: () => stdio.delete(session) }, { view, maxLine: maxBody })
      stdio.add(session)
    },
    serves: (view) => downstream.serves(view),
    get stopping() {
      return stopping || downstream.draining
    },
    sessions: () => sessions.size + stdio.size,
    drain() {
      stopping = true
      return downstream.drain()
    },
    close() {
      stopping = true
      // Over HTTP what still runs is answered, so its streams are ended after that; on stdio the end of the connection says it.
      for (const session of stdio) session.close('the node is stopping')
      downstream.close()
      sessions.close('the node is stopping')
      stateless.close()
    }
  }
}
