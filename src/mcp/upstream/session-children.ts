import type { Clock, Timer } from '../../base/clock.ts'
import type { CallSink, ClientContext } from '../ports.ts'
import type { Json } from '../../wire/json-rpc.ts'
import type { UpstreamConnection } from './connection.ts'
import { SkeinError } from '../../base/errors.ts'

/** A child is often a whole Node or Python process of 50-100 MiB. */
const MAX_CHILDREN = 32

/** Long enough that a person who thinks between two calls keeps the server's state. */
export const IDLE_TIMEOUT = 300_000

interface Child {
  connection: Promise<UpstreamConnection>
  /** Set once it is there. */
  live: UpstreamConnection | undefined
  abort: AbortController
  /** Running calls of the client, the latest last: the server's own requests go there. */
  sinks: Set<CallSink>
  idle: Timer | undefined
  lastUsed: number
}

export interface Lease {
  connection: Promise<UpstreamConnection>
  release(): void
}

export interface SessionChildren {
  /** The session's own connection, started if need be. Throws SKEIN_BUSY when all are in use. */
  acquire(client: ClientContext, sink: CallSink): Lease
  end(session: string): void
  readonly size: number
  pids(): number[]
  stop(options?: { grace?: number }): Promise<void>
}

type Open = (capabilities: Json, clientSink: () => CallSink | string, options: { signal: AbortSignal }) => Promise<UpstreamConnection>

/** Children of one server that belong to one client session each. */
export function createSessionChildren(deps: { clock: Clock; open: Open; onChange(): void }, options: { max?: number; idleTimeout?: number } = {}): SessionChildren {
  const { clock } = deps
  const max = options.max ?? MAX_CHILDREN
  const idleTimeout = options.idleTimeout ?? IDLE_TIMEOUT
  const children = new Map<string, Child>()
  /** Ended and not gone yet: stop waits for them. */
  const leaving = new Set<Promise<void>>()

  function remove(session: string, child: Child, grace?: number): void {
    if (children.get(session) === child) children.delete(session)
    child.idle?.cancel()
    child.abort.abort(new SkeinError('SKEIN_UPSTREAM_DOWN', 'The server of this session was ended.'))
    const gone = child.connection.then((connection) => connection.close(grace === undefined ? {} : { grace })).catch(() => {})
    leaving.add(gone)
    void gone.finally(() => {
      leaving.delete(gone)
      deps.onChange()
    })
  }

  function makeRoom(): void {
    if (children.size < max) return
    let oldest: [string, Child] | undefined
    for (const entry of children) if (entry[1].sinks.size === 0 && (oldest === undefined || entry[1].lastUsed < oldest[1].lastUsed)) oldest = entry
    if (oldest === undefined) throw new SkeinError('SKEIN_BUSY', `All ${max} processes of this server that belong to one client each are in use. Try again later, or set isolation: shared.`)
    remove(...oldest)
  }

  function create(client: ClientContext): Child {
    makeRoom()
    const abort = new AbortController()
    const sinks = new Set<CallSink>()
    const latest = () => [...sinks].at(-1) ?? 'no call of this client is running, so there is nobody to ask'
    const connection = deps.open(client.capabilities, latest, { signal: abort.signal })
    const child: Child = { connection, live: undefined, abort, sinks, idle: undefined, lastUsed: clock.now() }
    children.set(client.session, child)
    const forget = () => {
      if (children.get(client.session) === child) children.delete(client.session)
      child.idle?.cancel()
      deps.onChange()
    }
    connection.then((live) => {
      child.live = live
      deps.onChange()
      return live.closed.then(forget)
    }, forget)
    return child
  }

  return {
    acquire(client, sink) {
      const child = children.get(client.session) ?? create(client)
      child.idle?.cancel()
      // One sink object may serve several calls; each lease needs an entry of its own.
      const entry: CallSink = { notification: (message) => sink.notification(message), request: (method, params) => sink.request(method, params) }
      child.sinks.add(entry)
      return {
        connection: child.connection,
        release() {
          if (!child.sinks.delete(entry)) return
          child.lastUsed = clock.now()
          if (child.sinks.size === 0 && children.get(client.session) === child) {
            child.idle = clock.after(idleTimeout, () => remove(client.session, child))
          }
        }
      }
    },
    end(session) {
      const child = children.get(session)
      if (child !== undefined) remove(session, child)
    },
    get size() {
      return children.size
    },
    pids: () => [...children.values()].flatMap((child) => child.live?.pid ?? []),
    async stop(how = {}) {
      for (const [session, child] of children) remove(session, child, how.grace)
      await Promise.all(leaving)
    }
  }
}
