import type { Clock, Timer } from '../../base/clock.ts'
import { METHOD } from '../../wire/protocols.ts'
import { decodeResolveAnswer, encodeResolveRequest, MAX_RELAYS, MAX_RESOLVED, MAX_VISITED, type ResolveAnswer, type ResolveRequest } from '../../wire/summary.ts'
import type { NodeRecord } from '../../wire/catalog-types.ts'
import { ownerOf, type ResolvedProvider } from '../../wire/summary-types.ts'
import { keyOf } from './claims.ts'
import type { SummaryMetrics } from './metrics.ts'
import type { SummaryCall, SummaryWay } from './ports.ts'

/** Many callers ask for the same server at once; a table that changes drops what was remembered, ms. */
export const REMEMBER = 2_000
const MAX_REMEMBERED = 1_024
/** During a failover all callers ask for fresh answers at once; so old may one be that they share, ms. */
export const SHARE_FRESH = 250
/** Whoever joins a question under way gets at least this part of its own time. */
const LEAST_TIME = 0.5
/** Child hubs asked at a time: the nearest mostly know enough. */
const AT_A_TIME = 2
/** Once somebody is found, others are waited for only so long: one hub that hangs must not hold up a call, ms. */
export const GRACE = 500
/** What is left of the time for those that are asked: an answer needs the way back. */
const SHARE = 0.9

/** Where the resolver looks. */
export interface ResolvePlaces {
  /** Records of all own pools; a node in two of them once. */
  records(): Iterable<NodeRecord>
  /** Own pools that the peer is in too. */
  shared(peer: string): readonly string[]
  /** Nodes of these pools: whoever asks from there has their records itself. */
  members(pools: readonly string[]): ReadonlySet<string>
  /** Child hubs whose table has the key. */
  below(key: string): readonly string[]
  /** The hub above, if it is to be asked: with `known`, if its table has the key. */
  above(): { peer: string; has(key: string): boolean } | undefined
  isHub(): boolean
  rtt(peer: string): number | undefined
  /** How calls get to a neighbour now: its record says nothing about that. */
  way(peer: string): SummaryWay | undefined
}

export interface Resolver {
  /** Of this node itself, or for `from`. Never rejects but with the reason of `signal`; [] is nobody. */
  resolve(request: Omit<ResolveRequest, 'within'>, options: { timeout: number; signal: AbortSignal; from: string | undefined }): Promise<ResolveAnswer>
  /** The tables say something new about these. */
  forget(keys: Iterable<string>): void
}

interface Found {
  providers: ResolvedProvider[]
  /** Somebody did not answer. */
  failed: boolean
}

interface Remembered {
  outcome: Promise<Found>
  /** When it was asked, monotonic ms. */
  since: number
  /** When it was known, monotonic ms; undefined: it is being asked. */
  at: number | undefined
  /** Until when it is answered at the latest, monotonic ms. */
  deadline: number
  fresh: boolean
}

export function createResolver(deps: { clock: Clock; self: string; call: SummaryCall; metrics: SummaryMetrics }, places: ResolvePlaces): Resolver {
  const { clock, self, call, metrics } = deps
  /** By key, then by what else matters. */
  const remembered = new Map<string, Map<string, Remembered>>()
  let count = 0

  async function gather(request: Omit<ResolveRequest, 'within'>, deadline: number, signal: AbortSignal, pools: readonly string[] | undefined): Promise<Found> {
    const { key, tool, limit } = request
    const owner = ownerOf(key)
    const found = new Map<string, ResolvedProvider>()
    const enough = Promise.withResolvers<void>()
    let grace: Timer | undefined
    const wait = () => {
      if (found.size > 0) grace ??= clock.after(GRACE, enough.resolve)
    }
    const direct = new Set<string>()
    const known = pools === undefined ? new Set([self]) : places.members(pools)
    for (const record of places.records()) {
      if (record.peer !== self && places.way(record.peer)?.kind === 'direct') direct.add(record.peer)
      if (known.has(record.peer)) continue
      const provider = providerIn(record, key, tool, pools !== undefined)
      if (provider !== undefined) found.set(provider.peer, provider)
    }
    let failed = false
    const visited = [...new Set([...request.visited, self])]
    const ask = async (peer: string, last: boolean): Promise<void> => {
      // Whoever is asked later needs time too.
      const left = (deadline - clock.now()) / (last ? 1 : 2)
      if (left <= 0 || visited.length > MAX_VISITED) return
      try {
        const body = encodeResolveRequest({ ...request, visited, within: left * SHARE })
        const answer = decodeResolveAnswer(await call(peer, METHOD.SUMMARY_RESOLVE, body, { timeout: left, signal }))
        // Having nothing because a hub does not answer is not the same as nobody having it.
        if (answer.partial && answer.providers.length === 0) failed = true
        for (const provider of answer.providers) {
          if (owner !== undefined && provider.peer !== owner) continue
          const reached = through(peer, provider, direct)
          const before = found.get(provider.peer)
          if (reached !== undefined && !known.has(provider.peer) && (before === undefined || before.via.length > reached.via.length)) found.set(provider.peer, reached)
        }
        wait()
      } catch {
        failed = true
      }
    }
    const below = places.below(key).filter((peer) => !visited.includes(peer)).sort((a, b) => (places.rtt(a) ?? Infinity) - (places.rtt(b) ?? Infinity) || (a < b ? -1 : 1))
    const above = places.above()
    const up = above !== undefined && !visited.includes(above.peer) ? above : undefined
    const askAll = async () => {
      for (let next = 0; next < below.length && found.size < limit && !signal.aborted; next += AT_A_TIME) {
        const last = up === undefined && next + AT_A_TIME >= below.length
        await Promise.all(below.slice(next, next + AT_A_TIME).map((peer) => ask(peer, last)))
      }
      // Its table is cut, so that having nothing means that it may still know.
      if (up !== undefined && found.size < limit && (found.size === 0 || up.has(key)) && !signal.aborted) await ask(up.peer, true)
    }
    wait()
    const complete = await Promise.race([askAll().then(() => true), enough.promise.then(() => false)])
    grace?.cancel()
    return { providers: [...found.values()].sort(nearestFirst).slice(0, limit), failed: failed || !complete }
  }

  /** @param forOther the asker goes on from here, over the way that leads from here */
  function providerIn(record: NodeRecord, key: string, tool: string | undefined, forOther: boolean): ResolvedProvider | undefined {
    const entry = record.servers.find((server) => keyOf(server, record.peer) === key)
    if (entry === undefined) return undefined
    const digest = tool === undefined ? undefined : entry.tools.find(({ name }) => name === tool)?.digest
    if (tool !== undefined && digest === undefined) return undefined
    const via = forOther && record.peer !== self ? places.way(record.peer)?.via : []
    if (via === undefined || via.length > MAX_RELAYS) return undefined
    const rtt = record.peer === self ? 0 : places.rtt(record.peer)
    return {
      peer: record.peer,
      name: record.name,
      via: [...via],
      ...(rtt === undefined ? {} : { rtt }),
      ...(digest === undefined ? {} : { digest }),
      addresses: record.addresses,
      ...(entry.capacity === undefined ? {} : { capacity: entry.capacity }),
      ...(record.coordinates === undefined ? {} : { coordinates: record.coordinates }),
      region: record.region
    }
  }

  /** The way over `peer`, cut short where this node has a session with a later relay. Undefined: too long, or through itself. */
  function through(peer: string, provider: ResolvedProvider, direct: ReadonlySet<string>): ResolvedProvider | undefined {
    if (provider.peer === self) return undefined
    const { rtt: beyond, ...rest } = provider
    const before = places.way(peer)?.via ?? []
    const whole = provider.peer === peer ? [...before] : [...before, peer, ...provider.via]
    const last = direct.has(provider.peer) ? whole.length : whole.findLastIndex((relay) => direct.has(relay))
    const via = last <= 0 ? whole : whole.slice(last)
    if (via.includes(self) || via.includes(provider.peer) || new Set(via).size !== via.length || via.length > MAX_RELAYS) return undefined
    const asked = places.rtt(peer)
    const rtt = via.length === 0 ? places.rtt(provider.peer) : via.length === whole.length && asked !== undefined && beyond !== undefined ? asked + beyond : undefined
    return { ...rest, via, ...(rtt === undefined ? {} : { rtt }) }
  }

  /** What a question may not be answered with: the parts of the tree that it came from. */
  function branch(request: Omit<ResolveRequest, 'within'>): string {
    const neighbours = new Set([...places.below(request.key), places.above()?.peer])
    return [request.tool ?? '', request.limit, ...request.visited.filter((peer) => neighbours.has(peer)).sort()].join(' ')
  }

  function remember(key: string, id: string, facts: Pick<Remembered, 'outcome' | 'deadline' | 'fresh'>): void {
    const { outcome } = facts
    const entry: Remembered = { ...facts, since: clock.now(), at: undefined }
    const ofKey = remembered.get(key) ?? new Map<string, Remembered>()
    remembered.set(key, ofKey)
    if (!ofKey.has(id)) count++
    ofKey.set(id, entry)
    while (count > MAX_REMEMBERED) forget(remembered.keys().next().value as string)
    void outcome.then(({ providers, failed }) => {
      entry.at = clock.now()
      // What is missing may be there the next time.
      if ((failed || providers.length === 0) && ofKey.get(id) === entry) {
        ofKey.delete(id)
        if (remembered.get(key) !== ofKey) return
        count--
        // Or every name that nobody has would stay.
        if (ofKey.size === 0) remembered.delete(key)
      }
    })
  }

  function forget(key: string): void {
    count -= remembered.get(key)?.size ?? 0
    remembered.delete(key)
  }

  /** Whether what is known, or will be, is good enough for this question. */
  function serves(known: Remembered, fresh: boolean, timeout: number): boolean {
    const now = clock.now()
    // An answer that hangs until the first asker's time is over is none for those who came later.
    if (known.at === undefined && known.deadline - now < timeout * LEAST_TIME) return false
    return fresh ? known.fresh && now - known.since < SHARE_FRESH : now - (known.at ?? known.since) < REMEMBER
  }

  /** The asker's time may end before that of whoever asked first. */
  async function within(outcome: Promise<Found>, timeout: number, signal: AbortSignal): Promise<Found> {
    signal.throwIfAborted()
    let onAbort: (() => void) | undefined
    let timer: Timer | undefined
    try {
      return await Promise.race([
        outcome,
        new Promise<Found>((resolve, reject) => {
          timer = clock.after(timeout, () => resolve({ providers: [], failed: true }))
          onAbort = () => reject(signal.reason as Error)
          signal.addEventListener('abort', onAbort, { once: true })
        })
      ])
    } finally {
      timer?.cancel()
      if (onAbort !== undefined) signal.removeEventListener('abort', onAbort)
    }
  }

  function begin(request: Omit<ResolveRequest, 'within'>, timeout: number, signal: AbortSignal, from: string | undefined): Promise<Found> {
    const deadline = clock.now() + timeout
    const pools = from === undefined ? undefined : places.shared(from)
    if (!places.isHub()) return gather(request, deadline, signal, pools)
    const id = `${pools?.join() ?? 'own'} ${branch(request)}`
    const known = remembered.get(request.key)?.get(id)
    if (known !== undefined && serves(known, request.fresh, timeout)) {
      metrics.cached.inc()
      return known.outcome
    }
    // Shared: whoever gives up must not end it for the others. It ends by its deadline.
    const outcome = gather(request, deadline, new AbortController().signal, pools)
    remember(request.key, id, { outcome, deadline, fresh: request.fresh })
    return outcome
  }

  return {
    async resolve(request, { timeout, signal, from }) {
      const start = clock.now()
      const asked = { ...request, limit: Math.min(request.limit, MAX_RESOLVED) }
      const { providers, failed } = await within(begin(asked, timeout, signal, from), timeout, signal)
      metrics.resolves(providers.length > 0 ? 'found' : failed ? 'failed' : 'none').inc()
      metrics.resolveTime.observe((clock.now() - start) / 1000)
      return { providers, partial: failed }
    },
    forget(keys) {
      for (const key of keys) forget(key)
    }
  }
}

function nearestFirst(a: ResolvedProvider, b: ResolvedProvider): number {
  return a.via.length - b.via.length || (a.rtt ?? Infinity) - (b.rtt ?? Infinity) || (a.peer < b.peer ? -1 : 1)
}
