import type { Timer } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import { createListeners } from '../../base/listeners.ts'
import { openRecord, sealRecord } from '../../wire/catalog-record.ts'
import {
  decodeDefinitionsRequest, decodeDigestAnswer, decodeDigestRequest, decodePush, encodeDefinitionsAnswer, encodeDigestAnswer, encodeDigestRequest, encodePush, fitBody
} from '../../wire/catalog.ts'
import type { NodeRecord } from '../../wire/catalog-types.ts'
import { encodeCbor } from '../../wire/cbor.ts'
import type { Signer } from '../../wire/envelope.ts'
import { createCatalog } from './catalog.ts'
import { createDefinitions } from './definitions.ts'
import type { CatalogEffect, CatalogEvent, Now } from './events.ts'
import { buildLocal, cleanDescriptor } from './local.ts'
import { createCatalogMetrics } from './metrics.ts'
import { computeOffers, type Offers } from './offers.ts'
import type { CatalogDeps, CatalogRequestKind, Definition, Descriptor, LocalServer, RecordSeal } from './ports.ts'

/** Expiry, renewal and retries need no more precision than this, ms. */
const TICK_EVERY = 1_000
/** One exchange is at most 1 MiB: seconds on a slow line, ms. */
export const REQUEST_TIMEOUT = 10_000
/** Senders of bad records named in the log, once each; the oldest is forgotten. */
const MAX_WARNED = 256

export interface CatalogDriverOptions {
  federation: string
  pool: string
  /** Own peer id. */
  self: string
  /** The node's key; `seal` may replace signing in simulations. */
  signer: Signer
  /** @default sealRecord and openRecord with `signer` */
  seal?: RecordSeal
  /** How often records are compared with a random peer, ms. @default 30 000 */
  syncEvery?: number
}

/** How the members took what they were told. */
export interface Announced {
  /** They have answered: they act on the record now. */
  told: number
  /** They have not, in time: they learn of it by gossip, or by the next comparison of digests. */
  missed: number
}

export interface CatalogDriver {
  /** Replaces what this node says about itself; publishes if it changed. Call it again after reload, drain, new addresses. */
  setLocal(servers: readonly LocalServer[], descriptor: Descriptor): void
  /**
   * Hands the own record to every member with a session and waits for the answers, at most `within` ms: who has answered acts on it
   * already, what gossip cannot promise.
   */
  announce(within: number): Promise<Announced>
  /** A usable session to an admitted peer exists. */
  sessionUp(peer: string): void
  /** None exists any more: the peer's tools are gone from `offers()` when this returns. */
  sessionDown(peer: string): void
  /** A member, alive or suspect: its record counts from now on. */
  memberUp(peer: string): void
  /** It left or was declared dead: its tools are gone from `offers()` when this returns. */
  memberDown(peer: string): void
  /** A message on the catalog topic; `from` is the peer that handed it over. Never throws. */
  onGossip(bytes: Uint8Array, from: string): void
  /** Answers another node's request. Throws SKEIN_PROTOCOL on malformed bodies. */
  answer(kind: CatalogRequestKind, body: Uint8Array, from: string): Uint8Array
  /** The same object until something changes. Tools and documents that are not here yet are included: see `definition`. */
  offers(): Offers
  /** All records held, the own one included, by peer id. */
  records(): NodeRecord[]
  /** The last comparison of digests that this node asked for and that worked; undefined: none yet. `at` in unix ms. */
  lastSync(): { peer: string; at: number } | undefined
  /** The record of one node, our own included. */
  record(peer: string): NodeRecord | undefined
  /** A tool's or a server's `about`: a local one, or an offered one that has been fetched. The same object as long as it is kept. */
  definition(digest: string): Definition | undefined
  /** Sentences: what other nodes cannot see although it is exposed, and why. */
  problems(): readonly string[]
  /** Offers changed or definitions arrived. Returns the way to stop. */
  onChange(listener: () => void): () => void
  start(): void
  stop(): void
}

/** Runs the catalog machine against clock and network. */
export function createCatalogDriver(deps: CatalogDeps, options: CatalogDriverOptions): CatalogDriver {
  const { clock, network } = deps
  const logger = deps.logger.child({ area: 'catalog' })
  const metrics = createCatalogMetrics(deps.meter)
  const seal = options.seal ?? { seal: (record: NodeRecord) => sealRecord(record, options.signer), open: openRecord }
  const catalog = createCatalog({ ...options, ...seal, random: deps.random })
  const changeListeners = createListeners<[]>(logger, 'a listener of the catalog')
  const warned = new Set<string>()
  let abort = new AbortController()
  let timer: Timer | undefined
  let local = buildLocal([])
  let offered: Offers | undefined
  let lastSync: { peer: string; at: number } | undefined
  const request = (peer: string, kind: CatalogRequestKind, body: Uint8Array, timeout = REQUEST_TIMEOUT) =>
    network.request(peer, kind, body, { signal: abort.signal, timeout })
  const definitions = createDefinitions({ clock, logger, metrics, request: (peer, body) => request(peer, 'definitions', body), onArrival: notify })

  deps.meter.onCollect(() => {
    metrics.records.set(catalog.records().length)
    metrics.tools.set(offers().servers.reduce((sum, server) => sum + server.tools.length, 0))
  })

  function now(): Now {
    return { mono: clock.now(), wall: Math.floor(clock.wall()) }
  }

  function offers(): Offers {
    offered ??= computeOffers({ self: options.self, records: catalog.records(), live: catalog.live(), local: local.all, hidden: local.hidden })
    return offered
  }

  function notify(): void {
    changeListeners.tell()
  }

  function changed(): void {
    offered = undefined
    const wanted = new Map<string, readonly string[]>()
    const want = (digest: string, providers: readonly string[]) => {
      if (local.definitions.has(digest)) return
      // Two servers may share a definition; any provider of either has it.
      const known = wanted.get(digest)
      wanted.set(digest, known === undefined ? providers : [...new Set([...known, ...providers])])
    }
    for (const { about, providers, tools } of offers().servers) {
      // First, for it is small and a whole view waits for it.
      if (about !== undefined) want(about, providers)
      for (const tool of tools) want(tool.digest, tool.providers)
    }
    definitions.want(wanted)
    notify()
  }

  /** True if listeners were told of a change. */
  function step(event: CatalogEvent): boolean {
    const effects = catalog.step(event, now())
    for (const effect of effects) if (effect.type !== 'changed') run(effect)
    // Last and once, when all records of the step are in.
    const told = effects.some((effect) => effect.type === 'changed')
    if (told) changed()
    return told
  }

  function run(effect: Exclude<CatalogEffect, { type: 'changed' }>): void {
    switch (effect.type) {
      case 'publish':
        return publish(effect.bytes)
      case 'digest':
        return void exchange(effect)
      case 'push':
        return void push(effect.peer, encodePush(effect.push))
      case 'counted':
        metrics.updates(effect.source, effect.result).inc()
        if (effect.result === 'bad' || effect.result === 'conflict' || effect.result === 'foreign') warnOnce(effect.from, effect.result, effect.message)
    }
  }

  function publish(bytes: Uint8Array): void {
    try {
      network.publish(bytes)
    } catch (error) {
      logger.error('a record could not be published', { error: errorMessage(error) })
    }
  }

  function warnOnce(from: string, result: string, message = 'see protocols/catalog.md'): void {
    if (warned.has(from)) return
    warned.add(from)
    if (warned.size > MAX_WARNED) warned.delete(warned.values().next().value as string)
    logger.warn('a node sent a catalog record that cannot be used; it was ignored, and more from there will only be counted', { from, result, reason: message })
  }

  async function exchange({ peer, request: digest }: Extract<CatalogEffect, { type: 'digest' }>): Promise<void> {
    try {
      const answer = decodeDigestAnswer(await request(peer, 'digest', encodeDigestRequest(digest)))
      metrics.sync('ok').inc()
      lastSync = { peer, at: now().wall }
      step({ type: 'answer', answer, from: peer })
    } catch (error) {
      metrics.sync('failed').inc()
      logger.debug('comparing catalogs failed; it is tried again', { peer, error: errorMessage(error) })
      step({ type: 'digest-failed', peer })
    }
  }

  /** True if the peer has taken the records. */
  async function push(peer: string, body: Uint8Array, timeout?: number): Promise<boolean> {
    try {
      await request(peer, 'push', body, timeout)
      metrics.pushes('ok').inc()
      return true
    } catch (error) {
      // The next comparison of digests finds what is missing.
      metrics.pushes('failed').inc()
      logger.debug('pushing records failed', { peer, error: errorMessage(error) })
      return false
    }
  }

  function answer(kind: CatalogRequestKind, body: Uint8Array, from: string): Uint8Array {
    if (kind === 'digest') return encodeDigestAnswer(catalog.digest(decodeDigestRequest(body)))
    if (kind === 'push') {
      step({ type: 'push', push: decodePush(body), from })
      return encodeCbor({})
    }
    const found = [...new Set(decodeDefinitionsRequest(body).digests)].flatMap((digest) => {
      const json = local.served.get(digest)
      return json === undefined ? [] : [{ digest, json }]
    })
    const count = fitBody(found.map(({ json }) => json.length))
    return encodeDefinitionsAnswer({ definitions: found.slice(0, count), more: count < found.length })
  }

  function tick(): void {
    timer = clock.after(TICK_EVERY, tick)
    step({ type: 'tick' })
    definitions.retry()
  }

  return {
    setLocal(servers, descriptor) {
      const before = JSON.stringify(local.all) + [...local.hidden].join()
      const known = new Set(local.problems)
      local = buildLocal(servers)
      // The node describes itself again all the time: only news are worth a line.
      for (const problem of local.problems) if (!known.has(problem)) logger.warn(problem)
      const told = step({ type: 'local', servers: local.exposed, descriptor: cleanDescriptor(descriptor) })
      // What is not exposed may have changed although the record did not.
      if (!told && before !== JSON.stringify(local.all) + [...local.hidden].join()) changed()
    },
    async announce(within) {
      const record = catalog.own()
      if (record === undefined) return { told: 0, missed: 0 }
      const body = encodePush({ federation: options.federation, pool: options.pool, records: [record] })
      // All at once: whoever came last in turns would be told last, and one that hangs would hold up the others.
      const told = await Promise.all([...catalog.live()].map((peer) => push(peer, body, within)))
      return { told: told.filter(Boolean).length, missed: told.filter((one) => !one).length }
    },
    sessionUp: (peer) => void step({ type: 'session-up', peer }),
    sessionDown: (peer) => void step({ type: 'session-down', peer }),
    memberUp: (peer) => void step({ type: 'member-up', peer }),
    memberDown: (peer) => void step({ type: 'member-down', peer }),
    onGossip: (bytes, from) => void step({ type: 'gossip', bytes, from }),
    answer,
    offers,
    records: () => catalog.records(),
    lastSync: () => lastSync,
    record: (peer) => catalog.record(peer),
    definition: (digest) => local.definitions.get(digest) ?? definitions.get(digest),
    problems: () => local.problems,
    onChange: (listener) => changeListeners.add(listener),
    start() {
      if (timer !== undefined) return
      abort = new AbortController()
      timer = clock.after(TICK_EVERY, tick)
    },
    stop() {
      timer?.cancel()
      timer = undefined
      abort.abort(new Error('the node is stopping'))
    }
  }
}
