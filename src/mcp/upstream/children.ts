import type { Clock, Timer } from '../../base/clock.ts'
import type { ClientContext } from '../ports.ts'
import type { Json, JsonRpcNotification } from '../../wire/json-rpc.ts'
import type { ConnectionOptions, UpstreamConnection } from './connection-ports.ts'
import { SkeinError } from '../../base/errors.ts'
import { isObject } from '../../base/is-object.ts'
import { canonicalJson } from '../../wire/canonical-json.ts'
import { ASKABLE } from '../askable.ts'
import { withoutTasks } from './announced.ts'

/** A child is often a whole Node or Python process of 50-100 MiB. */
const MAX_CHILDREN = 32

/** Long enough that a person who thinks between two calls keeps the server's state. */
export const IDLE_TIMEOUT = 300_000

interface Child {
  /** The client session it belongs to; undefined: of the pool, for one call at a time. */
  session: string | undefined
  /** What it was told of its clients, as text: calls of the pool share children of the same. */
  key: string
  connection: Promise<UpstreamConnection>
  /** Set once it is there. */
  live: UpstreamConnection | undefined
  abort: AbortController
  users: number
  /** Of them those that give way. */
  holders: number
  idle: Timer | undefined
  lastUsed: number
}

export interface Lease {
  connection: Promise<UpstreamConnection>
  release(): void
}

export interface Children {
  /**
   * The session's own connection, or for a client without one a connection nobody else uses meanwhile; started if need be. Throws
   * SKEIN_BUSY when all are in use. `givesWay`: it is only kept, for subscriptions: it takes no place of others, and a call that needs one takes its.
   */
  acquire(client: ClientContext, options?: { givesWay?: boolean }): Lease
  /** The session is over. */
  end(session: string): void
  readonly size: number
  /** Those that have a child now. */
  sessions(): string[]
  pids(): number[]
  stop(options?: { grace?: number }): Promise<void>
}

/** What a child needs to know of its place: parts of ConnectionOptions. */
export type ChildOpening = Pick<ConnectionOptions, 'capabilities' | 'onNotification' | 'own'>

export interface ChildrenDeps {
  clock: Clock
  open(opening: ChildOpening, options: { signal: AbortSignal }): Promise<UpstreamConnection>
  /** What a session's own child says outside of calls. */
  onNotification(session: string, message: JsonRpcNotification): void
  /** A session's child is gone and its state with it, while the session lives on. */
  onLost(session: string, era: UpstreamConnection['era']): void
  onChange(): void
}

/** Children of one server that serve a single client: of a session as long as it lives, or out of a pool for the time of one call. */
export function createChildren(deps: ChildrenDeps, options: { max?: number; idleTimeout?: number } = {}): Children {
  const { clock } = deps
  const max = options.max ?? MAX_CHILDREN
  const idleTimeout = options.idleTimeout ?? IDLE_TIMEOUT
  const children = new Set<Child>()
  /** Ended and not gone yet: stop waits for them. */
  const leaving = new Set<Promise<void>>()

  function remove(child: Child, grace?: number): void {
    children.delete(child)
    child.idle?.cancel()
    child.abort.abort(new SkeinError('SKEIN_UPSTREAM_DOWN', 'The server of this session was ended.'))
    const gone = child.connection.then((connection) => connection.close(grace === undefined ? {} : { grace })).catch(() => {})
    leaving.add(gone)
    void gone.finally(() => {
      leaving.delete(gone)
      deps.onChange()
    })
  }
  /** As `remove`, of a child whose session goes on. */
  function drop(child: Child): void {
    remove(child)
    lost(child)
  }
  function lost({ session, live }: Child): void {
    if (session !== undefined && live !== undefined) deps.onLost(session, live.era)
  }

  function oldestOf(wanted: (child: Child) => boolean): Child | undefined {
    let oldest: Child | undefined
    for (const child of children) if (wanted(child) && (oldest === undefined || child.lastUsed < oldest.lastUsed)) oldest = child
    return oldest
  }
  function makeRoom(givesWay: boolean): void {
    if (children.size < max) return
    // Those of the pool first: nobody's state is in them.
    const idle = oldestOf(({ users, session }) => users === 0 && session === undefined) ?? oldestOf(({ users }) => users === 0)
    const oldest = givesWay ? undefined : (idle ?? oldestOf(({ users, holders }) => users === holders))
    if (oldest === undefined) throw new SkeinError('SKEIN_BUSY', `All ${max} processes or sessions of this server that belong to one client each are in use. Try again later, or set isolation: shared.`)
    drop(oldest)
  }

  function create({ session, capabilities }: ClientContext, key: string, givesWay: boolean): Child {
    makeRoom(givesWay)
    const abort = new AbortController()
    const announced = session === undefined ? (JSON.parse(key) as Json) : withoutTasks(capabilities)
    const onNotification = (message: JsonRpcNotification) => {
      // Between the calls of a pool there is nobody to hear it.
      if (session !== undefined && children.has(child)) deps.onNotification(session, message)
    }
    const connection = deps.open({ capabilities: announced, onNotification, own: { sole: () => child.users === 1 } }, { signal: abort.signal })
    const child: Child = { session, key, connection, live: undefined, abort, users: 0, holders: 0, idle: undefined, lastUsed: clock.now() }
    children.add(child)
    const forget = () => {
      child.idle?.cancel()
      if (children.delete(child)) lost(child)
      deps.onChange()
    }
    connection.then((live) => {
      child.live = live
      deps.onChange()
      return live.closed.then(forget)
    }, forget)
    return child
  }
  function find(session: string | undefined, key: string): Child | undefined {
    for (const child of children) {
      if (session === undefined ? child.session === undefined && child.users === 0 && child.key === key : child.session === session) return child
    }
    return undefined
  }

  return {
    acquire(client, { givesWay = false } = {}) {
      const key = client.session === undefined ? askableKey(client.capabilities) : ''
      const child = find(client.session, key) ?? create(client, key, givesWay)
      child.idle?.cancel()
      child.users += 1
      if (givesWay) child.holders += 1
      let released = false
      return {
        connection: child.connection,
        release() {
          if (released) return
          released = true
          child.users -= 1
          if (givesWay) child.holders -= 1
          child.lastUsed = clock.now()
          if (child.users === 0 && children.has(child)) child.idle = clock.after(idleTimeout, () => drop(child))
        }
      }
    },
    end(session) {
      const child = find(session, '')
      if (child !== undefined) remove(child)
    },
    get size() {
      return children.size
    },
    sessions: () => [...children].flatMap((child) => (child.live === undefined ? [] : (child.session ?? []))),
    pids: () => [...children].flatMap((child) => child.live?.pid ?? []),
    async stop(how = {}) {
      for (const child of children) remove(child, how.grace)
      await Promise.all(leaving)
    }
  }
}

/** The part of the capabilities a server may use to ask, as JSON with sorted members. */
function askableKey(capabilities: Json): string {
  return canonicalJson(Object.fromEntries(ASKABLE.map((name) => [name, known(capabilities[name], MEMBERS[name])])))
}

/** What a server can do something with: whatever else a client writes there, each time something new, must not start a process each time. */
const MEMBERS: Record<(typeof ASKABLE)[number], readonly string[]> = { sampling: ['context', 'tools'], elicitation: ['form', 'url'], roots: ['listChanged'] }

function known(capability: unknown, members: readonly string[]): Json | undefined {
  if (!isObject(capability)) return undefined
  return Object.fromEntries(members.flatMap((member) => (isObject(capability[member]) ? [[member, {}]] : capability[member] === true ? [[member, true]] : [])))
}
