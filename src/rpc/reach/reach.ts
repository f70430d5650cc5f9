import { backoffDelay } from '../../base/backoff.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import { createListeners } from '../../base/listeners.ts'
import type { Logger } from '../../base/logger.ts'
import type { Meter } from '../../base/meter.ts'
import type { Random } from '../../base/random.ts'
import { METHOD } from '../../wire/protocols.ts'
import { MAX_RELAYS, RELAYABLE, RELAYABLE_FROM_AFAR, relayHeader } from '../../wire/relay.ts'
import { DEFAULT_HOPS } from '../../wire/rpc-frames.ts'
import type { Tickets } from '../relay/tickets.ts'
import type { ClientExchange, OpenOptions, Rpc } from '../types.ts'
import { FRESH, answerReach, askForWay } from './ask.ts'
import { isRelayFault } from './fault.ts'
import { createReachMetrics } from './metrics.ts'
import { createSuggestions } from './suggestions.ts'
import { chooseAsked, choosePath, createTarget, type RelayWay, type Target } from './target.ts'
import type { Reach, ReachPath, SuggestedWay } from './types.ts'

/** After a session closed, ms: others must have noticed too if the peer died, and it may connect again by itself. */
const FIRST_ASK = 250
/** After a relay failed, ms: so old a sign of life elsewhere is newer than the failure. */
const REPLACE_ASK = 50
/** A new member gets so long for its first session, ms: the dials of a join are spread over about as much. */
const NEW_GRACE = 2_000
/** Asked at a time for one member … */
const ASKED = 3
/** … and for all together: a cut through the federation makes hundreds unreachable at once. */
export const MAX_ASKING = 8
/** A way over relays is checked again, ms: while calls take it, … */
const REFRESH = 5_000
/** … and when none do: there may be hundreds in a large pool. */
const IDLE_REFRESH = 30_000
/** When nobody knows a way, ms. */
const BACKOFF = { base: 250, cap: 5_000 }
/** After others have heard the peer its session gets so long to go on, ms, or two round trips: both may have waited for the same pause. */
const CONFIRM = 200
/** Another relay must be so much nearer to be taken instead of one that works. */
const BETTER = 0.8

export interface ReachDeps {
  clock: Clock
  random: Random
  meter: Meter
  logger: Logger
  rpc: Rpc
  tickets: Tickets
  /** Ends the connections of a peer at once. */
  abandon(peer: string): void
  /** This node's credential bundle, encoded (wire/relay.ts): shown to nodes of other pools. @default they are not called */
  origin?(): Uint8Array | undefined
  /** The way to a node of another pool failed: asks anew, and suggests what it hears. Resolves in any case, after `within` ms at the latest. */
  resolveAgain?(peer: string, within: number): Promise<void>
}

/** Keeps the way to every peer, and takes it. Hundreds of members may lose theirs at the same moment: all work is bounded. */
export function createReach(deps: ReachDeps, { self }: { self: string }): Reach {
  const { clock, random, rpc, tickets } = deps
  const logger = deps.logger.child({ area: 'reach' })
  const metrics = createReachMetrics(deps.meter)
  const changes = createListeners<[string]>(logger, 'a listener of the ways to members')
  const lives = createListeners<[string, boolean]>(logger, 'a listener of the ways to members')
  /** Bounded by members and sessions. */
  const targets = new Map<string, Target>()
  const suggestions = createSuggestions(clock, settle)
  let asking = 0
  let timer: Timer | undefined
  let timerAt = Infinity
  let stopped = false

  deps.meter.onCollect(() => {
    const counts = { direct: 0, relayed: 0, none: 0, suggested: 0 }
    for (const { path, suggested } of targets.values()) counts[path === undefined ? 'none' : path === suggested ? 'suggested' : path.kind]++
    for (const kind of ['direct', 'relayed', 'none', 'suggested'] as const) metrics.peers[kind].set(counts[kind])
  })

  function targetOf(peer: string): Target {
    let target = targets.get(peer)
    if (target === undefined) {
      target = createTarget(peer, () => rpc.session(peer)?.rtt)
      targets.set(peer, target)
    }
    return target
  }

  /** Makes what is told agree with what is known. */
  function settle(target: Target): void {
    const { peer } = target
    // Of one that is gone nothing is told any more.
    if (targets.get(peer) !== target) return
    const path = choosePath(target)
    if (path?.kind !== 'relayed' && target.direct && !target.stalled) {
      target.askAt = Infinity
      target.confirm?.cancel()
      target.confirm = undefined
      target.tried.clear()
      target.failures = 0
    }
    if (path !== undefined) target.replacing = false
    const changed = path !== target.path
    target.path = path
    const live = (path !== undefined && (target.member || target.direct)) || target.replacing
    const turned = live !== target.live
    target.live = live
    if (!target.member && !target.direct && target.suggested === undefined) {
      target.confirm?.cancel()
      targets.delete(peer)
    }
    if (turned) lives.tell(peer, live)
    if (changed) {
      if (path?.kind === 'relayed') logger.info('calls to a member go through others', { peer, via: path.via })
      changes.tell(peer)
    }
    arm()
  }

  function askAfter(target: Target, wait: number): void {
    target.askAt = target.member ? clock.now() + wait : Infinity
  }

  function readSession(peer: string): void {
    const session = rpc.session(peer)
    const target = targets.get(peer)
    if (session === undefined || target === undefined) return
    if (session.stalled && !target.stalled) {
      target.stalled = true
      target.since = clock.now()
      askAfter(target, 0)
      lostRelay(peer)
    } else if (!session.stalled && target.stalled) {
      target.stalled = false
      target.relay = undefined
    }
    if (session.draining) lostRelay(peer)
    settle(target)
  }

  function sessionUp(peer: string): void {
    const target = targetOf(peer)
    target.direct = true
    target.stalled = false
    target.relay = undefined
    settle(target)
  }

  function sessionDown(peer: string): void {
    const target = targets.get(peer)
    if (target === undefined) return
    target.direct = target.stalled = false
    target.confirm?.cancel()
    target.confirm = undefined
    if (target.relay === undefined) {
      target.since = clock.now()
      askAfter(target, FIRST_ASK)
    }
    settle(target)
    lostRelay(peer)
  }

  /** Whoever is reached over this peer needs another way. */
  function lostRelay(relay: string): void {
    for (const target of targets.values()) {
      if (target.suggested?.via[0] === relay) forget(target)
      if (target.relay?.via[0] === relay) replace(target)
    }
  }

  /** Whoever suggested the way is asked again when it is needed (`other`). */
  function forget(target: Target): void {
    suggestions.drop(target)
    settle(target)
  }

  function replace(target: Target): void {
    target.tried.add(target.relay?.via[0] as string)
    target.relay = undefined
    target.since = clock.now()
    target.replacing = !target.direct
    target.failures = 0
    askAfter(target, REPLACE_ASK)
    settle(target)
  }

  function neighboursFor(target: Target): { peer: string; rtt: number | undefined }[] {
    return rpc.sessions().filter(({ peer, draining, stalled }) => peer !== target.peer && !draining && !stalled && targets.get(peer)?.member === true)
  }

  function ask(target: Target): void {
    const neighbours = neighboursFor(target)
    const idle = target.relay !== undefined && clock.now() - target.usedAt > REFRESH
    const max = Math.min(MAX_ASKING - asking, idle ? 1 : ASKED)
    const asked = chooseAsked(neighbours, target.tried, target.relay?.via[0], max, random.float())
    target.askAt = Infinity
    if (asked.length === 0) return roundOver(target)
    const fresh = Math.min(FRESH, clock.now() - target.since)
    for (const one of asked) void query(target, one, fresh)
  }

  async function query(target: Target, asked: string, fresh: number): Promise<void> {
    const { since } = target
    let gone = false
    asking++
    target.asking++
    try {
      const way = await askForWay({ self, clock, rpc }, asked, target.peer, fresh, [])
      metrics.queries.found.inc()
      // What was lost meanwhile needs a newer sign of life.
      if (target.since === since) found(target, way)
    } catch (error) {
      metrics.queries.none.inc()
      logger.debug('a node knows no way to a member', { asked, peer: target.peer, error: errorMessage(error) })
      target.tried.add(asked)
      gone = target.relay?.via[0] === asked
    }
    asking--
    target.asking--
    if (stopped) return
    if (gone) replace(target)
    else if (target.asking === 0) roundOver(target)
    pump()
  }

  function found(target: Target, { via, rtt }: RelayWay): void {
    if (stopped || !target.member || (target.direct && !target.stalled)) return
    const { relay } = target
    const same = relay?.via.join() === via.join()
    if (relay === undefined || (!same && rtt < relay.rtt * BETTER)) target.relay = { kind: 'relayed', via, rtt }
    target.failures = 0
    target.tried.clear()
    if (target.direct) confirmStall(target)
    settle(target)
  }

  /** The way is broken, not the peer: what waits on it is ended, so that what may run twice runs again over the relay. */
  function confirmStall(target: Target): void {
    const rtt = target.directPath.rtt ?? 0
    target.confirm ??= clock.after(Math.max(CONFIRM, 2 * rtt), () => {
      target.confirm = undefined
      if (stopped || !target.stalled || target.relay === undefined) return
      metrics.abandoned.inc()
      logger.warn('the connection to a member is given up: nothing comes over it, but others hear the member', { peer: target.peer, via: target.relay.via })
      deps.abandon(target.peer)
    })
  }

  /** All who were asked have answered. */
  function roundOver(target: Target): void {
    if (targets.get(target.peer) !== target || (target.direct && !target.stalled)) return
    if (target.relay !== undefined) askAfter(target, clock.now() - target.usedAt <= REFRESH ? REFRESH : IDLE_REFRESH * (0.75 + random.float() / 2))
    else {
      target.replacing = false
      askAfter(target, backoffDelay(target.failures++, BACKOFF, random))
    }
    settle(target)
  }

  function pump(): void {
    if (stopped) return
    const now = clock.now()
    for (const target of targets.values()) {
      if (asking >= MAX_ASKING) return
      if (target.askAt <= now && target.asking === 0) ask(target)
    }
    arm()
  }

  /** One timer, for the earliest question; with all places taken the next answer asks on. */
  function arm(): void {
    let next = Infinity
    if (!stopped && asking < MAX_ASKING) for (const { askAt, asking: own } of targets.values()) if (own === 0 && askAt < next) next = askAt
    if (next === timerAt) return
    timer?.cancel()
    timerAt = next
    timer = next === Infinity ? undefined : clock.after(Math.max(0, next - clock.now()), () => {
      timer = undefined
      timerAt = Infinity
      pump()
    })
  }

  function relayed(target: Target, way: ReachPath, method: number, body: Uint8Array, options: OpenOptions): ClientExchange {
    const { peer } = target
    const now = clock.now()
    // An idle way is checked seldom: from now on often.
    if (now - target.usedAt > REFRESH && target.askAt > now + REFRESH) {
      askAfter(target, REFRESH)
      arm()
    }
    target.usedAt = now
    suggestions.used(target)
    const origin = target.member ? undefined : deps.origin?.()
    const head = { path: [self], target: peer, method, ticket: tickets.make(peer, way.via), ...(origin === undefined ? {} : { origin }) }
    const header = relayHeader(options.header, head, options.header?.hops ?? DEFAULT_HOPS)
    const exchange = rpc.open(way.via[0] as string, METHOD.RELAY, body, { ...options, header })
    exchange.answer.catch((error: unknown) => {
      if (!isRelayFault(error)) return
      if (target.relay === way) replace(target)
      else if (target.suggested === way) forget(target)
    })
    return exchange
  }

  function open(peer: string, method: number, body: Uint8Array, options: OpenOptions): ClientExchange {
    const target = targets.get(peer)
    const way = target?.path
    if (target === undefined || way?.kind !== 'relayed' || !(target.member ? RELAYABLE : RELAYABLE_FROM_AFAR).has(method)) return rpc.open(peer, method, body, options)
    return relayed(target, way, method, body, options)
  }

  async function other(peer: string, used: ReachPath | undefined, within: number): Promise<boolean> {
    const isOther = () => {
      const path = targets.get(peer)?.path
      return path !== undefined && path !== used && path.stalled !== true
    }
    if (isOther()) return true
    const target = targets.get(peer)
    if (target?.replacing !== true) {
      if (target?.member === true || deps.resolveAgain === undefined) return false
      await deps.resolveAgain(peer, within)
      return isOther()
    }
    return new Promise((resolve) => {
      const done = () => {
        limit.cancel()
        for (const stop of stops) stop()
        resolve(isOther())
      }
      const onNews = (changed: string) => {
        if (changed === peer) done()
      }
      const limit = clock.after(within, done)
      const stops = [lives.add(onNews), changes.add(onNews)]
    })
  }

  function suggest(peer: string, { via, rtt }: SuggestedWay): void {
    const [first] = via
    const toFirst = first === undefined ? undefined : targets.get(first)?.path
    if (toFirst === undefined || toFirst.stalled === true || rpc.session(first as string)?.draining === true) return
    // The hub itself may be reached over others only.
    const relays = [...toFirst.via, ...via]
    if (relays.length > MAX_RELAYS || new Set([self, peer, ...relays]).size < relays.length + 2) return
    const target = targetOf(peer)
    // The same way is the same object, so that nothing moves to it that is there.
    const way = target.suggested?.via.join() === relays.join() ? target.suggested : { kind: 'relayed' as const, via: relays, rtt }
    way.rtt = rtt
    suggestions.keep(target, way)
    settle(target)
  }

  const stopListening = [
    rpc.onSession(({ type, peer }) => (type === 'up' ? sessionUp(peer) : sessionDown(peer))),
    rpc.onCondition(readSession)
  ]
  for (const { peer } of rpc.sessions()) sessionUp(peer)
  answerReach({ self, clock, rpc, path: (peer) => targets.get(peer)?.path })

  return {
    open,
    call: (peer, method, body, options) => open(peer, method, body, options).answer,
    path: (peer) => targets.get(peer)?.path,
    other,
    onChange: (listener) => changes.add(listener),
    onLive: (listener) => lives.add(listener),
    suggest,
    live: () => [...targets.values()].flatMap((target) => (target.live ? [target.peer] : [])),
    memberUp(peer) {
      if (peer === self || targets.get(peer)?.member === true) return
      const target = targetOf(peer)
      target.member = true
      if (!target.direct) askAfter(target, NEW_GRACE)
      settle(target)
    },
    memberDown(peer) {
      const target = targets.get(peer)
      if (target === undefined) return
      target.member = false
      target.relay = undefined
      target.replacing = false
      target.askAt = Infinity
      settle(target)
    },
    stop() {
      stopped = true
      timer?.cancel()
      suggestions.stop()
      for (const stop of stopListening) stop()
      for (const { confirm } of targets.values()) confirm?.cancel()
    }
  }
}
