import type { Clock, Timer } from '../../base/clock.ts'
import { SkeinError, errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { Random } from '../../base/random.ts'
import type { Host } from '../host.ts'
import { createAddressBook, type BookEntry } from './address-book.ts'
import type { DiscoverySource } from './ports.ts'

export interface MeshOptions {
  /** Dial all who are no members up to this many at a time. */
  meshSize: number
  maxPeers: number
  /** ms */
  discoveryTimeout: number
  refreshInterval: number
  staleAfter: number
  dialTimeout: number
  /** Bootstrap methods in order: the next is tried when one has brought no authenticated connection. */
  bootstrap: DiscoverySource[]
  bootstrapRetries: number
  bootstrapTimeout: number
  /** Sources that run side by side all the time. */
  sources: DiscoverySource[]
}

/** Dials are paced: a TLS connection costs about 25 ms of CPU on both ends together. */
const DIALS_PER_SECOND = 5
/** Never give up, but a dead peer costs at most one dial in this time. */
const BACKOFF = { base: 1_000, cap: 60_000 }
/** Pause between rounds of bootstrap methods while nothing has worked. */
const BOOTSTRAP_BACKOFF = { base: 500, cap: 30_000 }

export interface Mesh {
  start(): void
  stop(): void
  /** Whom it would dial; never members. */
  entries(): BookEntry[]
}

/**
 * Finds the first members and strangers that belong here: bootstraps, discovers, and dials whoever is known and no member yet,
 * paced and for ever. Members are dialled by membership, which knows whether they live.
 * @param deps.isMember whether membership takes care of this peer, dead ones that it redials included; @default nobody
 */
export function createMesh(deps: { host: Host; clock: Clock; random: Random; logger: Logger; isMember?: (peer: string) => boolean }, options: MeshOptions): Mesh {
  const { host, clock, random, logger, isMember = () => false } = deps
  const book = createAddressBook({ maxPeers: Math.max(options.maxPeers, options.meshSize), staleAfter: options.staleAfter, backoff: BACKOFF, isMember }, random)
  const stopping = new AbortController()
  const dialling = new Set<string>()
  let timers: Timer[] = []

  async function discover(source: DiscoverySource): Promise<BookEntry[]> {
    if (stopping.signal.aborted) return []
    const controller = new AbortController()
    const onStop = () => controller.abort(stopping.signal.reason)
    stopping.signal.addEventListener('abort', onStop, { once: true })
    const timer = clock.after(options.discoveryTimeout, () => controller.abort(new SkeinError('SKEIN_DEADLINE', `discovery by ${source.name} took too long`)))
    try {
      const found = await source.find({ signal: controller.signal })
      const own = new Set(host.addresses())
      const others = found.filter(({ peer, address }) => peer !== host.self && !own.has(address)).slice(0, options.maxPeers)
      const now = clock.now()
      return [...new Set(others.map((candidate) => book.add(candidate, source.name, now)).filter((entry) => entry !== undefined))]
    } catch (error) {
      host.metrics.discovered(source.name, 'failure')
      logger.warn(`discovery by ${source.name} failed`, { error: errorMessage(error) })
      return []
    } finally {
      timer.cancel()
      stopping.signal.removeEventListener('abort', onStop)
    }
  }

  /** One dial; true only if both sides admitted each other. */
  async function dial(entry: BookEntry, timeout: number): Promise<boolean> {
    if (dialling.has(entry.key) || stopping.signal.aborted) return false
    dialling.add(entry.key)
    const controller = new AbortController()
    const onStop = () => controller.abort(stopping.signal.reason)
    stopping.signal.addEventListener('abort', onStop, { once: true })
    const timer = clock.after(timeout, () => controller.abort(new SkeinError('SKEIN_DEADLINE', 'the dial took too long')))
    try {
      const peer = await host.connect(entry.addresses, { signal: controller.signal, ...(entry.peer === undefined ? {} : { peer: entry.peer }) })
      if (entry.attempts > 0 || entry.peer === undefined) logger.info('connected', { peer, source: entry.source })
      book.succeeded(entry, peer, clock.now())
      host.metrics.discovered(entry.source, 'success')
      return true
    } catch (error) {
      if (!stopping.signal.aborted) {
        book.failed(entry, errorMessage(error), clock.now())
        host.metrics.discovered(entry.source, 'failure')
        logger.debug('dial failed', { peer: entry.key, source: entry.source, error: errorMessage(error) })
      }
      return false
    } finally {
      dialling.delete(entry.key)
      timer.cancel()
      stopping.signal.removeEventListener('abort', onStop)
    }
  }

  /** Methods in order, each with its retries, until one brings an authenticated connection; then again, slower, for ever. */
  async function bootstrap(round = 0): Promise<void> {
    for (const method of options.bootstrap) {
      for (let attempt = 0; attempt < options.bootstrapRetries; attempt++) {
        if (stopping.signal.aborted || host.peers().length > 0) return
        const entries = await discover(method)
        if (entries.length === 0) break
        const results = await Promise.all(entries.slice(0, DIALS_PER_SECOND).map((entry) => dial(entry, Math.min(options.bootstrapTimeout, options.dialTimeout))))
        if (results.includes(true)) return
      }
    }
    if (options.bootstrap.length === 0) return
    const ceiling = Math.min(BOOTSTRAP_BACKOFF.cap, BOOTSTRAP_BACKOFF.base * 2 ** Math.min(round, 16))
    again(ceiling / 2 + (random.float() * ceiling) / 2, () => void bootstrap(round + 1))
  }

  function refresh(): void {
    for (const source of options.sources) void discover(source)
    again(options.refreshInterval, refresh)
  }

  function dialNext(): void {
    again(1_000 / DIALS_PER_SECOND, dialNext)
    book.forgetMembers()
    const connected = new Set(host.peers())
    const strangers = [...connected].filter((peer) => !isMember(peer))
    if (strangers.length + dialling.size >= options.meshSize) return
    const next = book.due(clock.now()).find((entry) => entry.key !== host.self && !connected.has(entry.key) && !dialling.has(entry.key))
    if (next !== undefined) void dial(next, options.dialTimeout)
  }

  function again(ms: number, fn: () => void): void {
    if (stopping.signal.aborted) return
    const timer = clock.after(ms, () => {
      timers = timers.filter((other) => other !== timer)
      fn()
    })
    timers.push(timer)
  }

  return {
    start() {
      void bootstrap()
      refresh()
      dialNext()
    },
    stop() {
      stopping.abort(new SkeinError('SKEIN_CANCELLED', 'the node is stopping'))
      for (const timer of timers) timer.cancel()
      timers = []
    },
    entries() {
      book.forgetMembers()
      return book.entries()
    }
  }
}
