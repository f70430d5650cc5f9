import type { Timer } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import { createListeners } from '../../base/listeners.ts'
import { METHOD } from '../../wire/protocols.ts'
import {
  decodeChanged, decodeResolveRequest, decodeSearchRequest, decodeSyncRequest, encodeResolveAnswer, encodeSearchAnswer, encodeSyncAnswer, encodeTaken, MAX_RESOLVED, ROWS_BUDGET,
  type SearchRequest, type SyncAnswer, type SyncRequest
} from '../../wire/summary.ts'
import { readBody, rowBytes, type SummaryBody, type SummaryRow } from '../../wire/summary-row.ts'
import type { NodeRecord } from '../../wire/catalog-types.ts'
import type { DistantServer, FoundTools, ResolvedProvider } from '../../wire/summary-types.ts'
import { createAudiences, type Audience } from './audiences.ts'
import { createClaims } from './claims.ts'
import { holdersOf } from './holders.ts'
import { createInterest } from './interest.ts'
import { createLater } from './later.ts'
import { linesOf } from './lines.ts'
import { mergeParts } from './merge.ts'
import { createDistantList } from './distant-list.ts'
import { collect, createSummaryMetrics } from './metrics.ts'
import type { Edges, SummaryDeps, SummaryWay } from './ports.ts'
import { createReader } from './reader.ts'
import { createResolver } from './resolve.ts'
import { searchUp } from './search.ts'
import { createShelf } from './shelf.ts'
import { createSources, isUnreadable, KEEP_LOST } from './sources.ts'
import { createTeller, FIRST_AFTER, TELL_EVERY } from './teller.ts'
import { ownRows } from './own-rows.ts'
import { createWarning } from './implausible.ts'

/** A new hub collects its tables first; after this time it tells what it has, ms. */
export const WARM_UP = 10_000
/** Questions of others have no longer, ms: whoever has given up does not say so. */
export const ANSWER_WITHIN = 10_000
const OWN_SESSION: SummaryWay = { kind: 'direct', via: [] }
/** Interests are renewed far more often than they end, ms. */
const TIDY_EVERY = 30_000

export interface SummaryOptions {
  /** Own peer id. */
  self: string
  /** Tools in the tables for members, and in `distant()`, until `setMaxTools` says otherwise: catalog.max_tools. */
  maxTools: number
}

/** What is offered beyond the pools of a node: tables up and down the tree of hubs (protocols/summary.md). */
export interface Summary {
  /** The edges of this node; to be called at every change of them. */
  setEdges(edges: Edges): void
  /** The federation agreed on another number of tools: the tables are cut anew. */
  setMaxTools(maxTools: number): void
  /** The records of an own pool changed. */
  catalogChanged(): void
  /** What this node can see beyond its pools: the nearest, each child in turn, at most `maxTools` tools, and what it was interested in. The same object until it changes. */
  distant(): readonly DistantServer[]
  /** The hub of this pool is the one above, and its table is all here, or cannot be had. */
  complete(pool: string): boolean
  /** The one that leads this pool says that it does not, and nobody has come in its stead for 15 s. */
  disowned(pool: string): boolean
  /** Hubs whose tables tell of these definitions: digest -> peers, those below first. Also of what `distant()` has no room for. */
  holders(digests: ReadonlySet<string>): ReadonlyMap<string, readonly string[]>
  /** `distant()` changed. Returns the way to stop. */
  onChange(listener: () => void): () => void
  /**
   * The nodes that provide a server, nearest first, at most 8; [] = nobody, or nobody answered. Rejects only with the reason of `signal`.
   * @param options.tool only nodes that have it; their digest of it is told
   * @param options.fresh do not answer from the memory of any hub
   */
  resolve(key: string, options: { signal: AbortSignal; timeout: number; tool?: string; fresh?: boolean }): Promise<ResolvedProvider[]>
  /** Tools of the whole federation by words in their names; at most `limit`, and at most 100. */
  search(query: string, options: { limit: number; signal: AbortSignal; timeout: number }): Promise<FoundTools>
  /** Keeps a server in the tables on the way here for 10 minutes. */
  interest(key: string): void
  /** Answers SUMMARY_SYNC, _CHANGED, _RESOLVE and _SEARCH. Throws SKEIN_PROTOCOL on malformed bodies, SKEIN_NOT_ADMITTED for strangers. */
  answer(method: number, body: Uint8Array, from: string): Promise<Uint8Array>
  start(): void
  stop(): void
}

export function createSummary(deps: SummaryDeps, { self, maxTools }: SummaryOptions): Summary {
  const { clock } = deps
  const logger = deps.logger.child({ area: 'summary' })
  const metrics = createSummaryMetrics(deps.meter)
  const listeners = createListeners<[]>(logger, 'a listener of the summaries')
  const sources = createSources(createWarning(logger))
  const claims = createClaims()
  const interest = createInterest(clock)
  const audiences = createAudiences({ claims, sources, interest, self }, maxTools)
  const view = createShelf(maxTools, () => linesOf(sources.all()))
  let edges: Edges = { up: undefined, hubOf: [] }
  let warmUntil = 0
  let flushTimer: Timer | undefined
  let flushedAt = -Infinity
  let dirty = new Set<string>()
  const later = createLater(clock, schedule)
  let recordsChanged = false
  let expiry: Timer | undefined
  let tidying: Timer | undefined
  let warming: Timer | undefined
  let running = false
  const list = createDistantList(view.table, sources)

  const teller = createTeller({ clock, metrics, audiences, call: deps.call, ready })
  const reader = createReader({
    clock, random: deps.random, logger, metrics, sources, call: deps.call, interest: () => interest.all(), read,
    onDirty: changed,
    onDenied(source) {
      if (sources.denied(source, clock.now())) follow()
      watchExpiry()
    },
    // Whoever waits for this table to be complete is told what it has not heard.
    onSynced: schedule
  })
  const resolver = createResolver({ clock, self, call: deps.call, metrics }, {
    records: ownRecords,
    shared: (peer) => pools().filter((pool) => deps.records(pool).some((record) => record.peer === peer)),
    members: (some) => new Set(some.flatMap((pool) => deps.records(pool).map(({ peer }) => peer))),
    below: (key) => [...sources.below()].flatMap(({ peer, table }) => (peer !== undefined && table.get(key) !== undefined ? [peer] : [])),
    above: () => edges.up && { peer: edges.up.peer, has: (key) => sources.down()?.table.get(key) !== undefined },
    isHub: () => edges.hubOf.length > 0,
    rtt: deps.rtt,
    way: (peer) => (deps.way === undefined ? OWN_SESSION : deps.way(peer))
  })
  let life = new AbortController()

  deps.meter.onCollect(() => collect(metrics, { sources, audiences, view }))

  /** What several tell in the same words is kept once. */
  function read(bytes: Uint8Array, path: string): SummaryBody {
    const body = (deps.readBody ?? readBody)(bytes, path)
    const known = view.get(body.key)?.body
    return known !== undefined && Buffer.compare(known.hash, body.hash) === 0 ? known : body
  }

  function pools(): string[] {
    return [...new Set([...edges.hubOf.map(({ pool }) => pool), ...(edges.up === undefined ? [] : [edges.up.pool]), ...(edges.pools ?? [])])]
  }

  function ownRecords(): Iterable<NodeRecord> {
    const byPeer = new Map<string, NodeRecord>()
    for (const pool of pools()) for (const record of deps.records(pool)) if ((byPeer.get(record.peer)?.sequence ?? -1) < record.sequence) byPeer.set(record.peer, record)
    return byPeer.values()
  }

  /** A table in which something is still missing would make its readers forget what is there. */
  function ready({ direction }: Pick<Audience, 'direction'>): boolean {
    if (clock.now() >= warmUntil) return true
    for (const source of sources.below()) if (source.peer !== undefined && !source.synced) return false
    const { up } = edges
    if (direction === 'up' || up === undefined) return true
    // Its record comes with those of all others in the pool above.
    return sources.down()?.synced === true && deps.records(up.pool).some(({ peer }) => peer === up.peer)
  }

  /** Rows of tables that this node reads. */
  function changed(keys: ReadonlySet<string>): void {
    resolver.forget(keys)
    for (const key of keys) {
      dirty.add(key)
      const rows = [...sources.all()].flatMap(({ table }) => table.get(key) ?? [])
      view.put(key, mergeParts(rows, 0))
    }
    schedule()
    look()
  }

  /** Tells listeners if there is something to see. */
  function look(): void {
    if (view.settle().size === 0) return
    list.changed()
    listeners.tell()
  }

  function schedule(): void {
    if (!running || flushTimer !== undefined || edges.hubOf.length === 0) return
    flushTimer = clock.after(Math.max(FIRST_AFTER, flushedAt + TELL_EVERY - clock.now()), () => {
      flushTimer = undefined
      flushedAt = clock.now()
      refresh()
      teller.tell()
    })
  }

  /** Makes the tables for others right, without telling anybody. */
  function refresh(): void {
    if (recordsChanged) {
      recordsChanged = false
      const keys = new Set<string>()
      claims.update(edges.hubOf.length === 0 ? [] : pools(), deps.records, keys)
      resolver.forget(keys)
      for (const key of keys) dirty.add(key)
    }
    const left = later.take()
    if (dirty.size === 0 && left === undefined) return
    const keys = left === undefined ? dirty : new Set([...dirty, ...left])
    dirty = new Set()
    later.add(audiences.refresh(keys, left !== undefined))
  }

  /** Takes whoever is to be believed now; the edges are as they were. */
  function follow(): void {
    const others = sources.edges(edges, clock.now(), self)
    for (const source of others) reader.soon(source)
    if (others.length > 0) list.changed()
  }

  function watchExpiry(): void {
    expiry?.cancel()
    const next = sources.nextExpiry()
    expiry = !running || next === Infinity ? undefined : clock.after(Math.max(0, next - clock.now()), () => {
      const gone = new Set<string>()
      sources.expire(clock.now(), gone)
      if (gone.size > 0) changed(gone)
      // Whoever was not believed because of a token that is forgotten now.
      follow()
      watchExpiry()
    })
  }

  function tidy(): void {
    tidying = clock.after(TIDY_EVERY, tidy)
    const gone = interest.tidy(new Set(edges.hubOf.flatMap(({ children }) => children.map(({ peer }) => peer))))
    for (const { pool, children } of edges.hubOf) {
      for (const peer of gone) if (children.some((child) => child.peer === peer)) audiences.interested(pool, peer)
    }
    view.ask(interest.own())
    look()
  }

  function setEdges(next: Edges): void {
    const hubBefore = edges.hubOf.map(({ pool, token }) => `${pool} ${token}`).join()
    const poolsBefore = pools().join()
    edges = next
    const hubNow = edges.hubOf.map(({ pool, token }) => `${pool} ${token}`).join()
    if (hubNow !== hubBefore && hubNow !== '') {
      warmUntil = clock.now() + WARM_UP
      warming?.cancel()
      warming = clock.after(WARM_UP, schedule)
    }
    if (poolsBefore !== pools().join() || hubNow !== hubBefore) recordsChanged = true
    const others = sources.edges(edges, clock.now(), self)
    refresh()
    audiences.edges(edges)
    teller.tidy()
    if (running) for (const source of others) reader.soon(source)
    watchExpiry()
    schedule()
    if (others.length === 0) return
    // Whom to ask for them is another one now.
    list.changed()
    if (view.table.rows.size > 0) listeners.tell()
  }

  function answerSync(request: SyncRequest, peer: string): SyncAnswer {
    // As it was last told: a reader between two tellings would miss the next one.
    const audience = audiences.find(request.direction, request.pool, peer)
    if (audience === undefined) return { state: 'not-mine', hash: 0 }
    if (!ready(audience)) return { state: 'later', hash: 0 }
    if (request.direction === 'down' && request.want === undefined && interest.ofChild(peer, request.interest)) {
      audiences.interested(request.pool, peer)
      askAbove(request.interest)
    }
    teller.reads(request.direction, request.pool, peer)
    const { table } = audiences.find(request.direction, request.pool, peer) ?? audience
    const hash = table.hash()
    if (request.want === undefined) return hash === request.hash ? { state: 'same', hash } : { state: 'buckets', hash, buckets: table.buckets() }
    const rows: SummaryRow[] = []
    let size = 0
    for (const row of table.ofBuckets(new Set(request.want), request.after)) {
      size += rowBytes(row)
      const last = rows.at(-1)
      if (size > ROWS_BUDGET && last !== undefined) return { state: 'rows', hash, rows, next: last.body.key }
      rows.push(row)
    }
    return { state: 'rows', hash, rows }
  }

  /** What is not here must come from above before a child can have it. */
  function askAbove(keys: readonly string[]): void {
    const down = sources.down()
    if (down?.peer === undefined || keys.length === 0) return
    if (keys.some((key) => down.table.get(key) === undefined)) reader.soon(down)
    else reader.wants(down)
  }

  function take(body: Uint8Array, peer: string): void {
    const message = decodeChanged(body, read)
    const source = sources.find(message.direction, message.pool, peer)
    if (source === undefined || message.token < source.token) return metrics.changes('foreign').inc()
    // While a comparison is under way nobody knows which of both is newer.
    if (reader.busy(source)) return reader.soon(source)
    const keys = new Set<string>()
    const ok = sources.apply(source, message, keys)
    if (keys.size > 0) changed(keys)
    metrics.changes(ok ? 'taken' : 'gap').inc()
    if (!ok) reader.soon(source)
  }

  /** Whoever is in none of the own pools has no business here. */
  function requireNeighbour(peer: string): void {
    if (edges.up?.peer === peer || edges.hubOf.some(({ children }) => children.some((child) => child.peer === peer))) return
    for (const record of ownRecords()) if (record.peer === peer) return
    throw new SkeinError('SKEIN_NOT_ADMITTED', 'only members of a pool of this node may ask it about other pools: ask the hub of your own pool')
  }

  function rows(): Iterable<SummaryRow> {
    return ownRows(ownRecords(), sources.all())
  }

  async function search(request: SearchRequest, signal: AbortSignal): Promise<FoundTools> {
    const { tools, partial, failed } = await searchUp({ clock, self, call: deps.call, rows, above: () => edges.up?.peer, complete: sources.areWhole }, request, signal)
    metrics.searches(failed ? 'failed' : tools.length > 0 ? 'found' : 'none').inc()
    return { tools, partial }
  }

  return {
    setEdges,
    setMaxTools(limit) {
      view.setLimit(limit)
      audiences.setLimit(limit)
      look()
      refresh()
      audiences.refresh(new Set(), true)
      schedule()
    },
    catalogChanged() {
      recordsChanged = true
      schedule()
    },
    distant: () => list.servers(),
    complete(pool) {
      const down = sources.down()
      return edges.up?.pool === pool && down?.pool === pool && (down.synced || isUnreadable(down))
    },
    disowned(pool) {
      const down = sources.down()
      return down?.pool === pool && down.denied && clock.now() >= down.since + KEEP_LOST
    },
    holders: (digests) => holdersOf(sources.all(), digests),
    onChange: (listener) => listeners.add(listener),
    async resolve(key, { signal, timeout, tool, fresh = false }) {
      const request = { key, limit: MAX_RESOLVED, fresh, visited: [], ...(tool === undefined ? {} : { tool }) }
      return (await resolver.resolve(request, { timeout, signal, from: undefined })).providers
    },
    async search(query, { limit, signal, timeout }) {
      signal.throwIfAborted()
      const found = await search({ query, limit, within: timeout, visited: [] }, signal)
      signal.throwIfAborted()
      return found
    },
    interest(key) {
      if (!interest.add(key)) return
      view.ask(interest.own())
      look()
      askAbove([key])
    },
    async answer(method, body, peer) {
      if (method === METHOD.SUMMARY_SYNC) return encodeSyncAnswer(answerSync(decodeSyncRequest(body), peer))
      if (method === METHOD.SUMMARY_CHANGED) {
        take(body, peer)
        return encodeTaken()
      }
      requireNeighbour(peer)
      if (method === METHOD.SUMMARY_RESOLVE) {
        const { within, ...request } = decodeResolveRequest(body)
        return encodeResolveAnswer(await resolver.resolve(request, { timeout: Math.min(within, ANSWER_WITHIN), signal: life.signal, from: peer }))
      }
      if (method === METHOD.SUMMARY_SEARCH) {
        const request = decodeSearchRequest(body)
        return encodeSearchAnswer(await search({ ...request, within: Math.min(request.within, ANSWER_WITHIN) }, life.signal))
      }
      throw new SkeinError('SKEIN_NOT_FOUND', `method ${method} is none of the summaries: see protocols/summary.md`)
    },
    start() {
      if (running) return
      running = true
      life = new AbortController()
      reader.start()
      teller.start()
      later.start()
      tidying = clock.after(TIDY_EVERY, tidy)
      watchExpiry()
      schedule()
    },
    stop() {
      running = false
      life.abort(new Error('the node is stopping'))
      reader.stop()
      teller.stop()
      later.stop()
      for (const timer of [flushTimer, expiry, tidying, warming]) timer?.cancel()
      flushTimer = undefined
    }
  }
}
