import { createHash } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { canonicalJson } from '../../wire/canonical-json.ts'
import { decodeDefinitionsAnswer, encodeDefinitionsRequest, MAX_DEFINITION_HOPS, MAX_DEFINITIONS_PER_REQUEST } from '../../wire/catalog.ts'
import type { CatalogMetrics } from './metrics.ts'
import type { Definition } from './ports.ts'

/** Definitions of other nodes in memory: ten times what a model can read, and a bound on what a bad node can take. */
const MAX_DEFINITIONS = 20_000
const MAX_DEFINITIONS_BYTES = 64 * 1024 * 1024
/** A provider that failed is left alone this long, ms: sessions come back within seconds, bad nodes never. */
const PROVIDER_REST = 5_000
/** A definition that a provider did not have although its record says so: its record is about to change. A hub that could not get one may next time. */
const MISS_REST = 30_000
/** Deeper than any schema people write, shallow enough for every recursive reader. */
export const MAX_DEPTH = 64

export interface DefinitionsDeps {
  clock: Clock
  logger: Logger
  metrics: CatalogMetrics
  /** Sends one encoded request; rejects on failure. */
  request(peer: string, body: Uint8Array): Promise<Uint8Array>
  /** Some definitions arrived. */
  onArrival(): void
}

/** Definitions of other nodes' tools, and what their servers say about themselves: fetched by digest, checked, kept. */
export interface Definitions {
  get(digest: string): Definition | undefined
  /** Canonical JSON of what is kept; undefined: it is not, or its writer did not write it canonically. */
  json(digest: string): Uint8Array | undefined
  /**
   * Everything that is offered now: digest -> providers, the best first. Fetches what is missing.
   * @param relaying hubs among them: they are asked to fetch what they lack @default none
   */
  want(wanted: ReadonlyMap<string, readonly string[]>, relaying?: ReadonlySet<string>): void
  /** Tries again what failed and has rested. */
  retry(): void
}

interface Cached {
  definition: Definition
  bytes: number
}

export function createDefinitions(deps: DefinitionsDeps): Definitions {
  const { clock, logger, metrics } = deps
  /** Oldest first: a Map keeps the order of insertion. */
  const cache = new Map<string, Cached>()
  let total = 0
  let wanted: ReadonlyMap<string, readonly string[]> = new Map()
  let relaying: ReadonlySet<string> = new Set()
  const inFlight = new Set<string>()
  /** Peers being asked now. */
  const busy = new Set<string>()
  /** Peer, or `peer digest`, to the monotonic ms until which it rests; pruned with `wanted`. */
  const resting = new Map<string, number>()
  let full = false

  /** Makes room by dropping the oldest that nobody offers any more; false if there is none. */
  function makeRoom(bytes: number): boolean {
    for (const [digest, old] of cache) {
      if (cache.size < MAX_DEFINITIONS && total + bytes <= MAX_DEFINITIONS_BYTES) return true
      if (wanted.has(digest)) continue
      cache.delete(digest)
      total -= old.bytes
    }
    return cache.size < MAX_DEFINITIONS && total + bytes <= MAX_DEFINITIONS_BYTES
  }

  function rests(key: string): boolean {
    return (resting.get(key) ?? 0) > clock.now()
  }

  /** The missing digests by the provider to ask: spread by always taking the first one that is free to ask. */
  function plan(): Map<string, string[]> {
    const asks = new Map<string, string[]>()
    for (const [digest, providers] of wanted) {
      if (cache.has(digest) || inFlight.has(digest)) continue
      const able = providers.filter((peer) => !rests(peer) && !rests(`${peer} ${digest}`))
      const peer = able.find((one) => !busy.has(one) && (asks.get(one)?.length ?? 0) < MAX_DEFINITIONS_PER_REQUEST)
      if (peer === undefined) continue
      const list = asks.get(peer)
      if (list === undefined) asks.set(peer, [digest])
      else list.push(digest)
    }
    return asks
  }

  function fetchMissing(): void {
    if (full) return
    for (const [peer, digests] of plan()) void ask(peer, digests)
  }

  async function ask(peer: string, digests: readonly string[]): Promise<void> {
    busy.add(peer)
    for (const digest of digests) inFlight.add(digest)
    let arrived = 0
    const relays = relaying.has(peer)
    try {
      const answer = decodeDefinitionsAnswer(await deps.request(peer, encodeDefinitionsRequest({ digests: [...digests], ...(relays ? { hops: MAX_DEFINITION_HOPS } : {}) })))
      const asked = new Set(digests)
      for (const { digest, json } of answer.definitions) {
        if (asked.has(digest) && wanted.has(digest) && keep(peer, digest, json)) arrived++
      }
      const missing = digests.filter((digest) => !cache.has(digest))
      // With `more` the rest is still to come, unless nothing comes at all.
      if (!answer.more || arrived === 0) for (const digest of missing) resting.set(`${peer} ${digest}`, clock.now() + (relays ? PROVIDER_REST : MISS_REST))
      metrics.fetches('ok').inc()
    } catch (error) {
      metrics.fetches('failed').inc()
      logger.debug('could not fetch tool definitions', { peer, error: errorMessage(error) })
      resting.set(peer, clock.now() + PROVIDER_REST)
    } finally {
      busy.delete(peer)
      for (const digest of digests) inFlight.delete(digest)
    }
    metrics.definitions.set(cache.size)
    metrics.definitionBytes.set(total)
    if (arrived > 0) deps.onArrival()
    fetchMissing()
  }

  function keep(peer: string, digest: string, json: Uint8Array): boolean {
    if (cache.has(digest)) return false
    const definition = parseDefinition(digest, json)
    if (definition === undefined) {
      metrics.fetches('bad').inc()
      logger.warn('a node sent a tool definition that does not match its digest; it was ignored', { peer, digest })
      return false
    }
    if (!makeRoom(json.length)) {
      if (!full) logger.warn('too many tool definitions: the rest of the federation’s tools is not listed; use fewer exposed tools', { kept: cache.size })
      full = true
      metrics.fetches('full').inc()
      return false
    }
    cache.set(digest, { definition, bytes: json.length })
    total += json.length
    return true
  }

  return {
    get: (digest) => cache.get(digest)?.definition,
    json(digest) {
      const cached = cache.get(digest)
      if (cached === undefined) return undefined
      const json = new Uint8Array(Buffer.from(canonicalJson(cached.definition)))
      return sha256(json) === digest ? json : undefined
    },
    want(next, hubs = new Set()) {
      wanted = next
      relaying = hubs
      full = false
      const providers = new Set([...next.values()].flat())
      for (const [key, until] of resting) {
        const [peer = '', digest] = key.split(' ')
        if (until <= clock.now() || !providers.has(peer) || (digest !== undefined && !next.has(digest))) resting.delete(key)
      }
      fetchMissing()
    },
    retry: fetchMissing
  }
}

/** The definition if the bytes match the digest and are a JSON object of sane depth. */
export function parseDefinition(digest: string, json: Uint8Array): Definition | undefined {
  if (sha256(json) !== digest) return undefined
  try {
    const value: unknown = JSON.parse(Buffer.from(json).toString('utf8'))
    const object = typeof value === 'object' && value !== null && !Array.isArray(value)
    return object && isShallow(value, MAX_DEPTH) ? (value as Definition) : undefined
  } catch {
    return undefined
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  return depth > 0 && Object.values(value).every((item) => isShallow(item, depth - 1))
}
