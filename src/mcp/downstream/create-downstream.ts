import type { Meter } from '../../base/meter.ts'
import type { Timer } from '../../base/clock.ts'
import type { DownstreamSession, SessionDeps, SessionOptions } from './ports.ts'
import { createDownstreamMetrics } from './metrics.ts'
import { createDownstreamSession } from './session.ts'
import { VERSIONS_2025 } from './rev2025/versions.ts'

export interface DownstreamDeps extends Pick<SessionDeps, 'backend' | 'clock' | 'random' | 'logger' | 'edge'> {
  meter: Meter
}

export interface DownstreamOptions {
  /** Of skein, for serverInfo. */
  version: string
}

/** All client sessions of this node, whatever carries them. */
export interface Downstream {
  /** The revisions a client may name in `MCP-Protocol-Version`. */
  readonly versions: readonly string[]
  /** Whether there is such a view now. */
  serves(view: string | undefined): boolean
  open(options: SessionOptions): DownstreamSession
  readonly sessions: number
  /** Refuses new requests and resolves when the running ones have ended. */
  drain(): Promise<void>
  /** Ends every session. */
  close(): void
}

/** Tools of a node that joins come server by server: one list_changed for the burst, still far below what a person notices. */
const CHANGE_DELAY = 20

export function createDownstream(deps: DownstreamDeps, options: DownstreamOptions): Downstream {
  const { backend, clock, random, edge } = deps
  const logger = deps.logger.child({ area: 'mcp' })
  const metrics = createDownstreamMetrics(deps.meter)
  const sessions = new Map<DownstreamSession, SessionOptions['transport']>()
  const drained: (() => void)[] = []
  let running = 0
  let draining = false
  let change: Timer | undefined

  const stopListening = backend.onToolsChanged(() => {
    change ??= clock.after(CHANGE_DELAY, () => {
      change = undefined
      for (const session of sessions.keys()) session.toolsChanged()
    })
  })
  deps.meter.onCollect(() => {
    const count = { http: 0, stdio: 0 }
    for (const transport of sessions.values()) count[transport]++
    metrics.sessions.http.set(count.http)
    metrics.sessions.stdio.set(count.stdio)
    metrics.running.set(running)
  })

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
      if (draining && running === 0) queueMicrotask(() => drained.splice(0).forEach((resolve) => resolve()))
    }
  }

  return {
    versions: VERSIONS_2025,
    serves: (view) => view === undefined || backend.tools(view) !== undefined,
    open(session) {
      const opened = createDownstreamSession(sessionDeps, session)
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
    get sessions() {
      return sessions.size
    },
    drain() {
      draining = true
      return running === 0 ? Promise.resolve() : new Promise((resolve) => drained.push(resolve))
    },
    close() {
      draining = true
      stopListening()
      change?.cancel()
      for (const session of sessions.keys()) session.close('the node is stopping')
    }
  }
}
