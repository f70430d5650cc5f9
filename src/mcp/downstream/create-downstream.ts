import type { Timer } from '../../base/clock.ts'
import type { Meter } from '../../base/meter.ts'
import { randomHex } from '../../base/random.ts'
import type { JsonRpcRequest } from '../../wire/json-rpc.ts'
import { VERSIONS_2025, VERSIONS_2026 } from '../../wire/mcp-spec.ts'
import { busyProblem } from './calls.ts'
import { createDownstreamMetrics } from './metrics.ts'
import type { OpenRequest } from './open-requests.ts'
import type { DownstreamSession, SessionDeps, SessionOptions, StatelessOptions } from './ports.ts'
import { createListens } from './rev2026/listens.ts'
import { createStatelessRequests } from './rev2026/requests.ts'
import { createDownstreamSession } from './session.ts'

export interface DownstreamDeps extends Pick<SessionDeps, 'backend' | 'clock' | 'random' | 'logger' | 'edge'> {
  meter: Meter
}

export interface DownstreamOptions {
  /** Of skein, for serverInfo. */
  version: string
}

/** All clients of this node, whatever carries them: sessions, and requests that need none. */
export interface Downstream {
  /** The revisions with sessions that a client may name in `MCP-Protocol-Version`. */
  readonly versions: readonly string[]
  /** The revisions without sessions. */
  readonly statelessVersions: readonly string[]
  /** Whether there is such a view now. */
  serves(view: string | undefined): boolean
  open(options: SessionOptions): DownstreamSession
  /** One HTTP request of a client without session; `cancel` when its connection closed. */
  stateless(message: JsonRpcRequest, options: StatelessOptions): { cancel(reason: string): void }
  readonly sessions: number
  /** Requests that wait for a server. */
  readonly running: number
  /** It takes no new requests. */
  readonly draining: boolean
  /** Refuses new requests, ends subscriptions with their result, and resolves when the running requests have ended. */
  drain(): Promise<void>
  /** Takes new requests again; whoever waits for the end of the running ones waits no longer. */
  resume(): void
  /** Ends every session and every request. */
  close(): void
}

/** Tools of a node that joins come server by server: one list_changed for the burst, still far below what a person notices. */
const CHANGE_DELAY = 20

/** Running HTTP requests of clients without sessions, all together: nobody can tell one such client from another. */
export const MAX_STATELESS = 1024

/** Nothing is left of a request that was answered at once. */
const ANSWERED = { cancel() {} }

export function createDownstream(deps: DownstreamDeps, options: DownstreamOptions): Downstream {
  const { backend, clock, random, edge } = deps
  const logger = deps.logger.child({ area: 'mcp' })
  const metrics = createDownstreamMetrics(deps.meter)
  const sessions = new Map<DownstreamSession, SessionOptions['transport']>()
  const stateless = new Set<OpenRequest>()
  const drained: (() => void)[] = []
  // Unique among nodes by chance, in one node by counting: random bytes for each request would cost more than the rest of it.
  const series = randomHex(random, 4)
  let requests = 0
  let running = 0
  let draining = false
  let change: Timer | undefined

  const sessionDeps: SessionDeps = {
    backend,
    clock,
    random,
    logger,
    metrics,
    edge,
    version: options.version,
    draining: () => draining,
    running(by) {
      running += by
      // The last answer is on its way out in this same turn of the event loop: let it go first.
      if (draining && running === 0) queueMicrotask(letGo)
    },
    correlation() {
      requests = (requests + 1) >>> 0
      return series + requests.toString(16).padStart(8, '0')
    }
  }
  /** Whoever waits for the end of a drain goes on. */
  const letGo = () => drained.splice(0).forEach((resolve) => resolve())
  const listens = createListens(sessionDeps)
  const statelessRequests = createStatelessRequests(sessionDeps, listens)
  const connectionDeps = { ...sessionDeps, listens, stateless: statelessRequests }
  const problem = () => busyProblem(sessionDeps, stateless.size, MAX_STATELESS, 'This node')
  const ended = (request: OpenRequest) => void stateless.delete(request)

  const stopListening = backend.onChanged(() => {
    change ??= clock.after(CHANGE_DELAY, () => {
      change = undefined
      for (const session of sessions.keys()) session.listsChanged()
      listens.listsChanged()
    })
  })
  deps.meter.onCollect(() => {
    const count = { http: 0, stdio: 0 }
    for (const transport of sessions.values()) count[transport]++
    metrics.sessions.http.set(count.http)
    metrics.sessions.stdio.set(count.stdio)
    metrics.running.set(running)
    metrics.listening.set(listens.size)
  })

  return {
    versions: VERSIONS_2025,
    statelessVersions: VERSIONS_2026,
    serves: (view) => view === undefined || backend.lists(view) !== undefined,
    open(session) {
      const opened = createDownstreamSession(connectionDeps, session)
      const tracked: DownstreamSession = {
        ...opened,
        get running() {
          return opened.running
        },
        close(reason) {
          sessions.delete(tracked)
          opened.close(reason)
        }
      }
      sessions.set(tracked, session.transport)
      return tracked
    },
    stateless(request, { view, link, headers, correlation }) {
      let mine: OpenRequest | undefined
      statelessRequests.serve(
        { request, view, link, transport: 'http', era: '2026', session: undefined, correlation: correlation ?? sessionDeps.correlation(), started: clock.now() },
        headers,
        {
          problem,
          opened(one) {
            mine = one
            // Those that listen have a bound of their own.
            if (one.kind === 'call') stateless.add(one)
          },
          ended
        }
      )
      return mine ?? ANSWERED
    },
    get sessions() {
      return sessions.size
    },
    get running() {
      return running
    },
    get draining() {
      return draining
    },
    drain() {
      draining = true
      listens.finish()
      return running === 0 ? Promise.resolve() : new Promise((resolve) => drained.push(resolve))
    },
    resume() {
      draining = false
      letGo()
    },
    close() {
      draining = true
      stopListening()
      change?.cancel()
      listens.finish()
      for (const session of sessions.keys()) session.close('the node is stopping')
      for (const request of stateless) request.stop()
    }
  }
}
