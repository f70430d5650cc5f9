import type { Children } from './children.ts'
import type { ClientContext } from '../ports.ts'
import type { Clock } from '../../base/clock.ts'
import type { Listener } from './listeners.ts'
import type { Logger } from '../../base/logger.ts'
import type { Random } from '../../base/random.ts'
import type { UpstreamConnection } from './connection-ports.ts'
import { backoffDelay } from '../../base/backoff.ts'
import { sleep } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'

/** A session's child that dies again and again costs one start a minute. */
const BACKOFF = { base: 1_000, cap: 60_000 }

export interface Subscriptions {
  /** Listeners, their placement or the shared connection changed: subscribes what differs, once a tick. */
  sync(): void
  close(): void
}

export interface SubscriptionsDeps {
  clock: Clock
  random: Random
  logger: Logger
  children: Pick<Children, 'acquire'>
  listeners(): Iterable<Listener>
  /** True: this client's subscriptions are its own child's. */
  ownChild(client: ClientContext): boolean
  shared(): UpstreamConnection | undefined
}

/** A session's child that stays as long as the session subscribes to something. */
interface Hold {
  uris: ReadonlySet<string>
  connection: UpstreamConnection | undefined
  abort: AbortController
}

/** Keeps the server subscribed to what its listeners want: on the shared connection their union, on a session's own child what that session wants. */
export function createSubscriptions(deps: SubscriptionsDeps): Subscriptions {
  const { clock, random, logger } = deps
  const holds = new Map<string, Hold>()
  let sharedConnection: UpstreamConnection | undefined
  let sharedUris: ReadonlySet<string> = new Set()
  let scheduled = false
  let closed = false

  function syncNow(): void {
    scheduled = false
    if (closed) return
    const wanted = new Set<string>()
    const own = new Map<string, { client: ClientContext; uris: Set<string> }>()
    for (const { client, uris } of deps.listeners()) {
      if (uris.size === 0) continue
      if (client.session === undefined || !deps.ownChild(client)) {
        for (const uri of uris) wanted.add(uri)
        continue
      }
      const entry = own.get(client.session) ?? { client, uris: new Set<string>() }
      for (const uri of uris) entry.uris.add(uri)
      own.set(client.session, entry)
    }
    syncShared(wanted)
    for (const [session, hold] of holds) if (!own.has(session)) letGo(session, hold)
    for (const [session, { client, uris }] of own) syncOwn(session, client, uris)
  }
  function syncShared(wanted: ReadonlySet<string>): void {
    const connection = deps.shared()
    const before = connection === sharedConnection ? sharedUris : new Set<string>()
    sharedConnection = connection
    sharedUris = wanted
    if (connection !== undefined && !equal(before, wanted)) connection.subscribe(wanted)
  }
  function syncOwn(session: string, client: ClientContext, uris: ReadonlySet<string>): void {
    const hold = holds.get(session)
    if (hold === undefined) {
      const fresh: Hold = { uris, connection: undefined, abort: new AbortController() }
      holds.set(session, fresh)
      void keep(client, fresh)
    } else if (!equal(hold.uris, uris)) {
      hold.uris = uris
      hold.connection?.subscribe(uris)
    }
  }
  function letGo(session: string, hold: Hold): void {
    holds.delete(session)
    hold.connection?.subscribe(new Set())
    hold.abort.abort()
  }

  /** Holds the session's child until nobody of the session subscribes any more; starts it again when it dies. Never rejects. */
  async function keep(client: ClientContext, hold: Hold): Promise<void> {
    const { signal } = hold.abort
    const { promise: ended, resolve: end } = Promise.withResolvers<undefined>()
    signal.addEventListener('abort', () => end(undefined), { once: true })
    for (let failures = 0; !signal.aborted; failures += 1) {
      let release = () => {}
      const from = clock.now()
      try {
        const lease = deps.children.acquire(client, { givesWay: true })
        release = lease.release
        const connection = await Promise.race([lease.connection, ended])
        if (connection !== undefined && !signal.aborted) {
          hold.connection = connection
          connection.subscribe(hold.uris)
          await Promise.race([connection.closed, ended])
        }
      } catch (error) {
        logger.warn("a session's subscriptions wait: its own process or session could not be started", { error: errorMessage(error) })
      } finally {
        hold.connection = undefined
        release()
      }
      if (clock.now() - from > BACKOFF.cap) failures = 0
      await sleep(clock, backoffDelay(failures, BACKOFF, random), { signal }).catch(() => {})
    }
  }

  return {
    sync() {
      if (scheduled || closed) return
      scheduled = true
      queueMicrotask(syncNow)
    },
    close() {
      closed = true
      for (const [session, hold] of holds) letGo(session, hold)
    }
  }
}

function equal(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  if (a.size !== b.size) return false
  for (const entry of a) if (!b.has(entry)) return false
  return true
}
