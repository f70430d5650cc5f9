import type { Clock, Timer } from '../../base/clock.ts'
import { errorMessage, SkeinError } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { PassingMetrics } from './metrics.ts'

/** Kept so long, ms: the next questions of the same lookup, or of the next name, mostly go there too. */
const KEPT = 10_000
/** One that is so old may go before its time, when others need its place, ms. */
const GIVES_WAY = 2_000
/** Connections at a time: two lookups, each of which asks some eight nodes. */
export const MAX_PASSING = 16
/** Dials at a time … */
const MAX_DIALS = 6
/** … and within a minute: answers name whom they like, and nobody shall have this node dial all day. */
export const MAX_PER_MINUTE = 60
const MINUTE = 60_000
/** A lookup has not more time than that itself, ms. */
const DIAL_TIMEOUT = 2_000

export interface PassingLinkDeps {
  clock: Clock
  logger: Logger
  metrics: PassingMetrics
  connect(peer: string, addresses: readonly string[], options: { signal: AbortSignal }): Promise<unknown>
  disconnect(peer: string): Promise<void>
  /** Somebody else on this node uses the connection by now: it is theirs. */
  isNeeded(peer: string): boolean
}

/** Connections to nodes of other pools for questions to the DHT: few, and closed soon. */
export interface PassingLinks {
  /** Resolves when the peer is connected; rejects when it cannot be, too many are, or with the reason of `signal`. @param addresses multiaddrs */
  meet(peer: string, addresses: readonly string[], options: { signal: AbortSignal }): Promise<void>
  stop(): void
}

export function createPassingLinks(deps: PassingLinkDeps): PassingLinks {
  const { clock, logger, metrics } = deps
  /** When each was made, ms, oldest first. */
  const links = new Map<string, number>()
  const dialling = new Map<string, Promise<void>>()
  const life = new AbortController()
  let minute = { since: -Infinity, dials: 0 }
  let timer: Timer | undefined

  function close(peer: string): void {
    links.delete(peer)
    if (deps.isNeeded(peer)) return
    deps.disconnect(peer).catch((error: unknown) => logger.debug('a connection for the DHT was not closed in order', { peer, error: errorMessage(error) }))
  }

  function sweep(): void {
    timer = undefined
    const now = clock.now()
    for (const [peer, at] of links) if (now - at >= KEPT) close(peer)
    arm()
  }

  function arm(): void {
    const [oldest] = links.values()
    if (oldest !== undefined) timer ??= clock.after(Math.max(0, oldest + KEPT - clock.now()), sweep)
  }

  /** Whether one more dial may be made now; closes the oldest connection where that makes room. */
  function room(): boolean {
    const now = clock.now()
    if (now - minute.since >= MINUTE) minute = { since: now, dials: 0 }
    if (life.signal.aborted || dialling.size >= MAX_DIALS || minute.dials >= MAX_PER_MINUTE) return false
    if (links.size + dialling.size < MAX_PASSING) return true
    const [oldest] = links
    if (oldest === undefined || now - oldest[1] < GIVES_WAY) return false
    close(oldest[0])
    return true
  }

  /** Goes on when its lookup is over: the connection may be somebody's by then, and giving up would close it for all. */
  async function dial(peer: string, addresses: readonly string[]): Promise<void> {
    minute.dials++
    const late = new AbortController()
    const limit = clock.after(DIAL_TIMEOUT, () => late.abort(new Error('the dial took too long')))
    try {
      await deps.connect(peer, addresses, { signal: AbortSignal.any([late.signal, life.signal]) })
      metrics.dials('ok').inc()
      links.set(peer, clock.now())
      arm()
    } catch (error) {
      metrics.dials('failed').inc()
      throw error
    } finally {
      limit.cancel()
      dialling.delete(peer)
    }
  }

  return {
    meet(peer, addresses, { signal }) {
      const running = dialling.get(peer)
      if (running !== undefined) return orAborted(running, signal)
      if (addresses.length === 0 || !room()) {
        metrics.dials('refused').inc()
        const why = addresses.length === 0 ? 'nobody says where it listens' : 'this node dials enough others for the DHT'
        return Promise.reject(new SkeinError('SKEIN_DIAL_FAILED', `${peer} is not asked: ${why}`))
      }
      const made = dial(peer, addresses)
      dialling.set(peer, made)
      return orAborted(made, signal)
    },
    stop() {
      timer?.cancel()
      life.abort(new Error('the node stops'))
    }
  }
}

async function orAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(signal.reason as Error)
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  try {
    await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
