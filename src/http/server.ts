import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Server as NetServer } from 'node:net'
import { errorMessage } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { Meter } from '../base/meter.ts'
import type { NodeApi } from '../node/api.ts'
import { isApiPath, type HttpApi } from './api/create-api.ts'
import { methodsOf } from './api/routes.ts'
import { closeServer, listenOn, localUrl } from './listen.ts'
import { createHttpMetrics } from './metrics.ts'
import { answerProbe, isProbe } from './probes.ts'
import { sendJson } from './respond.ts'

/** A client that has not sent its headers by then is broken or an attack (slow loris). */
const HEADERS_TIMEOUT = 10_000
/** To receive one whole request: 4 MiB at the slow end of mobile uplinks. Answers, and so SSE streams, have no limit. */
const REQUEST_TIMEOUT = 60_000
/** Longer than the 60 s of common proxies, so that the proxy closes first and never sends into a closing connection. */
const KEEP_ALIVE_TIMEOUT = 65_000
/** Node's default, written down: clients send a few hundred bytes, cookies of other sites on localhost a few KiB. */
const MAX_HEADER_BYTES = 16 * 1024
/** 256 MCP sessions with a stream and some calls in flight each; each connection costs about 20 KiB. */
const MAX_CONNECTIONS = 2048

/** Between two looks at the answers that have not left, ms: short beside the rest of a stop. */
const FINISH_EVERY = 5

export interface HttpEdgeDeps {
  api: Pick<NodeApi, 'health'>
  /** The MCP endpoint: takes the raw request, body unread. `view` is undefined at `/mcp`. */
  mcpHttp: { handle(req: IncomingMessage, res: ServerResponse, view: string | undefined): void }
  httpApi: HttpApi
  logger: Logger
  meter: Meter
}

export interface HttpEdgeOptions {
  host: string
  /** 0 takes any free port. */
  port: number
  /** Move to any free port when this one is busy: for a first start with defaults only. @default false */
  fallbackToFree?: boolean
}

export interface HttpEdge {
  /** @throws SKEIN_PORT_IN_USE, SKEIN_CONFIG */
  start(): Promise<{ url: string; mcpUrl: string; port: number }>
  /** No new connections; requests at work go on. */
  stopAccepting(): void
  /** After `stopAccepting`: resolves when every answer has left, or after `within` ms. */
  finish(within: number): Promise<void>
  /** Also ends the connections at work. */
  stop(): Promise<void>
}

/** The view of a path: a server for `/mcp/<server>`, `@<name>` for `/mcp/@<name>`, undefined for `/mcp`; null when the path is no MCP endpoint. */
export function viewOf(path: string): string | undefined | null {
  if (path === '/mcp' || path === '/mcp/') return undefined
  if (!path.startsWith('/mcp/')) return null
  try {
    const name = decodeURIComponent(path.slice('/mcp/'.length))
    // `/mcp/@` names nothing.
    return name === '@' || name.includes('/') ? null : name
  } catch {
    return null
  }
}

/**
 * The HTTP port of a node: MCP at `/mcp`, `/mcp/<server>` and `/mcp/@<view>`, probes at `/health`, `/ready`, `/startup`, questions and orders of
 * programs under `/api` and `/admin`. A plain node:http listener: a handful of paths need no framework, and a framework here cost 60 to 100 ms of every start.
 */
export function createHttpEdge(deps: HttpEdgeDeps, options: HttpEdgeOptions): HttpEdge {
  const metrics = createHttpMetrics(deps.meter)

  function handle(req: IncomingMessage, res: ServerResponse): void {
    const url = req.url ?? '/'
    const query = url.indexOf('?')
    const path = query === -1 ? url : url.slice(0, query)
    const view = viewOf(path)
    if (view !== null) return deps.mcpHttp.handle(req, res, view)
    if (isProbe(path)) {
      answerProbe(path, deps.api, req, res)
      metrics.request(path.slice(1) as 'health', res.statusCode).inc()
      return
    }
    if (isApiPath(path)) {
      const route = methodsOf(path) === undefined ? 'api' : (path.slice(1) as 'api/status')
      // Answers may take a while; those that nobody waits for any more count too.
      res.once('close', () => metrics.request(route, res.statusCode).inc())
      return deps.httpApi.handle(req, res, path)
    }
    metrics.request('other', 404).inc()
    sendJson(res, 404, { error: { code: 'SKEIN_NOT_FOUND', message: 'There is nothing here. MCP is at /mcp, the API under /api and /admin, probes at /health, /ready and /startup.' } })
  }

  /** Those that have not left yet. */
  const answers = new Set<ServerResponse>()
  const http = createServer(
    { headersTimeout: HEADERS_TIMEOUT, requestTimeout: REQUEST_TIMEOUT, keepAliveTimeout: KEEP_ALIVE_TIMEOUT, maxHeaderSize: MAX_HEADER_BYTES },
    (req, res) => {
      answers.add(res)
      res.once('close', () => answers.delete(res))
      try {
        handle(req, res)
      } catch (error) {
        deps.logger.error('an HTTP request failed', { error: errorMessage(error), path: req.url })
        if (!res.headersSent) sendJson(res, 500, { error: { code: 'SKEIN_INTERNAL', message: 'The node could not answer; its log says why.' } })
        else res.destroy()
      }
    }
  )
  http.maxConnections = MAX_CONNECTIONS
  let connections = 0
  http.on('connection', (socket) => {
    connections++
    socket.once('close', () => connections--)
  })
  deps.meter.onCollect(() => metrics.connections.set(connections))
  let closed: Promise<void> | undefined

  return {
    async start() {
      const port = await listenOn(http, { ...options, portKey: 'network.http_port', hostKey: 'network.http_host' }, deps.logger)
      const url = localUrl(options.host, port)
      return { url, mcpUrl: `${url}/mcp`, port }
    },
    stopAccepting() {
      // Only the listener: closing the HTTP server takes an answer for sent that the client has not read yet.
      if (http.listening) closed ??= new Promise((resolve) => NetServer.prototype.close.call(http, () => resolve()))
    },
    async finish(within) {
      const until = performance.now() + within
      while (answers.size > 0 && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, FINISH_EVERY))
    },
    async stop() {
      if (http.listening) closed ??= closeServer(http, { now: true })
      else http.close()
      http.closeAllConnections()
      await closed
    }
  }
}
