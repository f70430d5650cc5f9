import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { decodeDigestAnswer, encodeDigestRequest, encodePush, type DigestAnswer, type DigestRequest } from '../../wire/catalog.ts'
import type { NodeRecord } from '../../wire/catalog-types.ts'
import { createCatalog, type CatalogOptions } from './catalog.ts'
import type { CatalogEffect, CatalogEvent, Now } from './events.ts'
import type { CatalogMetrics } from './metrics.ts'
import type { CatalogDeps, CatalogRequestKind } from './ports.ts'

/** Senders of bad records named in the log, once each; the oldest is forgotten. */
const MAX_WARNED = 256

export interface PoolDeps extends Pick<CatalogDeps, 'network'> {
  logger: Logger
  metrics: CatalogMetrics
  now(): Now
  request(peer: string, kind: CatalogRequestKind, body: Uint8Array, timeout?: number): Promise<Uint8Array>
  /** What is offered may have changed. */
  onChanged(): void
  onSynced(peer: string): void
}

/** The catalog machine of one pool, run against the network. */
export interface PoolCatalog {
  /** True if `onChanged` was called. */
  step(event: CatalogEvent): boolean
  digest(request: DigestRequest): DigestAnswer
  records(): NodeRecord[]
  record(peer: string): NodeRecord | undefined
  live(): ReadonlySet<string>
  /** Hands the own record to every live member; of each whether it has answered within `within` ms. */
  announce(within: number): Promise<{ peer: string; told: boolean }[]>
  /** Answers that are still to come change nothing. */
  close(): void
}

export function createPoolCatalog(deps: PoolDeps, options: CatalogOptions): PoolCatalog {
  const { federation, pool } = options
  const { logger, metrics } = deps
  const catalog = createCatalog(options)
  const warned = new Set<string>()
  let closed = false

  function step(event: CatalogEvent): boolean {
    if (closed) return false
    const effects = catalog.step(event, deps.now())
    for (const effect of effects) if (effect.type !== 'changed') run(effect)
    // Last and once, when all records of the step are in.
    const told = effects.some((effect) => effect.type === 'changed')
    if (told) deps.onChanged()
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
      deps.network.publish(pool, bytes)
    } catch (error) {
      logger.error('a record could not be published', { pool, error: errorMessage(error) })
    }
  }

  function warnOnce(from: string, result: string, message = 'see protocols/catalog.md'): void {
    if (warned.has(from)) return
    warned.add(from)
    if (warned.size > MAX_WARNED) warned.delete(warned.values().next().value as string)
    logger.warn('a node sent a catalog record that cannot be used; it was ignored, and more from there will only be counted', { from, pool, result, reason: message })
  }

  async function exchange({ peer, request: digest }: Extract<CatalogEffect, { type: 'digest' }>): Promise<void> {
    try {
      const answer = decodeDigestAnswer(await deps.request(peer, 'digest', encodeDigestRequest(digest)))
      metrics.sync('ok').inc()
      deps.onSynced(peer)
      step({ type: 'answer', answer, from: peer })
    } catch (error) {
      metrics.sync('failed').inc()
      logger.debug('comparing catalogs failed; it is tried again', { peer, pool, error: errorMessage(error) })
      step({ type: 'digest-failed', peer })
    }
  }

  /** True if the peer has taken the records. */
  async function push(peer: string, body: Uint8Array, timeout?: number): Promise<boolean> {
    try {
      await deps.request(peer, 'push', body, timeout)
      metrics.pushes('ok').inc()
      return true
    } catch (error) {
      // The next comparison of digests finds what is missing.
      metrics.pushes('failed').inc()
      logger.debug('pushing records failed', { peer, pool, error: errorMessage(error) })
      return false
    }
  }

  return {
    step,
    digest: (request) => catalog.digest(request),
    records: () => catalog.records(),
    record: (peer) => catalog.record(peer),
    live: () => catalog.live(),
    announce(within) {
      const record = catalog.own()
      if (record === undefined) return Promise.resolve([])
      const body = encodePush({ federation, pool, records: [record] })
      // All at once: whoever came last in turns would be told last, and one that hangs would hold up the others.
      return Promise.all([...catalog.live()].map(async (peer) => ({ peer, told: await push(peer, body, within) })))
    },
    close() {
      closed = true
    }
  }
}
