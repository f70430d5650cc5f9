import { silentLogger } from '../../src/base/logger.ts'
import { createMeter } from '../../src/base/meter.ts'
import { randomInt, seededRandom } from '../../src/base/random.ts'
import { createTiers } from '../../src/federation/tiers/driver.ts'
import type { Home, KnownHub, TierDecided, TierGroup, TierMember, TierMemberEvent, TierMethod, TiersOptions } from '../../src/federation/tiers/ports.ts'
import type { Tiers } from '../../src/federation/tiers/types.ts'
import type { Tier } from '../../src/wire/admission-documents.ts'
import type { HubFacts, NodeRecord } from '../../src/wire/catalog-types.ts'
import { createManualClock } from './manual-clock.ts'
import { testSigner } from './security-world.ts'
import { createProcessClock, type ProcessClock } from './tiers-clock.ts'
import { createFakeGroup, newDesk, type Desk } from './tiers-group.ts'
import { createQuorum, type Quorum } from '../../src/federation/quorum/driver.ts'
import type { QuorumRequest } from '../../src/wire/quorum-types.ts'
import { decodeQuorumRequest } from '../../src/wire/quorum.ts'
import type { StoredRow } from '../../src/federation/quorum/ports.ts'

/** Virtual ms between two looks at the whole. */
const STEP = 20
/** How long the membership needs to see a process die, and one that has fallen silent. */
const DEAD_AFTER = 1_000
const SILENT_AFTER = 6_000
const MEET_AFTER = 300
/** A record reaches the others of its pool. */
const RECORD_AFTER = 200

interface Sight {
  member: TierMember
  /** Since when it is not reached. */
  lostAt?: number
}

interface Process {
  clock: ProcessClock
  tiers: Tiers
  /** Pool -> peer -> what this process sees. */
  sights: Map<string, Map<string, Sight>>
  groups: Map<string, TierGroup & { tell?(): void }>
  quorum?: Quorum
  listeners: Set<(pool: string, event: TierMemberEvent) => void>
  /** Pool -> what its record says there, as others see it. */
  published: Map<string, HubFacts | undefined>
  enteredAt: Map<string, number>
  ready: boolean
}

export interface TiersPlace {
  peer: string
  name: string
  options: TiersOptions
  process: Process | undefined
  state: 'running' | 'stopped' | 'dead'
  group: number
  disk: { home: Home | undefined; hubs: KnownHub[]; desks: Map<string, Desk>; rows: Map<string, Map<string, StoredRow>> }
}

export interface NodePlan {
  tier: Tier
  region?: string
  parent?: string
  limits?: Partial<TiersOptions['limits']>
  /** Requests of the quorum that it leaves without an answer, and does not make itself, where that is the real one. */
  ignores?: (request: QuorumRequest) => boolean
}

export interface TiersWorld {
  readonly places: readonly TiersPlace[]
  now(): number
  boot(index: number): void
  /** kill -9 */
  kill(index: number): void
  stop(index: number): void
  resume(index: number): void
  /** Gives its leases back, and goes. */
  leave(index: number): Promise<void>
  /** Nodes with the same number reach each other. */
  partition(groupOf: (index: number) => number): void
  run(ms: number): Promise<void>
  /** Runs until it is so; returns how long it took, ms. */
  until(condition: () => boolean, within: number): Promise<number>
  tiers(index: number): Tiers
  /** Running nodes that have no way to the top, by name. */
  astray(): string[]
  /** Moments at which two processes acted as hub of one pool. */
  readonly twoHubs: string[]
  asks: number
}

/** @param real with the quorum of federation/quorum instead of a stand-in, which is quicker */
export function createTiersWorld(plans: readonly NodePlan[], seed: number, { real = false } = {}): TiersWorld {
  const clock = createManualClock()
  const random = seededRandom(seed)
  const founder = testSigner(1).peer
  const places: TiersPlace[] = plans.map(({ tier, region = '', parent, limits = {} }, index) => ({
    peer: testSigner(index + 1).peer,
    name: `n${index}`,
    options: {
      self: testSigner(index + 1).peer, name: `n${index}`, founder, tier, region, ...(parent === undefined ? {} : { parent }),
      limits: { maxRegionalHubs: 10, maxChildHubs: 20, maxClusters: 100, ...limits }
    },
    process: undefined,
    state: 'dead',
    group: 0,
    disk: { home: undefined, hubs: [], desks: new Map(), rows: new Map() }
  }))
  const byPeer = new Map(places.map((place) => [place.peer, place]))
  const delay = () => 1 + randomInt(random, 30)
  const twoHubs: string[] = []

  const reaches = (a: TiersPlace, b: TiersPlace) => a.state === 'running' && b.state === 'running' && a.group === b.group

  function look(place: TiersPlace): void {
    const process = place.process
    if (process === undefined || place.state !== 'running') return
    for (const [pool, sights] of process.sights) {
      for (const other of places) if (other !== place) see(place, process, pool, sights, other)
    }
    for (const group of process.groups.values()) group.tell?.()
    for (const [pool, sights] of process.sights) process.quorum?.setMembers(pool, [...sights.values()].flatMap(({ member }) => (member.state === 'alive' ? [member.peer] : [])))
  }

  function see(place: TiersPlace, process: Process, pool: string, sights: Map<string, Sight>, other: TiersPlace): void {
    const sight = sights.get(other.peer)
    const inPool = other.process?.sights.has(pool) === true
    const now = clock.now()
    if (reaches(place, other) && inPool) {
      const since = Math.max(process.enteredAt.get(pool) ?? 0, other.process?.enteredAt.get(pool) ?? 0)
      if (now - since < MEET_AFTER) return
      if (sight !== undefined) delete sight.lostAt
      if (sight?.member.state === 'alive') return
      const type = sight === undefined || sight.member.state === 'left' ? 'joined' : 'recovered'
      return put(process, pool, sights, other, 'alive', type)
    }
    if (sight === undefined || sight.member.state === 'left') return
    // It says that it is no member, long after it was found dead too.
    if (reaches(place, other) && !inPool && other.process?.ready === true) return put(process, pool, sights, other, 'left', 'left')
    if (sight.member.state !== 'alive') return
    sight.lostAt ??= now
    const refused = other.state === 'dead' && other.group === place.group
    if (now - sight.lostAt >= (refused ? DEAD_AFTER : SILENT_AFTER)) put(process, pool, sights, other, 'dead', 'failed', refused ? 'refused' : 'silence')
  }

  function put(process: Process, pool: string, sights: Map<string, Sight>, other: TiersPlace, state: TierMember['state'], type: TierMemberEvent['type'], evidence?: 'refused' | 'silence'): void {
    const member: TierMember = { peer: other.peer, state, name: other.name, addresses: [`/ip4/127.0.0.1/tcp/${1000 + places.indexOf(other)}`], tier: other.options.tier, region: other.options.region, since: clock.now() }
    sights.set(other.peer, { member })
    for (const listener of process.listeners) listener(pool, { type, member, ...(evidence === undefined ? {} : { evidence }) })
  }

  function record(of: TiersPlace, pool: string): NodeRecord {
    const hub = of.process?.published.get(pool)
    return {
      federation: 'f', pool, peer: of.peer, sequence: 1, expires: 1, name: of.name, region: of.options.region, tier: of.options.tier,
      addresses: [`/ip4/127.0.0.1/tcp/${1000 + places.indexOf(of)}`], draining: false, servers: [], ...(hub === undefined ? {} : { hub })
    }
  }

  function publish(place: TiersPlace, process: Process): void {
    clock.after(RECORD_AFTER + delay(), () => {
      if (place.process !== process) return
      for (const pool of process.sights.keys()) process.published.set(pool, process.tiers.hubFacts(pool))
    })
  }

  function realQuorum(place: TiersPlace, process: Process): Quorum {
    return createQuorum(
      {
        clock: process.clock, random, meter: createMeter(), logger: silentLogger, signer: testSigner(places.indexOf(place) + 1),
        // Checked elsewhere, and slow.
        seal: { sign: () => new Uint8Array(64), verify: () => true },
        store: {
          pools: () => [...place.disk.rows.keys()],
          load: (pool) => [...(place.disk.rows.get(pool)?.values() ?? [])],
          save(pool, rows) {
            const all = place.disk.rows.get(pool) ?? new Map<string, StoredRow>()
            for (const row of rows) all.set(row.key, row)
            place.disk.rows.set(pool, all)
          }
        },
        permits: (...asked) => process.tiers.permits(...asked),
        call: (peer, method, body, { timeout, signal }) => send(place, process, peer, timeout, signal, (to) => {
          const other = plans[places.findIndex(({ process: its }) => its === to)]
          if ([other, plans[places.indexOf(place)]].some((plan) => plan?.ignores?.(decodeQuorumRequest(method, body)) === true)) return Promise.reject(new Error('no such method'))
          return to.quorum?.answer(method, body, place.peer) ?? Promise.reject(new Error('no quorum here'))
        })
      },
      { self: place.peer, federation: 'f' }
    )
  }

  function openGroup(place: TiersPlace, process: Process, pool: string, tier: Tier): TierGroup & { tell?(): void } {
    if (process.quorum !== undefined) return process.quorum.open(pool, { genesis: [pool === 'root' ? founder : pool], tier })
    const desk = place.disk.desks.get(pool) ?? newDesk(pool === 'root' ? founder : pool)
    place.disk.desks.set(pool, desk)
    for (const row of desk.rows.values()) row.at = clock.now()
    return createFakeGroup(pool, tier, desk, {
      now: clock.now,
      later: (fn) => void process.clock.after(delay(), fn),
      others: () => [],
      desk(voter) {
        const other = byPeer.get(voter)
        const group = other?.process?.groups.get(pool)
        const otherDesk = other?.disk.desks.get(pool)
        if (other === undefined || group === undefined || otherDesk === undefined || !(other === place ? place.state === 'running' : reaches(place, other))) return undefined
        return {
          desk: otherDesk,
          permits: (key: string, current: TierDecided | undefined, next: TierDecided, age: number) => other.process?.tiers.permits(pool, key, current, next, { age }) ?? 'gone',
          tell: () => group.tell?.()
        }
      }
    })
  }

  /** What is decided reaches all that are connected. */
  function spread(): void {
    for (const place of places) {
      if (place.state !== 'running' || place.process === undefined) continue
      for (const [pool] of real ? [] : place.process.groups) {
        const desk = place.disk.desks.get(pool) as Desk
        for (const other of places) {
          const theirs = other.process?.groups.has(pool) === true && other !== place && reaches(place, other) ? other.disk.desks.get(pool) : undefined
          if (theirs === undefined) continue
          if (theirs.voters.version > desk.voters.version) desk.voters = theirs.voters
          for (const [key, row] of theirs.rows) if (row.version > (desk.rows.get(key)?.version ?? 0)) desk.rows.set(key, { ...row, at: clock.now() })
        }
      }
      for (const group of place.process.groups.values()) group.tell?.()
    }
  }

  function boot(index: number): void {
    const place = places[index] as TiersPlace
    const own = createProcessClock(clock)
    const sights: Process['sights'] = new Map()
    const process = { clock: own, sights, groups: new Map(), listeners: new Set(), published: new Map(), enteredAt: new Map(), ready: false } as unknown as Process
    const connected = () => places.filter((other) => other !== place && other.process?.ready === true && reaches(place, other) && (index === 0 || places.indexOf(other) === 0 || met(place, other)))
    if (real) process.quorum = realQuorum(place, process)
    process.quorum?.start()
    process.tiers = createTiers(
      {
        clock: own, random, meter: createMeter(), logger: silentLogger,
        ask: (peer, method, body, { timeout, signal }) => ask(place, process, peer, method, body, timeout, signal),
        connect: (peer) => (byPeer.get(peer) !== undefined && reaches(place, byPeer.get(peer) as TiersPlace) ? Promise.resolve() : Promise.reject(new Error('no way'))),
        peers: () => connected().map(({ peer }) => peer),
        members: {
          members: (pool) => [selfMember(place), ...[...(sights.get(pool)?.values() ?? [])].map(({ member }) => member)],
          member: (peer, pool) => (peer === place.peer ? selfMember(place) : sights.get(pool)?.get(peer)?.member),
          onPoolEvent(listener) {
            process.listeners.add(listener)
            return () => process.listeners.delete(listener)
          }
        },
        catalog: {
          records: (pool) => [record(place, pool), ...[...(sights.get(pool)?.values() ?? [])].flatMap(({ member }) => (member.state === 'alive' ? [record(byPeer.get(member.peer) as TiersPlace, pool)] : []))]
        },
        quorum: { group: (pool) => process.groups.get(pool), votesIn: () => process.quorum?.votesIn() ?? [...place.disk.desks].flatMap(([pool, desk]) => (!process.groups.has(pool) && desk.voters.peers.includes(place.peer) ? [pool] : [])) },
        rtt: () => undefined,
        addresses: () => [`/ip4/127.0.0.1/tcp/${1000 + index}`],
        hubs: {
          save: (...hubs) => void (place.disk.hubs = [...hubs, ...place.disk.hubs.filter((known) => hubs.every((hub) => hub.peer !== known.peer))].slice(0, 256)),
          list: () => place.disk.hubs
        },
        home: { load: () => place.disk.home, save: (home) => void (place.disk.home = home) },
        pools: {
          enter(pool, tier) {
            if (sights.has(pool)) return
            sights.set(pool, new Map())
            process.enteredAt.set(pool, clock.now())
            process.groups.set(pool, openGroup(place, process, pool, tier))
            publish(place, process)
          },
          leave(pool) {
            sights.delete(pool)
            process.groups.delete(pool)
            process.quorum?.close(pool)
            process.published.delete(pool)
            return Promise.resolve()
          }
        },
        load: () => 0
      },
      place.options
    )
    place.process = process
    place.state = 'running'
    process.tiers.onChange(() => publish(place, process))
    // The connection to the first one, that was dialled.
    clock.after(delay(), () => {
      process.ready = true
      for (const other of connected()) {
        process.tiers.peerUp(other.peer)
        other.process?.tiers.peerUp(place.peer)
      }
    })
    void process.tiers.start()
  }

  const met = (place: TiersPlace, other: TiersPlace) => [...(place.process?.sights.values() ?? [])].some((sights) => sights.get(other.peer)?.member.state === 'alive')

  function selfMember(place: TiersPlace): TierMember {
    return { peer: place.peer, state: 'alive', name: place.name, addresses: [`/ip4/127.0.0.1/tcp/${1000 + places.indexOf(place)}`], tier: place.options.tier, region: place.options.region, since: 0 }
  }

  function ask(from: TiersPlace, process: Process, peer: string, method: TierMethod, body: Uint8Array, timeout: number, signal: AbortSignal): Promise<Uint8Array> {
    world.asks++
    return send(from, process, peer, timeout, signal, (to) => to.tiers.answer(method, body, from.peer))
  }

  /** A request and its answer; a stopped node answers when it runs again, if the asker still waits. */
  function send(from: TiersPlace, process: Process, peer: string, timeout: number, signal: AbortSignal, answer: (to: Process) => Promise<Uint8Array>): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const timer = process.clock.after(timeout, () => reject(new Error('timeout')))
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      const to = byPeer.get(peer)
      const back = (fn: () => void) => void clock.after(delay(), () => {
        if (to === undefined || !reaches(from, to)) return
        timer.cancel()
        fn()
      })
      clock.after(delay(), () => {
        if (to?.process === undefined || !reaches(from, to)) return
        answer(to.process).then((said) => back(() => resolve(said)), (error: unknown) => back(() => reject(error as Error)))
      })
    })
  }

  function check(): void {
    const acting = new Map<string, string>()
    for (const place of places) {
      if (place.process === undefined || place.state === 'dead') continue
      for (const { pool, isHub } of place.process.tiers.state().pools) {
        if (!isHub) continue
        const other = acting.get(pool)
        if (other !== undefined) twoHubs.push(`${Math.round(clock.now())}: ${other} and ${place.name} of ${byPeer.get(pool)?.name ?? pool}`)
        acting.set(pool, place.name)
      }
    }
  }

  function hasWay(place: TiersPlace): boolean {
    let at = place
    for (let steps = 0; steps < 6; steps++) {
      const tiers = at.process?.tiers
      const edges = tiers?.edges()
      if (tiers === undefined || edges === undefined) return false
      if (edges.up === undefined) return tiers.state().pools.some(({ pool, isHub }) => pool === 'root' && isHub)
      const up = byPeer.get(edges.up.peer)
      const edge = up?.process?.tiers.edges().hubOf.find(({ pool }) => pool === edges.up?.pool)
      if (up === undefined || up.state !== 'running' || edge === undefined || edge.children.every(({ peer }) => peer !== at.peer)) return false
      at = up
    }
    return false
  }

  const world: TiersWorld = {
    places,
    twoHubs,
    asks: 0,
    now: clock.now,
    boot,
    kill(index) {
      const place = places[index] as TiersPlace
      place.process?.clock.kill()
      place.process = undefined
      place.state = 'dead'
    },
    stop(index) {
      const place = places[index] as TiersPlace
      place.process?.clock.pause()
      place.state = 'stopped'
    },
    resume(index) {
      const place = places[index] as TiersPlace
      place.state = 'running'
      place.process?.clock.resume()
    },
    async leave(index) {
      const place = places[index] as TiersPlace
      const stopping = place.process?.tiers.stop()
      await world.run(2_500)
      await stopping
      // What a goodbye says: the others know at once.
      for (const other of places) for (const [pool, sights] of other.process?.sights ?? []) if (other !== place && sights.get(place.peer)?.member.state === 'alive') put(other.process as Process, pool, sights, place, 'left', 'left')
      world.kill(index)
    },
    partition(groupOf) {
      places.forEach((place, index) => (place.group = groupOf(index)))
    },
    async run(ms) {
      for (let passed = 0; passed < ms; passed += STEP) {
        clock.advance(STEP)
        for (let turn = 0; turn < 12; turn++) await Promise.resolve()
        if (clock.now() % 100 < STEP) {
          for (const place of places) look(place)
          spread()
        }
        check()
      }
    },
    async until(condition, within) {
      const start = clock.now()
      while (!condition() && clock.now() - start < within) await world.run(100)
      return clock.now() - start
    },
    tiers: (index) => ((places[index] as TiersPlace).process as Process).tiers,
    astray: () => places.filter((place) => place.state === 'running' && !hasWay(place)).map(({ name }) => name)
  }
  return world
}

/** 1 global, 2 regional, 4 local hubs, 12 leaves: indices 0; 1, 2; 3 to 6; 7 to 18. Two regions. */
export function smallTree(): NodePlan[] {
  const region = (index: number) => (index % 2 === 0 ? 'eu' : 'us')
  return [
    { tier: 'global', region: 'eu' },
    ...[0, 1].map((index) => ({ tier: 'regional' as const, region: region(index) })),
    ...[0, 1, 2, 3].map((index) => ({ tier: 'local' as const, region: region(index) })),
    ...Array.from({ length: 12 }, (_, index) => ({ tier: 'leaf' as const, region: region(index) }))
  ]
}
