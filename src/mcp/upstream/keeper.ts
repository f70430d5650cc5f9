import type { Clock, Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Random } from '../../base/random.ts'
import type { UpstreamConnection } from './connection-ports.ts'
import type { UpstreamState } from './metrics.ts'
import { backoffDelay } from '../../base/backoff.ts'
import { errorMessage, isSkeinError, SkeinError, toSkeinError } from '../../base/errors.ts'

/** The second death waits at least 100 ms; a process that never comes up costs two starts a minute. */
const BACKOFF = { base: 200, cap: 30_000 }

/** To ask a server that runs elsewhere costs next to nothing, and nobody tells us that it is back. */
const DIAL_CAP = 5_000

/** A server that served this long has recovered: its next death is the first one again. */
const HEALTHY_AFTER = 30_000

export interface Keeper {
  readonly state: UpstreamState
  readonly connection: UpstreamConnection | undefined
  readonly restarts: number
  /** Deaths and failed starts in a row. */
  readonly failures: number
  readonly error: Error | undefined
  start(): void
  /** The connection once it is ready; rejects after `wait` ms, when the signal aborts, or at once if the server cannot come back. */
  ready(options: { wait: number; signal: AbortSignal }): Promise<UpstreamConnection>
  /** Ends a connection that is of no use any more, for this reason; another one is opened as after any death. */
  giveUp(connection: UpstreamConnection, why: SkeinError): void
  /** Resolves when the first start has worked or failed. */
  readonly settled: Promise<void>
  stop(options?: { grace?: number }): Promise<void>
}

export interface KeeperDeps {
  clock: Clock
  random: Random
  logger: Logger
  /** Opens a connection and prepares it; whatever it does is part of starting. */
  open(options: { signal: AbortSignal }): Promise<UpstreamConnection>
  onChange(): void
  onRestart(): void
}

/** Keeps one connection alive: the first unexpected death is followed by a restart at once, further ones by a wait that grows. */
export function createKeeper(deps: KeeperDeps, options: { elsewhere: boolean }): Keeper {
  const { clock, random, logger } = deps
  const backoff = options.elsewhere ? { ...BACKOFF, cap: DIAL_CAP } : BACKOFF
  let state: UpstreamState = 'stopped'
  let connection: UpstreamConnection | undefined
  let error: SkeinError | undefined
  let restarts = 0
  let failures = 0
  let timer: Timer | undefined
  /** Given up and not gone yet. */
  let dying: { connection: UpstreamConnection; why: SkeinError } | undefined
  let abort = new AbortController()
  let attempt: Promise<void> = Promise.resolve()
  const waiters = new Set<() => void>()
  const { promise: settled, resolve: settle } = Promise.withResolvers<void>()

  function become(next: UpstreamState): void {
    state = next
    if (next !== 'starting') settle()
    // Those who wait look again; they leave the set by themselves.
    for (const wake of waiters) wake()
    deps.onChange()
  }

  async function launch(): Promise<void> {
    const { signal } = abort
    become('starting')
    try {
      const opened = await deps.open({ signal })
      if (signal.aborted) return await opened.close()
      connection = opened
      error = undefined
      become('ready')
      logger.info('server is ready', { pid: opened.pid, protocol: opened.identity.protocolVersion })
      timer = clock.after(HEALTHY_AFTER, () => {
        failures = 0
      })
      void opened.closed.then((why) => onDeath(opened, why))
    } catch (caught) {
      if (!signal.aborted) onFailedStart(toSkeinError(caught, 'SKEIN_UPSTREAM_DOWN'))
    }
  }

  function onFailedStart(why: SkeinError): void {
    error = why
    if (isSkeinError(why, 'SKEIN_CONFIG')) {
      logger.error('server cannot start', { error: why.message })
      return become('failed')
    }
    const delay = backoffDelay(failures, backoff, random)
    failures += 1
    again(delay)
  }

  function onDeath(dead: UpstreamConnection, why: Error | undefined): void {
    if (connection !== dead && dying?.connection !== dead) return
    error = dying?.why ?? new SkeinError('SKEIN_UPSTREAM_DOWN', why?.message ?? 'The server closed the connection.')
    connection = undefined
    dying = undefined
    timer?.cancel()
    const delay = failures === 0 ? 0 : backoffDelay(failures - 1, backoff, random)
    failures += 1
    again(delay)
  }

  function again(delay: number): void {
    restarts += 1
    deps.onRestart()
    logger.warn('server is not running, starting it again', { error: error?.message, wait: Math.round(delay), failures })
    if (delay === 0) {
      attempt = launch()
      return
    }
    become('backoff')
    timer = clock.after(delay, () => {
      attempt = launch()
    })
  }

  function unavailable(): SkeinError {
    const why = error === undefined ? '' : ` ${error.message}`
    return new SkeinError('SKEIN_UPSTREAM_DOWN', `The server is not available (${state}); the request was not run.${why}`, { cause: error })
  }

  return {
    get state() {
      return state
    },
    get connection() {
      return connection
    },
    get restarts() {
      return restarts
    },
    get failures() {
      return failures
    },
    get error() {
      return error
    },
    settled,
    start() {
      if (state !== 'stopped') return
      abort = new AbortController()
      attempt = launch()
    },
    ready({ wait, signal }) {
      if (state === 'ready' && connection !== undefined) return Promise.resolve(connection)
      if (state === 'failed' || state === 'stopped') return Promise.reject(unavailable())
      return new Promise((resolve, reject) => {
        const done = (fn: () => void) => {
          waiters.delete(wake)
          limit.cancel()
          signal.removeEventListener('abort', onAbort)
          fn()
        }
        const onAbort = () => done(() => reject(signal.reason))
        const limit = clock.after(wait, () => done(() => reject(unavailable())))
        const wake = () => {
          if (state === 'ready' && connection !== undefined) {
            const ready = connection
            done(() => resolve(ready))
          } else if (state === 'failed' || state === 'stopped') done(() => reject(unavailable()))
        }
        waiters.add(wake)
        signal.addEventListener('abort', onAbort, { once: true })
        if (signal.aborted) onAbort()
      })
    },
    giveUp(unusable, why) {
      if (connection !== unusable) return
      dying = { connection: unusable, why }
      connection = undefined
      error = why
      timer?.cancel()
      // Whoever calls meanwhile waits for the next one.
      become('backoff')
      void unusable.close().catch((failure: unknown) => logger.warn('closing a connection failed', { error: errorMessage(failure) }))
    },
    async stop(how = {}) {
      const last = connection ?? dying?.connection
      connection = undefined
      dying = undefined
      timer?.cancel()
      abort.abort(new SkeinError('SKEIN_UPSTREAM_DOWN', 'The server is being stopped.'))
      become('stopped')
      await last?.close(how)
      await attempt
    }
  }
}
