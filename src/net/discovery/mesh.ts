import type { Clock, Timer } from '../../base/clock.ts'
import { SkeinError, errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import type { Random } from '../../base/random.ts'
import type { Host } from '../host.ts'
import { createAddressBook, type BookEntry } from './address-book.ts'
import type { Candidate, DiscoverySource } from './ports.ts'

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

export interface MeshDeps {
  host: Host
  clock: Clock
  random: Random
  logger: Logger
  isMember?: (peer: string) => boolean
  wanted?: () => boolean
}

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
 * @param deps.wanted whether strangers are looked for now: in a federation of many pools most strangers belong elsewhere for ever; @default always
 */
export function createMesh(deps: MeshDeps, options: MeshOptions): Mesh {
  const { host, clock, random, logger, isMember = () => false, wanted = () => true } = deps
  const book = createAddressBook({ maxPeers: Math.max(options.maxPeers, options.meshSize), staleAfter: options.staleAfter, backoff: BACKOFF, isMember }, random)
  const stopping = new AbortController()
  const dialling = new Map<string, Promise<boolean>>()
  let timers: Timer[] = []

  function note(source: DiscoverySource, found: readonly Candidate[]): BookEntry[] {
    const own = new Set(host.addresses())
    const others = found.filter(({ peer, address }) => peer !== host.self && !own.has(address)).slice(0, options.maxPeers)
    const now = clock.now()
    return [...new Set(others.map((candidate) => book.add(candidate, source.name, now)).filter((entry) => entry !== undefined))]
  }

  /** Undefined: the source failed. */
  async function discover(source: DiscoverySource): Promise<BookEntry[] | undefined> {
    if (stopping.signal.aborted) return []
    const began = clock.now()
    const controller = new AbortController()
    const onStop = () => controller.abort(stopping.signal.reason)
    stopping.signal.addEventListener('abort', onStop, { once: true })
    const timer = clock.after(options.discoveryTimeout, () => controller.abort(new SkeinError('SKEIN_DEADLINE', `discovery by ${source.name} took too long`)))
    try {
      return note(source, await source.find({ signal: controller.signal }))
    } catch (error) {
      if (stopping.signal.aborted) return undefined
      host.metrics.discovered(source.name, 'failure', clock.now() - began, clock.wall())
      logger.warn(`discovery by ${source.name} failed`, { error: errorMessage(error) })
      return undefined
    } finally {
      timer.cancel()
      stopping.signal.removeEventListener('abort', onStop)
    }
  }

  /** True only if both sides admitted each other. Who asks while it is under way gets the same answer. */
  function dial(entry: BookEntry, timeout: number): Promise<boolean> {
    if (stopping.signal.aborted) return Promise.resolve(false)
    let running = dialling.get(entry.key)
    if (running === undefined) {
      const { key } = entry
      running = dialOnce(entry, timeout).finally(() => dialling.delete(key))
      dialling.set(key, running)
    }
    return running
  }

  async function dialOnce(entry: BookEntry, timeout: number): Promise<boolean> {
    const began = clock.now()
    const controller = new AbortController()
    const onStop = () => controller.abort(stopping.signal.reason)
    stopping.signal.addEventListener('abort', onStop, { once: true })
    const timer = clock.after(timeout, () => controller.abort(new SkeinError('SKEIN_DEADLINE', 'the dial took too long')))
    try {
      const peer = await host.connect(entry.addresses, { signal: controller.signal, ...(entry.peer === undefined ? {} : { peer: entry.peer }) })
      if (entry.attempts > 0 || entry.peer === undefined) logger.info('connected', { peer, source: entry.source })
      book.succeeded(entry, peer, clock.now())
      host.metrics.discovered(entry.source, 'success', clock.now() - began, clock.wall())
      return true
    } catch (error) {
      if (!stopping.signal.aborted) {
        book.failed(entry, errorMessage(error), clock.now())
        host.metrics.discovered(entry.source, 'failure', clock.now() - began, clock.wall())
        logger.debug('dial failed', { peer: entry.key, source: entry.source, error: errorMessage(error) })
      }
      return false
    } finally {
      timer.cancel()
      stopping.signal.removeEventListener('abort', onStop)
    }
  }

  /** Methods in order, each with its retries, until one brings an authenticated connection; then again, slower, for ever. */
  async function bootstrap(round = 0): Promise<void> {
    for (const method of options.bootstrap) {
      for (let attempt = 0; attempt < options.bootstrapRetries; attempt++) {
        if (stopping.signal.aborted || host.peers().length > 0) return
        const began = clock.now()
        const entries = await discover(method)
        // A list of nobody but this node is no attempt.
        if (entries?.length === 0) break
        const results = await Promise.all((entries ?? []).slice(0, DIALS_PER_SECOND).map((entry) => dial(entry, Math.min(options.bootstrapTimeout, options.dialTimeout))))
        if (stopping.signal.aborted) return
        host.metrics.bootstrapped(method.name, results.includes(true) ? 'success' : 'failure', clock.now() - began, clock.wall())
        if (results.includes(true)) return
        if (entries === undefined) break
      }
    }
    if (options.bootstrap.length === 0) return
    const ceiling = Math.min(BOOTSTRAP_BACKOFF.cap, BOOTSTRAP_BACKOFF.base * 2 ** Math.min(round, 16))
    again(ceiling / 2 + (random.float() * ceiling) / 2, () => void bootstrap(round + 1))
  }

  function refresh(): void {
    if (wanted()) for (const source of options.sources) void discover(source)
    again(options.refreshInterval, refresh)
  }

  function dialNext(): void {
    again(1_000 / DIALS_PER_SECOND, dialNext)
    book.forgetMembers()
    if (!wanted()) return
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
      for (const source of options.sources) source.onFound?.((found) => void (stopping.signal.aborted || note(source, found)))
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
