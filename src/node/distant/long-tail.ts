import type { Clock } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { ownerOf, type ResolvedProvider } from '../../wire/summary-types.ts'
import type { FindProviders } from '../members/paths-setup.ts'
import type { LongTailMetrics } from './metrics.ts'

/** The DHT has so long to name somebody, ms … */
export const LOOK_WITHIN = 1_000
/** … and all together may take so long: a call waits for ten seconds, and hubs are asked first. */
export const SEARCH_WITHIN = 2_000
/** Providers connected for one server: one may be gone, and one may lie. */
export const MAX_PEERS = 4
/** Not asked again before, ms: when somebody was found and is still connected, … */
const AGAIN_WHEN_FOUND = 30_000
/** … is gone by now, … */
const AGAIN_WHEN_LOST = 2_000
/** … or nobody was found: who is missing may be just starting, and a search that met a slow node says little. So a call lives to see some more, … */
export const AGAIN_WHEN_NONE = 1_000
/** … after twice the pause each, up to this. */
export const AGAIN_AT_LAST = 10_000
/** Given out so long, ms, while connected. */
const KEPT = 60_000
/** Searches at a time, each for one server; one more is begun by the next question of its call. */
export const MAX_SEARCHES = 4
/** Servers remembered; the one searched longest ago goes. */
const MAX_REMEMBERED = 256

export interface LongTailDeps {
  self: string
  clock: Clock
  logger: Logger
  metrics: LongTailMetrics
  find: FindProviders
  /** Where a peer listens, as far as anybody has said. */
  addressesOf(peer: string): Promise<readonly string[]>
  /** Whether there is a connection then. Never rejects. */
  connect(peer: string, addresses: readonly string[], options: { signal: AbortSignal }): Promise<boolean>
  /** There is a way to it now. */
  isUp(peer: string): boolean
  /** In a pool of this node: its record says what it offers, whatever the DHT says. */
  isMember(peer: string): boolean
}

/**
 * Providers of servers that no hub names, from the DHT. What it says is a hint: a key with an owner leads to that peer alone, whose id the
 * connection proves; for any other, whoever says to have the server may answer for it, as with every name in the federation, and only for itself.
 * Whether it offers it is seen when it is called.
 */
export interface LongTail {
  /** Found lately, and to be reached now. @param key `summaryKey` of the server */
  known(key: string): readonly ResolvedProvider[]
  /** Searches in the background, unless it did so lately. */
  search(key: string): void
  stop(): void
}

interface Searched {
  /** Connected then, with their addresses. */
  peers: ReadonlyMap<string, readonly string[]>
  /** When they were found, ms. */
  foundAt: number
  /** When the last search ended, ms; undefined: it runs. */
  endedAt: number | undefined
  /** Searches in a row that found nobody. */
  fruitless: number
}

export function createLongTail(deps: LongTailDeps): LongTail {
  const { self, clock, logger, metrics } = deps
  /** By key, those searched last at the end. */
  const searched = new Map<string, Searched>()
  const life = new AbortController()
  let running = 0

  async function look(key: string): Promise<ReadonlyMap<string, readonly string[]>> {
    const owner = ownerOf(key)
    const name = owner === undefined ? key : key.slice(0, -owner.length - 1)
    const connected = new Map<string, readonly string[]>()
    if (owner !== undefined && (owner === self || deps.isMember(owner))) return connected
    const searching = new AbortController()
    const looking = new AbortController()
    const timers = [
      clock.after(SEARCH_WITHIN, () => searching.abort(new Error('the search in the DHT took too long'))),
      clock.after(LOOK_WITHIN, () => looking.abort(new Error('the DHT took too long')))
    ]
    const signal = AbortSignal.any([searching.signal, life.signal])
    const dials = new Map<string, Promise<void>>()
    const meet = (peer: string, addresses: readonly string[]) => {
      const made = deps.connect(peer, addresses, { signal }).then((ok) => void (ok && connected.set(peer, addresses)))
      dials.set(peer, made)
    }
    const stored = owner === undefined ? [] : await deps.addressesOf(owner)
    try {
      for await (const { peer, addresses } of deps.find('server', name, { signal: AbortSignal.any([signal, looking.signal]) })) {
        if (dials.has(peer) || peer === self || (owner !== undefined && peer !== owner) || deps.isMember(peer)) continue
        meet(peer, [...new Set([...addresses, ...stored])])
        if (owner !== undefined || dials.size >= MAX_PEERS) break
      }
    } catch (error) {
      logger.debug('the DHT did not say everything about a server', { server: key, error: errorMessage(error) })
    }
    if (owner !== undefined && dials.size === 0 && stored.length > 0) meet(owner, stored)
    await Promise.all(dials.values())
    for (const timer of timers) timer.cancel()
    metrics.searches(connected.size > 0 ? 'found' : dials.size > 0 ? 'unreached' : 'none').inc()
    return connected
  }

  /** When the next search may begin, ms. */
  function due({ peers, endedAt, fruitless }: Searched): number {
    if (endedAt === undefined) return Infinity
    if (fruitless > 0) return endedAt + Math.min(AGAIN_AT_LAST, AGAIN_WHEN_NONE * 2 ** (fruitless - 1))
    return endedAt + ([...peers.keys()].some(deps.isUp) ? AGAIN_WHEN_FOUND : AGAIN_WHEN_LOST)
  }

  function put(key: string, entry: Searched): void {
    searched.delete(key)
    searched.set(key, entry)
    if (searched.size > MAX_REMEMBERED) searched.delete(searched.keys().next().value as string)
  }

  return {
    known(key) {
      const last = searched.get(key)
      if (last === undefined || clock.now() - last.foundAt > KEPT) return []
      return [...last.peers].filter(([peer]) => deps.isUp(peer) && !deps.isMember(peer)).map(([peer, addresses]) => ({ peer, name: '', via: [], addresses, region: '' }))
    },
    search(key) {
      const last = searched.get(key)
      if (life.signal.aborted || running >= MAX_SEARCHES || (last !== undefined && clock.now() < due(last))) return
      running++
      // What was known counts until there is an answer.
      const before = { peers: last?.peers ?? new Map<string, readonly string[]>(), foundAt: last?.foundAt ?? -Infinity, fruitless: last?.fruitless ?? 0 }
      put(key, { ...before, endedAt: undefined })
      look(key)
        .catch((error: unknown) => {
          logger.debug('the search in the DHT failed', { server: key, error: errorMessage(error) })
          return new Map<string, readonly string[]>()
        })
        .then((peers) => {
          running--
          const endedAt = clock.now()
          put(key, peers.size > 0 ? { peers, foundAt: endedAt, endedAt, fruitless: 0 } : { ...before, endedAt, fruitless: before.fruitless + 1 })
        })
        .catch((error: unknown) => logger.error('a search in the DHT was not ended', { server: key, error: errorMessage(error) }))
    },
    stop: () => life.abort(new Error('the node stops'))
  }
}
