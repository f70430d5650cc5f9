import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { errorMessage, isSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { DrainOptions, NodeApi } from '../../node/api.ts'
import { toControlError } from '../../wire/control.ts'
import { closeServer } from '../listen.ts'
import { sendJson, statusOf } from '../respond.ts'
import { viewOf } from '../server.ts'
import { readFields } from './body.ts'
import { listenOnSocket } from './listen.ts'
import { answerControl, drainOptions } from './routes.ts'
import { controlSocketPath, removeSocketPlace } from './socket-path.ts'

/** Each `skein mcp` holds one connection: the 256 sessions of the MCP port, and as many commands beside them. */
const MAX_CONNECTIONS = 512
/** The other end is a program on this machine. */
const HEADERS_TIMEOUT = 10_000

export interface ControlServerDeps {
  /** Asked at each request: the socket stands before the node does, to keep a second one off the same data. May throw SKEIN_BUSY. */
  api(): NodeApi
  /** Ends the whole process gracefully; works from the first moment on. */
  stop(options?: DrainOptions): Promise<void>
  logger: Logger
  /** Takes over a connection that asked for `Upgrade: skein-mcp` at `/mcp` or `/mcp/<server>`. */
  acceptMcp: (req: IncomingMessage, socket: Duplex, head: Buffer) => void
}

export interface ControlServer {
  /** @throws SKEIN_ALREADY_RUNNING when a live node has this data directory */
  start(): Promise<{ socketPath: string }>
  stop(): Promise<void>
}

/** The control socket: HTTP/1.1 on a unix socket of mode 0600, whoever may open it may do everything. */
export function createControlServer(deps: ControlServerDeps, options: { dataDir: string }): ControlServer {
  const { logger } = deps

  function stopNode(res: ServerResponse, drain: DrainOptions): void {
    // Answered first: stopping the node ends this very connection.
    res.once('close', () => {
      deps.stop(drain).catch((error: unknown) => logger.error('stopping the node failed', { error: errorMessage(error) }))
    })
    sendJson(res, 202, { stopping: true, pid: process.pid }, { connection: 'close' })
  }

  async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    try {
      if (req.method === 'POST' && req.url === '/stop') {
        return stopNode(res, drainOptions(await readFields(req)))
      }
      await answerControl(deps.api(), req, res, (body) => sendJson(res, 200, body))
    } catch (error) {
      if (!isSkeinError(error)) logger.error('a control request failed', { error: errorMessage(error), path: req.url })
      if (res.headersSent || res.destroyed) return void res.destroy()
      // Closed, because the rest of an oversized body is not worth reading.
      sendJson(res, isSkeinError(error) ? statusOf(error.code) : 500, { error: toControlError(error) }, { connection: 'close' })
    }
  }

  const upgraded = new Set<Duplex>()
  const http = createServer({ headersTimeout: HEADERS_TIMEOUT, requestTimeout: HEADERS_TIMEOUT }, (req, res) => void handle(req, res))
  http.maxConnections = MAX_CONNECTIONS
  http.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    const isMcp = req.headers.upgrade?.toLowerCase() === 'skein-mcp' && viewOf(req.url ?? '/') !== null
    if (!isMcp) return void socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
    upgraded.add(socket)
    socket.once('close', () => upgraded.delete(socket))
    deps.acceptMcp(req, socket, head)
  })

  let path: string | undefined

  return {
    async start() {
      path = await controlSocketPath(options.dataDir)
      await listenOnSocket(http, path, options.dataDir)
      return { socketPath: path }
    },
    async stop() {
      if (!http.listening) return
      for (const socket of upgraded) socket.destroy()
      // Closing removes the socket file.
      await closeServer(http, { now: true })
      if (path !== undefined) await removeSocketPlace(path, options.dataDir)
    }
  }
}
