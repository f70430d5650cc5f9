import type { Clock } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { decodeDefinitionsAnswer, encodeDefinitionsRequest, MAX_DEFINITIONS_PER_REQUEST } from '../../wire/catalog.ts'
import { parseDefinition } from './definitions.ts'
import type { CatalogMetrics } from './metrics.ts'
import type { Definition } from './ports.ts'

/** Definitions kept for others: what a hundred members ask for one after the other, not what this node lists itself. */
export const MAX_RELAY_BYTES = 16 * 1024 * 1024
/** Digests being fetched for others at a time: two full requests, and a bound on what strange ones can start. */
export const MAX_FETCHING = 1_000
/** Nodes asked for one digest: a tool has its node, or some child hub, or the hub above. */
export const MAX_SOURCES = 3
/** Each node that may ask another one has this much more time than that one, ms: all six together less than the 10 s of the first request. */
export const HOP_TIME = 1_500

export interface DefinitionRelayDeps {
  clock: Clock
  logger: Logger
  metrics: CatalogMetrics
  /** Canonical JSON of what this node has anyway; what it costs to make that is only paid once. */
  here(digest: string): Uint8Array | undefined
  /** Who can have them, for each the best first: nodes that offer it, hubs that told of it, the hub above. */
  sources(digests: ReadonlySet<string>): ReadonlyMap<string, readonly string[]>
  /** One encoded request; rejects on failure. */
  request(peer: string, body: Uint8Array, timeout: number): Promise<Uint8Array>
}

/** Definitions that this node fetches for others, or because somebody looked for a tool that it does not list. */
export interface DefinitionRelay {
  /** Of the last ones fetched; the same object as long as it is kept. */
  get(digest: string): Definition | undefined
  /** Canonical JSON of what is here. */
  json(digest: string): Uint8Array | undefined
  /**
   * What is here, or comes within HOP_TIME ms for each of `hops`; what nobody has is left out.
   * @param hops 0: nobody is asked @param asker is not asked itself
   */
  collect(digests: readonly string[], hops: number, asker?: string): Promise<Map<string, Uint8Array>>
}

export function createDefinitionRelay({ clock, logger, metrics, here, sources, request }: DefinitionRelayDeps): DefinitionRelay {
  /** Oldest first: a Map keeps the order of insertion. */
  const cache = new Map<string, { json: Uint8Array; definition: Definition | undefined }>()
  let total = 0
  /** By digest: one request for all that want it at the same time. */
  const inFlight = new Map<string, Promise<ReadonlyMap<string, Uint8Array>>>()

  /** @param definition undefined: kept elsewhere, and made again here when it is asked for */
  function keep(digest: string, json: Uint8Array, definition: Definition | undefined): void {
    if (cache.has(digest)) return
    cache.set(digest, { json, definition })
    total += json.length
    for (const [oldest, { json: old }] of cache) {
      if (total <= MAX_RELAY_BYTES) break
      cache.delete(oldest)
      total -= old.length
    }
    metrics.relayBytes.set(total)
  }

  function jsonOf(digest: string): Uint8Array | undefined {
    const known = cache.get(digest)?.json
    if (known !== undefined) return known
    const json = here(digest)
    // A hundred members ask for the same, one after the other.
    if (json !== undefined) keep(digest, json, undefined)
    return json
  }

  /** Asks one node until it has no more of them. */
  async function askOne(peer: string, digests: readonly string[], hops: number, deadline: number, got: Map<string, Uint8Array>): Promise<void> {
    try {
      for (let more = true; more; ) {
        const missing = digests.filter((digest) => !got.has(digest))
        const timeout = deadline - clock.now()
        if (missing.length === 0 || timeout <= 0) return
        const answer = decodeDefinitionsAnswer(await request(peer, encodeDefinitionsRequest({ digests: missing, hops: hops - 1 }), timeout))
        let arrived = 0
        for (const { digest, json } of answer.definitions) {
          const definition = missing.includes(digest) ? parseDefinition(digest, json) : undefined
          if (definition === undefined) continue
          arrived++
          got.set(digest, json)
          keep(digest, json, definition)
        }
        more = answer.more && arrived > 0
      }
    } catch (error) {
      logger.debug('could not fetch tool definitions for another node', { peer, error: errorMessage(error) })
    }
  }

  async function fetchAll(digests: readonly string[], hops: number, asker: string | undefined): Promise<ReadonlyMap<string, Uint8Array>> {
    const got = new Map<string, Uint8Array>()
    const deadline = clock.now() + hops * HOP_TIME
    const known = sources(new Set(digests))
    const candidates = new Map(digests.map((digest) => [digest, (known.get(digest) ?? []).filter((peer) => peer !== asker).slice(0, MAX_SOURCES)]))
    for (let turn = 0; turn < MAX_SOURCES; turn++) {
      const asks = new Map<string, string[]>()
      for (const [digest, peers] of candidates) {
        const peer = peers[turn]
        if (peer === undefined || got.has(digest)) continue
        const list = asks.get(peer)
        if (list === undefined) asks.set(peer, [digest])
        else list.push(digest)
      }
      if (asks.size === 0) break
      await Promise.all([...asks].map(([peer, list]) => askOne(peer, list, hops, deadline, got)))
    }
    metrics.relayed('ok').inc(got.size)
    metrics.relayed('missing').inc(digests.length - got.size)
    return got
  }

  return {
    get(digest) {
      const known = cache.get(digest)
      // Its own place may have forgotten what was passed on from there.
      if (known !== undefined) known.definition ??= parseDefinition(digest, known.json)
      return known?.definition
    },
    json: jsonOf,
    async collect(digests, hops, asker) {
      const found = new Map<string, Uint8Array>()
      const waits = new Set<Promise<ReadonlyMap<string, Uint8Array>>>()
      const missing: string[] = []
      for (const digest of new Set(digests)) {
        const json = jsonOf(digest)
        const flight = inFlight.get(digest)
        if (json !== undefined) found.set(digest, json)
        else if (flight !== undefined) waits.add(flight)
        else if (hops > 0 && missing.length < MAX_DEFINITIONS_PER_REQUEST && inFlight.size + missing.length < MAX_FETCHING) missing.push(digest)
      }
      if (missing.length > 0) {
        // Known to be under way before anybody is asked.
        const flight = Promise.resolve().then(() => fetchAll(missing, hops, asker)).finally(() => {
          for (const digest of missing) inFlight.delete(digest)
        })
        for (const digest of missing) inFlight.set(digest, flight)
        waits.add(flight)
      }
      for (const got of await Promise.all(waits)) for (const digest of digests) if (got.has(digest)) found.set(digest, got.get(digest) as Uint8Array)
      return found
    }
  }
}
