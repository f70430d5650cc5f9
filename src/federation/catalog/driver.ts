import type { Timer } from '../../base/clock.ts'
import { createListeners } from '../../base/listeners.ts'
import { openRecord, sealRecord } from '../../wire/catalog-record.ts'
import {
  decodeDefinitionsRequest, decodeDigestRequest, decodePush, encodeDefinitionsAnswer, encodeDigestAnswer, fitBody, MAX_DEFINITION_HOPS, MAX_DEFINITIONS_PER_REQUEST
} from '../../wire/catalog.ts'
import type { HubFacts, NodeRecord } from '../../wire/catalog-types.ts'
import { encodeCbor } from '../../wire/cbor.ts'
import type { DistantServer } from '../../wire/summary-types.ts'
import { RECORD_TTL } from './catalog.ts'
import { createDefinitionRelay } from './definition-relay.ts'
import { createDefinitions } from './definitions.ts'
import type { Announced, CatalogDriver, CatalogDriverOptions } from './driver-types.ts'
import type { Now } from './events.ts'
import { createFormerClaims } from './former-claims.ts'
import { buildLocal, cleanDescriptor } from './local.ts'
import { createCatalogMetrics } from './metrics.ts'
import { computeOffers, type Offers } from './offers.ts'
import { createPoolCatalog, type PoolCatalog } from './pool.ts'
import type { CatalogDeps, CatalogRequestKind, Descriptor } from './ports.ts'
import { sourcesOf, wantedDefinitions } from './sources.ts'

export type { Announced, CatalogDriver, CatalogDriverOptions } from './driver-types.ts'

/** Expiry, renewal and retries need no more precision than this, ms. */
const TICK_EVERY = 1_000
/** One exchange is at most 1 MiB: seconds on a slow line, ms. */
export const REQUEST_TIMEOUT = 10_000

/** Runs a catalog machine for each pool against clock and network, and joins what they hold. */
export function createCatalogDriver(deps: CatalogDeps, options: CatalogDriverOptions): CatalogDriver {
  const { clock, network } = deps
  const { federation, self } = options
  const logger = deps.logger.child({ area: 'catalog' })
  const metrics = createCatalogMetrics(deps.meter)
  const seal = options.seal ?? { seal: (record: NodeRecord) => sealRecord(record, options.signer), open: openRecord }
  const changeListeners = createListeners<[]>(logger, 'a listener of the catalog')
  const poolListeners = createListeners<[pool: string, open: boolean]>(logger, 'a listener for pools of the catalog')
  const pools = new Map<string, PoolCatalog>()
  const sessions = new Set<string>()
  const former = createFormerClaims()
  let abort = new AbortController()
  let timer: Timer | undefined
  let local = buildLocal([])
  let mine: { descriptor: Descriptor; hubOf: (pool: string) => HubFacts | undefined } | undefined
  let distant: readonly DistantServer[] = []
  let up: readonly string[] = []
  let offered: Offers | undefined
  let lastSync: { peer: string; at: number; pool: string } | undefined
  /** Several steps that belong together tell of their change once. */
  let holding = false
  let held = false
  const request = (peer: string, kind: CatalogRequestKind, body: Uint8Array, timeout = REQUEST_TIMEOUT) =>
    network.request(peer, kind, body, { signal: abort.signal, timeout })
  const definitions = createDefinitions({ clock, logger, metrics, request: (peer, body) => request(peer, 'definitions', body), onArrival: notify })
  const relay = createDefinitionRelay({
    clock, logger, metrics,
    here: (digest) => definitions.json(digest),
    sources: (digests) => sourcesOf(digests, { records: records(), live: livePeers(), distant, holders: deps.holders, up }),
    request: (peer, body, timeout) => request(peer, 'definitions', body, timeout)
  })

  deps.meter.onCollect(() => {
    metrics.records.set(records().length)
    metrics.tools.set(offers().servers.reduce((sum, server) => sum + server.tools.length, 0))
  })

  function now(): Now {
    return { mono: clock.now(), wall: Math.floor(clock.wall()) }
  }

  function records(): NodeRecord[] {
    if (pools.size === 1) return [...pools.values()].flatMap((pool) => pool.records())
    const newest = new Map<string, NodeRecord>()
    for (const pool of pools.values()) {
      for (const record of pool.records()) if (record.sequence > (newest.get(record.peer)?.sequence ?? -1)) newest.set(record.peer, record)
    }
    return [...newest.values()].sort((a, b) => (a.peer < b.peer ? -1 : 1))
  }

  function recordOf(peer: string): NodeRecord | undefined {
    const found = [...pools.values()].flatMap((pool) => pool.record(peer) ?? [])
    return found.reduce<NodeRecord | undefined>((newest, record) => (record.sequence > (newest?.sequence ?? -1) ? record : newest), undefined)
  }

  function livePeers(): ReadonlySet<string> {
    const [first, ...others] = [...pools.values()].map((pool) => pool.live())
    return others.length === 0 ? (first ?? new Set()) : new Set([...(first ?? []), ...others.flatMap((live) => [...live])])
  }

  function offers(): Offers {
    offered ??= computeOffers({
      self, records: records(), live: livePeers(), local: local.all, hidden: local.hidden, distant, former: former.list(),
      ...(options.maxTools === undefined ? {} : { maxDistantTools: options.maxTools() })
    })
    return offered
  }

  function notify(): void {
    changeListeners.tell()
  }

  function changed(): void {
    if (holding) {
      held = true
      return
    }
    offered = undefined
    definitions.want(wantedDefinitions(offers().servers, local.definitions, distant), new Set(distant.flatMap(({ from }) => from)))
    notify()
  }

  /** One change for all that `work` does. */
  function together(work: () => void): void {
    holding = true
    try {
      work()
    } finally {
      holding = false
      if (held) {
        held = false
        changed()
      }
    }
  }

  function describe(name: string, pool: PoolCatalog): boolean {
    if (mine === undefined) return false
    const hub = mine.hubOf(name)
    return pool.step({ type: 'local', servers: local.exposed, descriptor: hub === undefined ? mine.descriptor : { ...mine.descriptor, hub } })
  }

  function openPool(name: string): void {
    if (pools.has(name)) return
    const pool = createPoolCatalog(
      { network, logger, metrics, now, request, onChanged: changed, onSynced: (peer) => (lastSync = { peer, at: now().wall, pool: name }) },
      { federation, pool: name, self, random: deps.random, ...seal, syncEvery: options.syncEvery }
    )
    pools.set(name, pool)
    poolListeners.tell(name, true)
    together(() => {
      for (const peer of sessions) pool.step({ type: 'session-up', peer })
      describe(name, pool)
    })
  }

  function closePool(name: string): void {
    const pool = pools.get(name)
    if (pool === undefined) return
    pool.close()
    pools.delete(name)
    const { mono, wall } = now()
    for (const record of pool.records()) if (record.peer !== self) former.addRecord(record, mono + Math.max(0, record.expires - wall))
    poolListeners.tell(name, false)
    changed()
  }

  async function announce(within: number): Promise<Announced> {
    const answers = (await Promise.all([...pools.values()].map((pool) => pool.announce(within)))).flat()
    // Who is in two pools with us has to know it in both.
    const missed = new Set(answers.flatMap(({ peer, told }) => (told ? [] : [peer])))
    return { told: new Set(answers.map(({ peer }) => peer)).size - missed.size, missed: missed.size }
  }

  function answer(kind: CatalogRequestKind, body: Uint8Array, from: string): Uint8Array | Promise<Uint8Array> {
    if (kind === 'definitions') return answerDefinitions(body, from)
    if (kind === 'digest') {
      const asked = decodeDigestRequest(body)
      return encodeDigestAnswer(pools.get(asked.pool)?.digest(asked) ?? { records: [], wanted: [], more: false })
    }
    const push = decodePush(body)
    const pool = pools.get(push.pool)
    // One that we have just left: whoever pushes learns of it soon.
    if (pool === undefined) metrics.updates('push', 'foreign').inc()
    else pool.step({ type: 'push', push, from })
    return encodeCbor({})
  }

  function answerDefinitions(body: Uint8Array, from: string): Uint8Array | Promise<Uint8Array> {
    const { digests, hops = 0 } = decodeDefinitionsRequest(body)
    const wanted = [...new Set(digests)]
    const encode = (json: (digest: string) => Uint8Array | undefined) => {
      const found = wanted.flatMap((digest) => {
        const text = json(digest)
        return text === undefined ? [] : [{ digest, json: text }]
      })
      const count = fitBody(found.map((one) => one.json.length))
      return encodeDefinitionsAnswer({ definitions: found.slice(0, count), more: count < found.length })
    }
    if (hops === 0 || wanted.every((digest) => local.served.has(digest))) return encode((digest) => local.served.get(digest) ?? relay.json(digest))
    const lacking = wanted.filter((digest) => !local.served.has(digest))
    return relay.collect(lacking, hops, from).then((found) => encode((digest) => local.served.get(digest) ?? found.get(digest)))
  }

  function tick(): void {
    timer = clock.after(TICK_EVERY, tick)
    together(() => {
      for (const pool of pools.values()) pool.step({ type: 'tick' })
      if (former.expire(clock.now())) changed()
    })
    definitions.retry()
  }

  return {
    openPool,
    closePool,
    pools: () => [...pools.keys()],
    onPool: (listener) => poolListeners.add(listener),
    setLocal(servers, descriptor, hubOf = () => undefined) {
      const before = JSON.stringify(local.all) + [...local.hidden].join()
      const known = new Set(local.problems)
      local = buildLocal(servers)
      mine = { descriptor: cleanDescriptor(descriptor), hubOf }
      // The node describes itself again all the time: only news are worth a line.
      for (const problem of local.problems) if (!known.has(problem)) logger.warn(problem)
      together(() => {
        for (const [name, pool] of pools) describe(name, pool)
        // What is not exposed may have changed although no record did.
        if (before !== JSON.stringify(local.all) + [...local.hidden].join()) changed()
      })
    },
    setDistant(servers, above = []) {
      up = above
      if (servers === distant) return
      const kept = new Set(servers.map(({ key }) => key))
      former.add(distant.filter(({ key }) => !kept.has(key)), clock.now() + RECORD_TTL)
      distant = servers
      changed()
    },
    announce,
    sessionUp(peer) {
      if (peer === self || sessions.has(peer)) return
      sessions.add(peer)
      together(() => pools.forEach((pool) => pool.step({ type: 'session-up', peer })))
    },
    sessionDown(peer) {
      if (sessions.delete(peer)) together(() => pools.forEach((pool) => pool.step({ type: 'session-down', peer })))
    },
    memberUp: (pool, peer) => void pools.get(pool)?.step({ type: 'member-up', peer }),
    memberDown: (pool, peer) => void pools.get(pool)?.step({ type: 'member-down', peer }),
    onGossip: (pool, bytes, from) => void pools.get(pool)?.step({ type: 'gossip', bytes, from }),
    answer,
    offers,
    distant: () => distant,
    records: (pool) => (pool === undefined ? records() : (pools.get(pool)?.records() ?? [])),
    record: (peer, pool) => (pool === undefined ? recordOf(peer) : pools.get(pool)?.record(peer)),
    published: () => (mine === undefined ? [] : local.exposed),
    live: (pool) => pools.get(pool)?.live() ?? new Set(),
    lastSync: () => lastSync,
    definition: (digest) => local.definitions.get(digest) ?? definitions.get(digest) ?? relay.get(digest),
    async fetch(digests) {
      const missing = digests.filter((digest) => !local.definitions.has(digest) && definitions.get(digest) === undefined)
      await relay.collect(missing.slice(0, MAX_DEFINITIONS_PER_REQUEST), MAX_DEFINITION_HOPS)
    },
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
