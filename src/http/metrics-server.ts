import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { errorMessage } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import { closeServer, listenOn, localUrl } from './listen.ts'
import { sendJson } from './respond.ts'

/** A scraper sends one small request every few seconds; whoever is slower than this is not one. */
const TIMEOUT = 10_000
/** A handful of scrapers; the port has no login. */
const MAX_CONNECTIONS = 32

export interface MetricsServerDeps {
  metrics: { metricsText(): Promise<string>; contentType: string }
  logger: Logger
}

export interface MetricsServerOptions {
  host: string
  /** 0 takes any free port. */
  port: number
  /** @default false */
  fallbackToFree?: boolean
}

export interface MetricsServer {
  /** `url` includes the path. @throws SKEIN_PORT_IN_USE, SKEIN_CONFIG */
  start(): Promise<{ url: string; port: number }>
  stop(): Promise<void>
}

/** `/metrics` on a port of its own, so that it can be open to the scraper while the MCP port is not. */
export function createMetricsServer(deps: MetricsServerDeps, options: MetricsServerOptions): MetricsServer {
  async function scrape(res: ServerResponse): Promise<void> {
    try {
      const text = await deps.metrics.metricsText()
      res.writeHead(200, { 'content-type': deps.metrics.contentType, 'content-length': Buffer.byteLength(text) }).end(text)
    } catch (error) {
      deps.logger.error('rendering the metrics failed', { error: errorMessage(error) })
      sendJson(res, 500, { error: { code: 'SKEIN_INTERNAL', message: 'The metrics could not be rendered; the log of the node says why.' } })
    }
  }

  function handle(req: IncomingMessage, res: ServerResponse): void {
    req.resume()
    const path = (req.url ?? '/').split('?', 1)[0]
    if (path !== '/metrics') return sendJson(res, 404, { error: { code: 'SKEIN_NOT_FOUND', message: 'Metrics are at /metrics.' } })
    if (req.method !== 'GET') return sendJson(res, 405, { error: { code: 'SKEIN_BAD_REQUEST', message: '/metrics answers GET only.' } }, { allow: 'GET' })
    void scrape(res)
  }

  const http = createServer({ headersTimeout: TIMEOUT, requestTimeout: TIMEOUT }, handle)
  http.maxConnections = MAX_CONNECTIONS

  return {
    async start() {
      const port = await listenOn(http, { ...options, portKey: 'monitoring.metrics_port', hostKey: 'monitoring.metrics_host' }, deps.logger)
      return { url: `${localUrl(options.host, port)}/metrics`, port }
    },
    async stop() {
      if (http.listening) await closeServer(http, { now: true })
    }
  }
}
