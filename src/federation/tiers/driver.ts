import { SkeinError } from '../../base/errors.ts'
import type { Timer } from '../../base/clock.ts'
import { createListeners } from '../../base/listeners.ts'
import type { HubFacts } from '../../wire/catalog-types.ts'
import { ROOT_POOL } from '../../wire/protocols.ts'
import { decodeAttachRequest, encodeAttachAnswer } from '../../wire/tiers.ts'
import { decodeTopologyRequest, encodeTopology } from '../../wire/tiers-topology.ts'
import { decideAttach, roomFor } from './admit.ts'
import { createDepartures } from './departures.ts'
import { readEdges, readState, type Chain } from './edges.ts'
import { createKeeper, type PoolKeeper } from './keeper.ts'
import { FACTS_EVERY, GATHER, RESIGN_WITHIN, SAVE_AGAIN } from './limits.ts'
import { createMemory } from './memory.ts'
import { createTiersMetrics } from './metrics.ts'
import { isPool } from './order.ts'
import type { Place, PlaceContext } from './place-types.ts'
import { createPlace, parentOf } from './places.ts'
import type { Home, TierMethod, TiersDeps, TiersOptions } from './ports.ts'
import { createTopology } from './topology.ts'
import type { TierEdges, Tiers, TiersState } from './types.ts'
import { asKnown, createView } from './view.ts'

/** Of a pool, before its lease is known. */
const TIERS_WITH_GAUGE = ['global', 'regional', 'local', 'leaf'] as const

/**
 * Keeps this node at its place in the tree of pools: its home, the lease and the voters of each pool it is in, and the pool above each that it
 * is hub of (protocols/tiers.md). What there is to do is decided from facts each time something changes; one timer serves all of it.
 */
export function createTiers(given: TiersDeps, options: TiersOptions): Tiers {
  const { clock, random, members } = given
  const { self, tier: ownTier } = options
  const logger = given.logger.child({ area: 'tiers' })
  const memory = createMemory(given.hubs, given.home, logger)
  const deps: TiersDeps = { ...given, hubs: memory.hubs, home: memory.home }
  const metrics = createTiersMetrics(deps.meter)
  const keepers = new Map<string, PoolKeeper>()
  /** By the pool below; home under ''. */
  const places = new Map<string, Place>()
  const asking = new Set<string>()
  const view = createView(deps, options, keepers)
  const changeListeners = createListeners<[]>(logger, 'a listener of the tiers')
  const facts = new Map<string, { at: number; facts: HubFacts; text: string }>()
  const abort = new AbortController()
  let timer: { due: number; timer: Timer } | undefined
  let running = false
  let resigning = false
  let homeEntered: (() => void) | undefined
  let unlisten: (() => void) | undefined
  let before = ''
  let lastState: { edges: TierEdges; state: TiersState } = { edges: { up: undefined, hubOf: [] }, state: { home: '', pools: [] } }
  const savedHubs = new Map<string, string>()
  let savedAt = clock.now()

  deps.meter.onCollect(() => {
    const now = clock.now()
    const acting = [...keepers.values()].filter((keeper) => keeper.acting())
    for (const tier of TIERS_WITH_GAUGE) metrics.hubOf(tier).set(acting.filter((keeper) => keeper.tier === tier).length)
    metrics.pools.set(keepers.size)
    metrics.withoutHub.set(Math.max(0, ...[...keepers.values()].map((keeper) => (now - (keeper.vacantSince() ?? now)) / 1_000)))
  })

  const context: PlaceContext = {
    deps, options, logger, metrics, view, kick,
    seekDeps: { clock, random, logger, ask: deps.ask, connect: deps.connect, rtt: deps.rtt, asking },
    keeper: (pool) => keepers.get(pool),
    enter,
    moved
  }
  const departures = createDepartures({
    deps, logger, view, keepers, places, kick, enter,
    reachDeps: context.seekDeps, signal: abort.signal,
    running: () => running,
    left: (pool) => void facts.delete(pool)
  })
  const chain: Chain = { self, keepers, home: () => places.get('')?.current()?.pool, above: (pool) => places.get(pool)?.current()?.pool }
  const topology = createTopology({ deps, options, view, keepers, edges: () => lastState.edges, home: chain.home })

  /** All is looked at soon: news of the same moment together. */
  function kick(): void {
    schedule(clock.now() + GATHER)
  }

  function schedule(due: number): void {
    if (!running || (timer !== undefined && timer.due <= due)) return
    timer?.timer.cancel()
    timer = { due, timer: clock.after(Math.max(0, due - clock.now()), look) }
  }

  function look(): void {
    // At the start it is not this timer that has brought it here; one that is forgotten would go on beside the next one for ever.
    timer?.timer.cancel()
    timer = undefined
    if (!running) return
    memory.again()
    const now = clock.now()
    let due = Infinity
    for (const keeper of keepers.values()) due = Math.min(due, keeper.step(now))
    keepPlaces()
    for (const place of places.values()) due = Math.min(due, place.step(now))
    due = Math.min(due, departures.step(now), refresh(now))
    schedule(Math.max(due, now + 1))
  }

  function enter(home: Home, through: readonly string[]): void {
    departures.stay(home.pool)
    // One that is still being left is entered again afterwards.
    if (keepers.has(home.pool) || departures.isDeparting(home.pool)) return
    deps.pools.enter(home.pool, home.tier, { through })
    keepers.set(
      home.pool,
      createKeeper(
        {
          deps, options, logger, metrics, signal: abort.signal, kick,
          resigning: () => resigning,
          leaving: (pool) => departures.isLeaving(pool),
          hubElsewhere: (pool) => [...keepers.values()].some((keeper) => keeper.pool !== pool && keeper.lease()?.holder === self),
          above(pool) {
            const place = places.get(pool)
            const current = place?.current()
            return current === undefined ? {} : { parent: current.pool, parentTier: current.tier, contacts: place?.contacts() ?? [] }
          }
        },
        home.pool,
        home.tier
      )
    )
    kick()
  }

  function moved(place: Place, from: string | undefined): void {
    const current = place.current() as Home
    if (place.below === undefined) {
      deps.home.save(current)
      homeEntered?.()
    } else keepers.get(place.below)?.renewSoon()
    if (from !== undefined) {
      metrics.moves.inc()
      logger.info('this node goes to another hub', { from, to: current.pool, ...(place.below === undefined ? {} : { below: place.below }) })
    }
    kick()
  }

  /** A place above each pool that this node is hub of, and of no other. */
  function keepPlaces(): void {
    for (const keeper of keepers.values()) {
      const lease = keeper.lease()
      const holds = keeper.pool !== ROOT_POOL && lease?.holder === self && lease.resigned !== true
      const place = places.get(keeper.pool)
      if (holds && place === undefined && keeper.acting()) openPlace(keeper)
      else if (!holds && place !== undefined) {
        place.close()
        places.delete(keeper.pool)
      }
    }
  }

  function openPlace(keeper: PoolKeeper): void {
    const place = createPlace(context, { below: keeper.pool, tier: keeper.tier, fixed: false })
    places.set(keeper.pool, place)
    const parent = parentOf(keeper.lease())
    if (parent !== undefined) place.resume(parent, keeper.lease()?.contacts ?? [])
    // The first node of a federation has nobody to ask.
    else if (options.founder === self && deps.peers().length === 0) place.resume({ pool: ROOT_POOL, tier: 'global' }, [])
  }

  /** Tells listeners if something they can see has changed. */
  function refresh(now: number): number {
    let due = Infinity
    for (const [below, place] of places) {
      const keeper = keepers.get(below)
      const pool = place.current()?.pool
      if (keeper === undefined || pool === undefined || !keeper.acting()) continue
      due = Math.min(due, refreshFacts(pool, keeper, now))
    }
    for (const pool of facts.keys()) if (!stillHub(pool)) facts.delete(pool)
    const edges = readEdges(chain, view)
    const state = readState(chain, places)
    lastState = { edges, state }
    const text = JSON.stringify([edges, state.home, state.pools, [...facts.values()].map((fact) => fact.text)])
    const changed = text !== before
    before = text
    if (changed || now >= savedAt + SAVE_AGAIN) rememberHubs(now)
    if (changed) changeListeners.tell()
    return due
  }

  function stillHub(pool: string): boolean {
    return [...places].some(([below, place]) => place.current()?.pool === pool && keepers.get(below)?.acting() === true)
  }

  /** What only counts is said every few seconds at most. */
  function refreshFacts(pool: string, keeper: PoolKeeper, now: number): number {
    const next = view.facts(keeper)
    const text = JSON.stringify(next)
    const known = facts.get(pool)
    if (known?.text === text) return Infinity
    const same = known !== undefined && known.facts.pool === next.pool && known.facts.token === next.token
    if (same && now < known.at + FACTS_EVERY) return known.at + FACTS_EVERY
    facts.set(pool, { at: now, facts: next, text })
    return Infinity
  }

  /** On disk, for after a restart: who is hub of the pools this node is in. Now and then all of them: a hub is met for as long as it is there. */
  function rememberHubs(now: number): void {
    if (now >= savedAt + SAVE_AGAIN) {
      savedAt = now
      savedHubs.clear()
    }
    for (const keeper of keepers.values()) {
      const hub = view.hubOf(keeper)
      if (hub === undefined || hub.peer === self || savedHubs.get(keeper.pool) === hub.peer) continue
      savedHubs.set(keeper.pool, hub.peer)
      deps.hubs.save(asKnown(hub, clock.wall()))
    }
    for (const pool of savedHubs.keys()) if (!keepers.has(pool)) savedHubs.delete(pool)
  }

  /** A node that is meant to be a hub has a pool of its own, for ever; a leaf goes where it was. */
  function openHome(): void {
    const own: Home | undefined =
      ownTier === 'global' ? { pool: ROOT_POOL, tier: 'global' } : ownTier === 'leaf' ? undefined : { pool: self, tier: ownTier }
    const saved = deps.home.load()
    // Its own pool was for a hub: as a leaf it is to be below another. What no pool can be called is damage of the disk.
    const remembered = saved === undefined || saved.pool === self || !isPool(saved.pool, saved.tier) ? undefined : saved
    const place = createPlace(context, { below: undefined, tier: ownTier, fixed: own !== undefined })
    places.set('', place)
    const home = own ?? remembered ?? (options.founder === self ? { pool: ROOT_POOL, tier: 'global' as const } : undefined)
    if (home !== undefined) place.resume(home, deps.hubs.list().filter((hub) => hub.pool === home.pool).slice(0, 4))
  }

  async function answerAttach(body: Uint8Array, from: string): Promise<Uint8Array> {
    const request = decodeAttachRequest(body)
    const answer = decideAttach(request, from, view.admitFacts(from), view.limits())
    if (answer.accept?.hub !== undefined && !request.look && roomFor(request, answer.accept.hub) > 0) view.reserve(answer.accept.pool, from, request.as)
    metrics.attach(answer.accept === undefined ? 'redirected' : 'answered').inc()
    return encodeAttachAnswer(answer)
  }

  /** Whether it works or not: what a renewal under way still takes is not waited for. */
  async function resignAll(): Promise<void> {
    let late: Timer | undefined
    const over = new Promise<void>((resolve) => (late = clock.after(RESIGN_WITHIN, resolve)))
    await Promise.race([Promise.all([...keepers.values()].map((keeper) => keeper.resign(RESIGN_WITHIN))), over])
    late?.cancel()
  }

  return {
    start() {
      if (running) return Promise.resolve()
      running = true
      unlisten = members.onPoolEvent((pool, event) => {
        keepers.get(pool)?.news(event)
        if (event.type !== 'updated') kick()
      })
      return new Promise((resolve) => {
        homeEntered = resolve
        openHome()
        departures.resumeVotes(clock.now())
        look()
      })
    },
    async stop() {
      if (!running) return
      resigning = true
      await resignAll()
      running = false
      // Whoever waits for its place waits no more.
      homeEntered?.()
      timer?.timer.cancel()
      unlisten?.()
      for (const place of places.values()) place.close()
      for (const keeper of keepers.values()) keeper.close()
      abort.abort(new SkeinError('SKEIN_CANCELLED', 'this node is stopping'))
    },
    async resign() {
      resigning = true
      await resignAll()
    },
    resume() {
      resigning = false
      kick()
    },
    peerUp(_peer) {
      for (const place of places.values()) place.peerUp()
    },
    catalogChanged: kick,
    state() {
      const seeking = [...places.values()].map((place) => place.seeking()).find((since) => since !== undefined)
      const unmet = [...places.values()].map((place) => place.unmet()).find((sentence) => sentence !== undefined)
      return { ...readState(chain, places), ...(seeking === undefined ? {} : { seeking }), ...(unmet === undefined ? {} : { unmet }), ...(lastState.edges.up === undefined ? {} : { up: lastState.edges.up }) }
    },
    hubFacts(pool) {
      return stillHub(pool) ? facts.get(pool)?.facts : undefined
    },
    edges: () => lastState.edges,
    permits(pool, key, current, next, { age, proposer }) {
      if (key !== 'hub') return true
      return keepers.get(pool)?.permits(current?.data, next.data, age, proposer) ?? 'this node is in no such pool'
    },
    token: (pool) => keepers.get(pool)?.lease()?.token ?? 0,
    wants: (peer) => asking.has(peer),
    async answer(method: TierMethod, body: Uint8Array, from: string, { signal } = {}) {
      if (method === 'attach') return answerAttach(body, from)
      const request = decodeTopologyRequest(body)
      return encodeTopology(await topology.answer(request, from, signal === undefined ? abort.signal : AbortSignal.any([signal, abort.signal])))
    },
    onChange: (listener) => changeListeners.add(listener),
    topology: (asked) => topology.tree(asked)
  }
}
