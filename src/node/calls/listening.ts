import type { Clock, Timer } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { randomHex, type Random } from '../../base/random.ts'
import type { CallSink, ClientContext, Listening, ListenOptions, RunningCall } from '../../mcp/ports.ts'
import type { Distant } from '../distant/distant.ts'
import { createHandover, HANDOVER_MS } from './handover.ts'
import type { BackendMetrics } from './metrics.ts'
import type { VisibleServer } from './offered.ts'
import type { Federation, Route, RoutedRequest } from './routes.ts'

/** Time limit of a listen at another node, ms. Its provider renews it three times as often, so that one lost renewal changes nothing. */
export const LISTEN_LEASE_MS = 60_000
/** Reopening: at once for a person, … */
export const BACKOFF_BASE_MS = 200
/** … and often enough that a server that comes back is heard within seconds. */
export const BACKOFF_CAP_MS = 10_000
/** A hub names the providers of a distant server within that, ms. */
const FIND_WITHIN_MS = 2_000
/** Four per client session of a busy node (1 024): more than that is a client that forgets what it opened. */
const MAX_LISTENINGS = 4_096
/** Of one client; each is an entry in the server's memory too. */
const MAX_RESOURCES = 1_000

export interface ListeningDeps {
  clock: Clock
  random: Random
  logger: Logger
  metrics: BackendMetrics
  federation: Federation
  /** Where the client's calls of this server go too, if it has something there. */
  choose(server: VisibleServer, client: ClientContext): string | undefined
  /** Finds providers beyond the pools, so that `choose` can choose one. @default there are none */
  distant?: Pick<Distant, 'find' | 'forget'>
  start(peer: string, route: Route, request: RoutedRequest, timeout: number, sink: CallSink): RunningCall
}

export interface Listenings {
  open(options: ListenOptions, sink: CallSink): Listening
  /** Servers or their providers changed: what has to move moves. */
  refresh(): void
  /** Calls to this peer take another way now: what listens there moves to it, and misses nothing. */
  rerouted(peer: string): void
}

/** The listen of one client at one server. */
interface Leg {
  server: string
  resources: readonly string[]
  peer: string | undefined
  /** That peer is in no pool of this node. */
  far: boolean
  /** A hub is being asked who has the server. */
  finding: boolean
  call: RunningCall | undefined
  /** While it moves to another way: the call over the old one, which goes on until the new one surely hears all. */
  move: { old: RunningCall; isNews: ReturnType<typeof createHandover>; over: Timer } | undefined
  /** Waits to be opened again, or moved again. */
  timer: Timer | undefined
  opened: number
  failures: number
}

/** Keeps `subscriptions/listen` calls open for clients, through restarts of servers and providers, until they are closed. */
export function createListenings(deps: ListeningDeps): Listenings {
  const { clock, random, logger, federation } = deps
  const all = new Set<{ sync(): void; rerouted(peer: string): void }>()
  let running = 0

  function count(by: number): void {
    running += by
    deps.metrics.listens.set(running)
  }

  function createListening(options: ListenOptions, sink: CallSink): Listening {
    const { view, client } = options
    const oneServer = view !== undefined && !view.startsWith('@')
    const legs = new Map<string, Leg>()
    let resources = bounded(options.resources)
    let closed = false
    let scheduled = false
    const self = { sync, rerouted }

    let known: { lookUp: ((uri: string) => string | undefined) | undefined; resources: readonly string[]; byServer: Map<string, string[]> } | undefined

    /** Which server hears of which URIs. A one-server view listens without any too: the client's own child speaks there. */
    function wanted(): Map<string, string[]> {
      if (oneServer) return new Map([[view, [...resources]]])
      const lookUp = federation.view(view)?.serverOfUri
      // Changes are frequent, and nearly none is about resources.
      if (known !== undefined && known.lookUp === lookUp && known.resources === resources) return known.byServer
      const byServer = new Map<string, string[]>()
      known = { lookUp, resources, byServer }
      for (const uri of resources) {
        const server = lookUp?.(uri)
        if (server === undefined) continue
        const list = byServer.get(server)
        if (list === undefined) byServer.set(server, [uri])
        else list.push(uri)
      }
      return byServer
    }

    function sync(): void {
      scheduled = false
      if (closed) return
      const now = wanted()
      for (const [server, leg] of legs) {
        if (now.has(server)) continue
        legs.delete(server)
        end(leg, 'nothing is subscribed there any more')
      }
      for (const [server, uris] of now) {
        const leg = legs.get(server) ?? { server, resources: uris, peer: undefined, far: false, finding: false, call: undefined, move: undefined, timer: undefined, opened: 0, failures: 0 }
        const same = leg.resources.length === uris.length && leg.resources.every((uri, index) => uri === uris[index])
        legs.set(server, leg)
        leg.resources = uris
        const offered = federation.server(server)
        const providers = offered?.providers ?? []
        const stays = leg.far && providers.length === 0 && offered?.distant !== undefined
        const moved = leg.peer !== undefined && !stays && !providers.includes(leg.peer)
        // A leg that waits after a failure goes on waiting, unless there is a reason to try at once.
        if (!same || moved || (leg.call === undefined && leg.timer === undefined)) openLeg(leg)
      }
    }

    function rerouted(peer: string): void {
      if (!closed) for (const leg of legs.values()) if (leg.peer === peer) moveLeg(leg)
    }

    /** Opens the same listen once more, at the same peer, over the way of now. */
    function moveLeg(leg: Leg): void {
      const { peer } = leg
      const server = federation.server(leg.server)
      if (leg.call === undefined || peer === undefined || server === undefined) return
      leg.timer?.cancel()
      leg.timer = undefined
      if (leg.move !== undefined) backToOld(leg)?.cancel('its way has changed again')
      const old = leg.call
      startLeg(leg, peer, server.name, server.providers)
      // Else it could not be started, and is tried again.
      if (leg.call !== old) leg.move = { old, isNews: createHandover(clock), over: clock.after(HANDOVER_MS, () => endMove(leg)) }
    }

    /** The new call takes over. */
    function endMove(leg: Leg): void {
      const { move } = leg
      if (move === undefined) return
      move.over.cancel()
      leg.move = undefined
      count(-1)
      move.old.cancel('it takes another way now')
    }

    /** The old call goes on alone; returns the new one. */
    function backToOld(leg: Leg): RunningCall | undefined {
      const { move, call } = leg
      if (move === undefined) return undefined
      move.over.cancel()
      leg.move = undefined
      leg.call = move.old
      count(-1)
      return call
    }

    function openLeg(leg: Leg): void {
      leg.timer?.cancel()
      leg.timer = undefined
      endMove(leg)
      const before = leg.call
      const server = federation.server(leg.server)
      const peer = server === undefined ? undefined : deps.choose(server, client)
      leg.peer = peer
      leg.far = peer !== undefined && server?.providers.includes(peer) === false
      leg.call = undefined
      if (before !== undefined) count(-1)
      // Without a provider it waits for `refresh`.
      if (server !== undefined && peer !== undefined) startLeg(leg, peer, server.name, server.providers)
      else if (server?.distant !== undefined) findFar(leg, server)
      // The new one is open before the old one ends: nothing falls between them.
      before?.cancel('the subscriptions changed')
    }

    function findFar(leg: Leg, server: VisibleServer): void {
      if (leg.finding || deps.distant === undefined) return
      leg.finding = true
      void deps.distant.find(server, { within: FIND_WITHIN_MS }).then(() => {
        leg.finding = false
        if (closed || legs.get(leg.server) !== leg || leg.call !== undefined || leg.timer !== undefined) return
        if (deps.choose(server, client) === undefined) retryLater(leg, 'no hub names a node that has the server')
        else openLeg(leg)
      })
    }

    function startLeg(leg: Leg, peer: string, server: string, providers: readonly string[]): void {
      const request: RoutedRequest = {
        view, client, method: 'subscriptions/listen', params: { notifications: { resourceSubscriptions: leg.resources } }, correlation: randomHex(random, 8)
      }
      let call: RunningCall
      const heard: CallSink = {
        notification(message) {
          const isOld = leg.move?.old === call
          if (closed || (leg.call !== call && !isOld)) return
          if (leg.move === undefined || leg.move.isNews(isOld ? 'old' : 'new', message)) sink.notification(message)
        }
      }
      try {
        call = deps.start(peer, { server, providers, repeatable: true }, request, LISTEN_LEASE_MS, heard)
      } catch (error) {
        return retryLater(leg, errorMessage(error))
      }
      leg.call = call
      leg.opened = clock.now()
      count(1)
      const over = (why: string) => {
        if (leg.move?.old === call) return endMove(leg)
        if (leg.call !== call) return
        const server = leg.far ? federation.server(leg.server) : undefined
        // It may have moved to another pool.
        if (server !== undefined) deps.distant?.forget(server)
        if (leg.move !== undefined) backToOld(leg)
        else {
          leg.call = undefined
          count(-1)
        }
        retryLater(leg, why)
      }
      call.outcome.then(
        (outcome) => over('error' in outcome ? outcome.error.message : 'the server ended it'),
        (error: unknown) => over(errorMessage(error))
      )
    }

    function retryLater(leg: Leg, why: string): void {
      if (clock.now() - leg.opened > BACKOFF_CAP_MS) leg.failures = 0
      const delay = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** leg.failures) * (0.75 + random.float() / 2)
      leg.failures++
      logger.debug('listening to a server ended; it is opened again', { server: leg.server, reason: why, delay: Math.round(delay) })
      leg.timer?.cancel()
      leg.timer = clock.after(delay, () => {
        leg.timer = undefined
        if (leg.call === undefined) openLeg(leg)
        else moveLeg(leg)
      })
    }

    function end(leg: Leg, reason: string): void {
      endMove(leg)
      const { call } = leg
      leg.timer?.cancel()
      leg.timer = leg.call = undefined
      if (call === undefined) return
      count(-1)
      call.cancel(reason)
    }

    function bounded(uris: readonly string[]): readonly string[] {
      if (uris.length > MAX_RESOURCES) logger.warn('a client subscribes to too many resources; it does not hear of the rest', { wanted: uris.length, heard: MAX_RESOURCES })
      return [...new Set(uris.slice(0, MAX_RESOURCES))]
    }

    all.add(self)
    sync()
    return {
      update(next) {
        resources = bounded(next)
        if (scheduled || closed) return
        // Clients subscribe to one resource after the other: one new call for all of a tick.
        scheduled = true
        queueMicrotask(sync)
      },
      close() {
        if (closed) return
        closed = true
        all.delete(self)
        for (const leg of legs.values()) end(leg, 'the client no longer listens')
        legs.clear()
      }
    }
  }

  return {
    open(options, sink) {
      if (all.size < MAX_LISTENINGS) return createListening(options, sink)
      logger.warn('too many clients listen to changes; one more does not hear of them', { listening: all.size })
      return { update() {}, close() {} }
    },
    refresh() {
      for (const listening of all) listening.sync()
    },
    rerouted(peer) {
      for (const listening of all) listening.rerouted(peer)
    }
  }
}
