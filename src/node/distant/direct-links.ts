import type { Clock, Timer } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { SessionInfo } from '../../rpc/types.ts'
import type { DirectLinkMetrics } from './metrics.ts'

/** So many calls within so long, ms, are worth a connection … */
const CALLS = 3
const WITHIN = 30_000
/** … for few: each costs both sides a connection beside those of their pools. */
export const MAX_LINKS = 32
/** Dials at a time. */
const MAX_DIALS = 4
/** Of those that a hub says; a node has a few interfaces. */
const MAX_ADDRESSES = 16
/** Nobody waits for it, ms. */
const DIAL_TIMEOUT = 5_000
/** Without a call it is closed, ms, … */
const IDLE = 300_000
/** … and when the dial failed none is made for so long, ms: a node behind a firewall stays there. */
const AGAIN_AFTER = 300_000
/** How often the links are looked through, ms. */
const SWEEP = 30_000
/** Peers whose calls are counted; the least recently called one goes. */
const MAX_COUNTED = 1_024

export interface DirectLinkDeps {
  clock: Clock
  logger: Logger
  metrics: DirectLinkMetrics
  connect(peer: string, addresses: readonly string[], options: { signal: AbortSignal }): Promise<unknown>
  disconnect(peer: string): Promise<void>
  session(peer: string): Pick<SessionInfo, 'inFlight' | 'inService'> | undefined
  /** It is in a pool of this node now: that decides about its connection. */
  isMember(peer: string): boolean
}

/** Connections to providers of other pools that are called often, so that hubs need not pass everything on. */
export interface DirectLinks {
  /** A call leaves for this peer, over whatever way. @param addresses multiaddrs without /p2p */
  called(peer: string, addresses: readonly string[]): void
  /** Without waiting for calls: whether there is a connection then, kept like the others. Never rejects. */
  connect(peer: string, addresses: readonly string[], options: { signal: AbortSignal }): Promise<boolean>
  /**
   * Asked before a connection is closed because no pool has the peer: whether it stays. It does if it is one of these, and one over which
   * calls run becomes one, so that they are not cut off because one of both has changed its pool.
   */
  keeps(peer: string): boolean
  stop(): void
}

interface Counted {
  /** Of the last calls, ms, oldest first; at most CALLS. */
  calls: number[]
  /** No dial before, ms. */
  notBefore: number
}

export function createDirectLinks(deps: DirectLinkDeps): DirectLinks {
  const { clock, logger, metrics } = deps
  const counted = new Map<string, Counted>()
  /** When each was called last, ms. */
  const links = new Map<string, number>()
  const dialling = new Map<string, AbortController>()
  let timer: Timer | undefined
  let stopped = false

  function countedOf(peer: string): Counted {
    const one = counted.get(peer) ?? { calls: [], notBefore: -Infinity }
    counted.delete(peer)
    counted.set(peer, one)
    if (counted.size > MAX_COUNTED) counted.delete(counted.keys().next().value as string)
    return one
  }

  function keep(peer: string): void {
    links.set(peer, clock.now())
    metrics.links.set(links.size)
    timer ??= clock.after(SWEEP, sweep)
  }

  async function dial(peer: string, addresses: readonly string[], one: Counted, signal?: AbortSignal): Promise<boolean> {
    const controller = new AbortController()
    dialling.set(peer, controller)
    const limit = clock.after(DIAL_TIMEOUT, () => controller.abort(new Error('the dial took too long')))
    const giveUp = () => controller.abort(signal?.reason)
    signal?.addEventListener('abort', giveUp, { once: true })
    try {
      await deps.connect(peer, addresses.slice(0, MAX_ADDRESSES), { signal: controller.signal })
      if (stopped) return false
      metrics.dials('ok').inc()
      keep(peer)
      logger.debug('a distant provider is connected directly now', { peer })
      return true
    } catch (error) {
      metrics.dials('failed').inc()
      one.notBefore = clock.now() + AGAIN_AFTER
      logger.debug('a distant provider cannot be connected directly', { peer, error: errorMessage(error) })
      return false
    } finally {
      limit.cancel()
      signal?.removeEventListener('abort', giveUp)
      dialling.delete(peer)
    }
  }

  function sweep(): void {
    timer = undefined
    for (const [peer, at] of links) {
      const session = deps.session(peer)
      if (session === undefined || deps.isMember(peer)) links.delete(peer)
      else if (clock.now() - at >= IDLE && session.inFlight + session.inService === 0) {
        links.delete(peer)
        deps.disconnect(peer).catch((error: unknown) => logger.debug('an idle connection was not closed in order', { peer, error: errorMessage(error) }))
      }
    }
    metrics.links.set(links.size)
    if (links.size > 0) timer = clock.after(SWEEP, sweep)
  }

  const isFull = () => dialling.size >= MAX_DIALS || links.size + dialling.size >= MAX_LINKS

  return {
    async connect(peer, addresses, { signal }) {
      if (stopped || signal.aborted) return false
      if (links.has(peer) && deps.session(peer) !== undefined) return true
      if (dialling.has(peer) || isFull()) return false
      if (deps.session(peer) === undefined) return addresses.length > 0 && dial(peer, addresses, countedOf(peer), signal)
      keep(peer)
      return true
    },
    called(peer, addresses) {
      if (stopped) return
      const now = clock.now()
      if (links.has(peer)) links.set(peer, now)
      if (deps.session(peer) !== undefined) return
      const one = countedOf(peer)
      one.calls.push(now)
      if (one.calls.length > CALLS) one.calls.shift()
      const often = one.calls.length === CALLS && now - (one.calls[0] as number) <= WITHIN
      if (!often || addresses.length === 0 || now < one.notBefore || dialling.has(peer) || isFull()) return
      void dial(peer, addresses, one)
    },
    keeps(peer) {
      const session = deps.session(peer)
      if (links.has(peer) || dialling.has(peer)) return true
      if (stopped || session === undefined || session.inFlight + session.inService === 0 || links.size >= MAX_LINKS) return false
      keep(peer)
      return true
    },
    stop() {
      stopped = true
      timer?.cancel()
      for (const controller of dialling.values()) controller.abort(new Error('the node stops'))
    }
  }
}
