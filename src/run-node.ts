import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from './base/clock.ts'
import { createLifecycle } from './base/lifecycle.ts'
import { SkeinError, errorMessage } from './base/errors.ts'
import { silentLogger, type Logger } from './base/logger.ts'
import { systemRandom } from './base/random.ts'
import { liveDiff } from './config/diff.ts'
import { loadConfig } from './config/load.ts'
import type { Flags } from './config/overlay.ts'
import type { LoadedConfig } from './config/types.ts'
import type { ImportInput, StartFlags, StartedNode, JoinSummary } from './cli/context.ts'
import { createHttpApi } from './http/api/create-api.ts'
import { removeRunFile, writeRunFile } from './http/control/run-file.ts'
import { createControlServer } from './http/control/server.ts'
import { createMetricsServer } from './http/metrics-server.ts'
import { createMcpHttp } from './http/mcp/create-mcp-http.ts'
import { acceptMcpUpgrade } from './http/mcp/upgrade.ts'
import { createHttpEdge } from './http/server.ts'
import { createNode } from './node/create-node.ts'
import type { DrainOptions, NodeApi } from './node/api.ts'
import { alreadyJoined } from './security/admission.ts'
import { verifyToken } from './security/token.ts'
import { API_TOKEN_FILE, loadApiToken } from './store/api-token.ts'
import { openStore, STORE_FILE } from './store/store.ts'
import { readPrivateFile, writePrivateFile } from './store/private-file.ts'
import { createTelemetry } from './telemetry/create-telemetry.ts'
import { libp2pMetrics } from './telemetry/libp2p-metrics.ts'
import { VERSION } from './version.ts'

/** Where `skein join` leaves the token for the next start. */
const JOIN_TOKEN_FILE = 'join.token'

/** What clients that read slowly get for the rest of their answers, ms; a shutdown that takes longer is one that orchestrators end by force. */
const LAST_ANSWERS = 1_000

const tokenPath = (dataDir: string) => join(dataDir, JOIN_TOKEN_FILE)

/** `skein join`: checks the token here and now, and keeps it for the start that redeems it. */
export async function joinFederation(dataDir: string, token: string): Promise<JoinSummary> {
  const { federation, name, expires } = verifyToken(token, systemClock.wall())
  const present = federationIn(dataDir)
  if (present !== undefined && present.id !== federation) throw alreadyJoined(present)
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  writePrivateFile(tokenPath(dataDir), Buffer.from(`${token.replaceAll(/\s+/g, '')}\n`))
  return { federation: name, expires }
}

/** The federation that the data of an earlier start belongs to; a node may be running on it right now. */
function federationIn(dataDir: string): { id: string; name: string } | undefined {
  if (!existsSync(join(dataDir, STORE_FILE))) return undefined
  const store = openStore(dataDir, { logger: silentLogger })
  try {
    return store.federation.load()
  } finally {
    store.close()
  }
}

export interface StartOptions {
  /** Gives up the start: it rejects with SKEIN_CANCELLED when everything is stopped again. */
  signal?: AbortSignal
  /** @default process.env */
  env?: Record<string, string | undefined>
  /** @default process.cwd() */
  cwd?: string
}

/**
 * Runs a node with everything a person or a program reaches it by. Resolves when it is ready; rejects with SKEIN_CANCELLED when it
 * was told to stop before.
 */
export async function startNode(flags: StartFlags, { signal, env = process.env, cwd = process.cwd() }: StartOptions = {}): Promise<StartedNode> {
  const load = (): LoadedConfig => {
    const { config, fallbackDataDir, ...rest } = flags
    const found = loadConfig({ ...(config === undefined ? {} : { file: config }), env, cwd, flags: rest as Flags })
    // Nobody said where the data is: the folder that the other commands look in too.
    if (found.sources.has('node.data_dir')) return found
    return { ...found, config: { ...found.config, node: { ...found.config.node, dataDir: fallbackDataDir } } }
  }
  let current = load()
  const { config, sources } = current
  const { dataDir } = config.node
  const telemetry = await createTelemetry({ level: config.monitoring.logLevel, format: config.monitoring.logFormat })
  const { logger, meter } = telemetry
  // Whoever asks a node to stop that is not ready yet, ends its start.
  const giveUp = new AbortController()
  const onGiveUp = () => giveUp.abort(failure ?? new SkeinError('SKEIN_CANCELLED', 'the node was stopped before it was ready'))
  /** Why a node that runs ends by itself. */
  let failure: SkeinError | undefined
  signal?.addEventListener('abort', onGiveUp, { once: true })
  if (signal?.aborted === true) onGiveUp()
  const lifecycle = createLifecycle({ clock: systemClock, logger, signal: giveUp.signal })
  const { promise: stopped, resolve: onStopped, reject: onFailed } = Promise.withResolvers<void>()
  // Whoever does not wait for the end is not harmed by it.
  stopped.catch(() => {})
  for (const warning of current.warnings) logger.warn(warning)

  // Known before the node is up, so that the control socket can refuse a second node on the same data at once.
  let api: NodeApi | undefined
  let stopping: Promise<void> | undefined
  const stop = (options: DrainOptions = {}) =>
    (stopping ??= (api === undefined ? giveUpStart() : stopAll(options)).catch(stopFailed).finally(() => (failure === undefined ? onStopped() : onFailed(failure))))
  /** Whoever asks over HTTP has long got an answer. */
  function stopFailed(error: unknown): never {
    logger.error('stopping the node failed', { error: errorMessage(error) })
    throw error
  }
  let drain = async (_options: DrainOptions) => {}
  const settled = Promise.withResolvers<void>()
  function giveUpStart(): Promise<void> {
    logger.info('stopping before the start is over')
    onGiveUp()
    return settled.promise
  }
  async function stopAll(options: DrainOptions): Promise<void> {
    logger.info('stopping')
    await drain(options).catch((error: unknown) => logger.error('calls could not be finished before stopping', { error: errorMessage(error) }))
    await lifecycle.stop()
    logger.info('stopped')
    await telemetry.stop()
  }

  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 })
    const running = (): NodeApi => {
      if (api === undefined) throw new SkeinError('SKEIN_BUSY', 'the node is still starting: try again in a moment')
      return api
    }
    let acceptMcp: Parameters<typeof createControlServer>[0]['acceptMcp'] = (_req, socket) => void socket.destroy()
    const control = createControlServer({ api: running, stop, logger, acceptMcp: (req, socket, head) => acceptMcp(req, socket, head) }, { dataDir })
    let socketPath = ''
    await lifecycle.start({ name: 'control socket', start: async () => void ({ socketPath } = await control.start()), stop: () => control.stop() })

    const apiToken = loadApiToken(dataDir)
    const node = await createNode(
      { logger, meter, libp2pMetrics: libp2pMetrics(telemetry.libp2pRegistry) },
      {
        config,
        version: VERSION,
        token: config.security.token ?? pendingToken(dataDir),
        listenMovable: !sources.has('network.listen'),
        signal: giveUp.signal,
        async reload() {
          const next = load()
          const { restart } = liveDiff(current.config, next.config)
          for (const warning of next.warnings) logger.warn(warning)
          telemetry.setLogLevel(next.config.monitoring.logLevel)
          // What needs a restart keeps its running value, so that the next reload names it again.
          current = { ...next, config: { ...current.config, mcp: { ...current.config.mcp, servers: next.config.mcp.servers, views: next.config.mcp.views, graph: next.config.mcp.graph }, monitoring: { ...current.config.monitoring, logLevel: next.config.monitoring.logLevel } } }
          return { config: current.config, needsRestart: restart }
        }
      }
    )
    await lifecycle.start({ name: 'node', stop: () => node.stop(), stopWithin: 10_000 })
    node.onSuperseded(() => {
      failure = new SkeinError('SKEIN_SUPERSEDED', `another process with the identity of this node was started later, so this one has ended: give each node a data directory of its own (this one: ${dataDir})`)
      stop().catch(() => {})
    })

    const rules = { loopback: isLoopback(config.network.httpHost), allowedHosts: config.security.allowedHosts, allowedOrigins: config.security.allowedOrigins }
    const mcpHttp = createMcpHttp(
      { downstream: node.downstream, clock: systemClock, random: systemRandom, meter, logger },
      {
        ...rules,
        maxSessions: config.mcp.maxSessions,
        maxBody: config.mcp.maxBodyBytes,
        sessionIdleTimeout: config.mcp.sessionIdleTimeout
      }
    )
    acceptMcp = (req, socket, head) => acceptMcpUpgrade(req, socket, head, mcpHttp)
    await lifecycle.start({ name: 'MCP sessions', stop: () => mcpHttp.close() })
    const httpApi = createHttpApi({ api: running, clock: systemClock, logger }, { rules, token: apiToken, tokenFile: API_TOKEN_FILE })
    const http = createHttpEdge(
      { api: node.api, mcpHttp, httpApi, logger, meter },
      { host: config.network.httpHost, port: config.network.httpPort, fallbackToFree: !sources.has('network.http_port') }
    )
    let mcpUrl = ''
    let httpUrl = ''
    await lifecycle.start({ name: 'http', start: async () => void ({ mcpUrl, url: httpUrl } = await http.start()), stop: () => http.stop() })
    let metricsUrl: string | undefined
    if (config.monitoring.metricsEnabled) {
      const metrics = createMetricsServer(
        { metrics: telemetry, logger },
        { host: config.monitoring.metricsHost, port: config.monitoring.metricsPort, fallbackToFree: !sources.has('monitoring.metrics_port') }
      )
      await lifecycle.start({ name: 'metrics', start: async () => void ({ url: metricsUrl } = await metrics.start()), stop: () => metrics.stop() })
    }
    drain = async ({ within = config.mcp.shutdownTimeout }) => {
      // The port stays open meanwhile: whoever comes is told to go elsewhere, and /ready says so too.
      await node.drain(within)
      http.stopAccepting()
      mcpHttp.close()
      // What was answered last leaves before the connections are closed.
      await http.finish(LAST_ANSWERS)
    }

    const joinCommand = await firstJoinCommand(node.api, logger)
    const { peer, addresses } = node.api.status()
    await lifecycle.start({
      name: 'run file',
      start: () => writeRunFile(dataDir, { pid: process.pid, version: VERSION, httpUrl, controlSocket: socketPath, peer, addresses, started: systemClock.wall(), ...(metricsUrl === undefined ? {} : { metricsUrl }) }),
      stop: () => removeRunFile(dataDir, process.pid)
    })
    giveUp.signal.throwIfAborted()
    api = {
      ...node.api,
      stop,
      status: () => ({ ...node.api.status(), mcpUrl, metricsUrl, joinCommand })
    }
    logger.info('ready', { mcp: mcpUrl, metrics: metricsUrl, peer, addresses })
    return { api, stopped }
  } catch (error) {
    await lifecycle.stop()
    await telemetry.stop()
    throw error
  } finally {
    signal?.removeEventListener('abort', onGiveUp)
    settled.resolve()
  }
}

function pendingToken(dataDir: string): string | undefined {
  const bytes = readPrivateFile(tokenPath(dataDir))
  return bytes === undefined ? undefined : Buffer.from(bytes).toString().trim()
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.')
}

/** An issuer greets with a ready-made way to join: one use, one day. */
async function firstJoinCommand(api: NodeApi, logger: Logger): Promise<string | undefined> {
  if (!api.status().federation.issuer) return undefined
  try {
    return (await api.createToken({})).command
  } catch (error) {
    logger.warn('no join command was made', { error: errorMessage(error) })
    return undefined
  }
}

/** For `skein config` and `skein import`: what a start would read. */
export async function configTools() {
  const [{ configJsonSchema }, { printConfig }, { importServers }] = await Promise.all([import('./config/schema.ts'), import('./config/print.ts'), import('./config/import/import-servers.ts')])
  return {
    async load(input: { file?: string; env: Record<string, string | undefined>; cwd: string }) {
      const { config, warnings } = loadConfig(input)
      return { yaml: printConfig(config), warnings }
    },
    jsonSchema: configJsonSchema,
    importServers: async (input: ImportInput) => importServers({ ...input, platform: process.platform })
  }
}
