import type { Clock } from '../../src/base/clock.ts'
import { SkeinError } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logger.ts'
import type { Meter } from '../../src/base/meter.ts'
import type { Random } from '../../src/base/random.ts'
import { createQuorum } from '../../src/federation/quorum/driver.ts'
import type { Quorum } from '../../src/federation/quorum/driver-types.ts'
import { createSummary, type Summary } from '../../src/federation/summary/driver.ts'
import { createTiers } from '../../src/federation/tiers/driver.ts'
import type { Home, KnownHub, TierMemberEvent } from '../../src/federation/tiers/ports.ts'
import type { Tiers } from '../../src/federation/tiers/types.ts'
import { createPools, type PoolParts } from '../../src/node/pools/pools.ts'
import type { Tier } from '../../src/wire/admission-documents.ts'
import type { NodeRecord, ServerEntry } from '../../src/wire/catalog-types.ts'
import { METHOD, ROOT_POOL } from '../../src/wire/protocols.ts'
import type { SummaryBody } from '../../src/wire/summary-row.ts'
import { fakeSeal } from '../sim/quorum/fake-seal.ts'
import { createFakeQuorumStore } from './fake-quorum-store.ts'
import { createBoardCatalog, createLargeCatalog, putOnBoard, type LargeCatalog, type RecordBoard, type RecordDesk, type CatalogWire } from './large-catalog.ts'
import type { LargePools, PoolNode } from './large-pools.ts'

export const LIMITS = { maxRegionalHubs: 10, maxChildHubs: 20, maxClusters: 100 }

/** What a node says to others, by what it is for. */
export const PARTS = ['tiers', 'quorum', 'summary', 'catalog', 'gossip'] as const
export type Part = (typeof PARTS)[number]

export interface Sent {
  messages: number
  bytes: number
}

export interface NodePlan {
  peer: string
  name: string
  tier: Tier
  region: string
  /** Name of the hub it is to attach to. */
  parent?: string | undefined
  servers: readonly ServerEntry[]
}

export interface Machines {
  tiers: Tiers
  quorum: Quorum
  summary: Summary
  catalogs: Map<string, LargeCatalog>
}

export interface LargeNode extends PoolNode {
  readonly plan: NodePlan
  readonly address: string
  /** Its own pool runs the real machine of the catalog at all its members. */
  readonly real: boolean
  /** Undefined: not booted yet, or taken apart to be weighed. */
  machines: Machines | undefined
  readonly links: Set<string>
  readonly pools: Set<string>
  readonly messages: Record<Part, number>
  readonly bytes: Record<Part, number>
  /** The same by kind of message: `<part> <method, what of it> ask | answer`. */
  readonly kinds: Map<string, Sent>
  servers: readonly ServerEntry[]
  answer(method: number, body: Uint8Array, from: string): Promise<Uint8Array>
  sessionDown(peer: string): void
}

export interface NodeWorld {
  random: Random
  founder: string
  federation: string
  desk: RecordDesk
  pools: LargePools
  readBody(bytes: Uint8Array, path: string): SummaryBody
  clockOf(node: LargeNode): Clock
  rtt(node: LargeNode, peer: string): number | undefined
  call(node: LargeNode, part: Part, peer: string, method: number, body: Uint8Array, options: { timeout: number; signal: AbortSignal }): Promise<Uint8Array>
  connect(node: LargeNode, peer: string): Promise<void>
  wire(node: LargeNode, pool: string): CatalogWire
  /** Undefined: the pool runs the real machine of the catalog. */
  board(pool: string): RecordBoard | undefined
}

const nothing = { with: () => ({ inc() {}, set() {}, observe() {} }) }
/** Twenty thousand times a hundred numbers that nobody reads. */
export const noMeter: Meter = { counter: () => nothing, gauge: () => nothing, histogram: () => nothing, onCollect() {} }

const zero = (): Record<Part, number> => ({ tiers: 0, quorum: 0, summary: 0, catalog: 0, gossip: 0 })

export function createLargeNode(plan: NodePlan, address: string, real: boolean, stands: boolean): LargeNode {
  return {
    plan, peer: plan.peer, address, real, stands, alive: false, machines: undefined, links: new Set(), pools: new Set(), late: new Map(), messages: zero(), bytes: zero(), kinds: new Map(), servers: [],
    heard() {},
    answer: () => Promise.reject(new SkeinError('SKEIN_GOAWAY', 'not started')),
    sessionDown() {}
  }
}

/** Joins the real machines of one node to the world, as src/node/pools/tiers-setup.ts and src/node/members/catalog-links.ts join them to libp2p. */
export function bootNode(node: LargeNode, world: NodeWorld): void {
  const { plan, peer: self } = node
  const { random, pools } = world
  const clock = world.clockOf(node)
  const catalogs = new Map<string, LargeCatalog>()
  const listeners = new Set<(pool: string, event: TierMemberEvent) => void>()
  let tellPools: ((pool: string, event: TierMemberEvent) => void) | undefined
  const up = new Set<string>()
  const disk: { home: Home | undefined; hubs: KnownHub[] } = { home: undefined, hubs: [] }
  node.alive = true

  const rtt = (peer: string) => world.rtt(node, peer)
  const quorum = createQuorum(
    {
      clock, random, meter: noMeter, logger: silentLogger, store: createFakeQuorumStore(), signer: { peer: self, publicKey: new Uint8Array(32), sign: () => new Uint8Array(64) }, seal: fakeSeal(self),
      call: (peer, method, body, options) => world.call(node, 'quorum', peer, method, body, options),
      permits: (...question) => tiers.permits(...question)
    },
    { self, federation: world.federation }
  )
  // As the settings of the federation do.
  quorum.learned(ROOT_POOL)
  const summary = createSummary(
    {
      clock, random, meter: noMeter, logger: silentLogger, rtt, readBody: (bytes, path) => world.readBody(bytes, path ?? 'server'),
      call: (peer, method, body, options) => world.call(node, 'summary', peer, method, body, options),
      records: offering
    },
    { self, maxTools: 1_000 }
  )

  function offering(pool: string): NodeRecord[] {
    const catalog = catalogs.get(pool)
    const live = catalog?.live()
    return (catalog?.records() ?? []).filter(({ peer, draining }) => (peer === self || live?.has(peer) === true) && !draining)
  }

  function describe(): void {
    for (const [pool, catalog] of catalogs) {
      const hub = tiers.hubFacts(pool)
      const { name, region, tier } = plan
      catalog.step({ type: 'local', servers: node.servers as ServerEntry[], descriptor: { name, addresses: [node.address], region, tier, draining: false, ...(hub === undefined ? {} : { hub }) } })
    }
  }

  const parts = createPools({
    members: {
      enter(pool: string) {
        node.pools.add(pool)
        pools.enter(node, pool, { name: plan.name, addresses: [node.address], tier: plan.tier, region: plan.region })
      },
      leave(pool: string) {
        node.pools.delete(pool)
        pools.leave(node, pool)
        return Promise.resolve()
      },
      members: (pool: string) => pools.members(node, pool),
      onPoolEvent: (listener: (pool: string, event: TierMemberEvent) => void) => (tellPools = listener)
    } as unknown as PoolParts['members'],
    catalog: {
      openPool(pool) {
        const deps = { clock, random, desk: world.desk, wire: world.wire(node, pool), onChanged: () => summary.catalogChanged() }
        const board = world.board(pool)
        const options = { federation: world.federation, pool, self }
        const catalog = board === undefined ? createLargeCatalog(deps, options) : createBoardCatalog(deps, board, options)
        catalogs.set(pool, catalog)
        for (const peer of up) catalog.step({ type: 'session-up', peer })
      },
      closePool(pool) {
        catalogs.get(pool)?.close()
        catalogs.delete(pool)
      }
    },
    quorum, self, founder: world.founder, threshold: undefined, describe: () => describe()
  })

  const tiers = createTiers(
    {
      clock, random, meter: noMeter, logger: silentLogger, rtt, quorum, pools: parts,
      ask: (peer, method, body, options) => world.call(node, 'tiers', peer, method === 'attach' ? METHOD.TIER_ATTACH : METHOD.TIER_TOPOLOGY, body, options),
      connect: (peer) => world.connect(node, peer),
      peers: () => [...new Set([...node.links, ...up])],
      members: {
        members: (pool) => pools.members(node, pool),
        member: (peer, pool) => pools.member(node, pool, peer),
        onPoolEvent(listener) {
          listeners.add(listener)
          return () => listeners.delete(listener)
        }
      },
      catalog: { records: (pool) => catalogs.get(pool)?.records() ?? [] },
      addresses: () => [node.address],
      hubs: { save: (...hubs) => void (disk.hubs = [...hubs, ...disk.hubs.filter((known) => hubs.every(({ peer }) => peer !== known.peer))].slice(0, 16)), list: () => disk.hubs },
      home: { load: () => disk.home, save: (home) => void (disk.home = home) },
      load: () => 0
    },
    { self, name: plan.name, founder: world.founder, tier: plan.tier, region: plan.region, limits: LIMITS, ...(plan.parent === undefined ? {} : { parent: plan.parent }) }
  )

  function follow(): void {
    const edges = tiers.edges()
    summary.setEdges({ ...edges, pools: [...node.pools] })
    const children = edges.hubOf.filter(({ pool }) => pool !== ROOT_POOL).flatMap(({ children: below }) => below.map(({ peer }) => peer))
    quorum.setAudience(ROOT_POOL, children)
    if (!node.pools.has(ROOT_POOL)) quorum.setMembers(ROOT_POOL, edges.up === undefined ? [] : [edges.up.peer])
    describe()
  }

  // News that come in one message: who votes is told of them together.
  node.heard = (pool, events) => {
    for (const event of events) hear(pool, event)
    const last = events.at(-1)
    if (last !== undefined) tellPools?.(pool, last)
  }
  function hear(pool: string, event: TierMemberEvent): void {
    const { peer } = event.member
    const living = event.member.state === 'alive' || event.member.state === 'suspect'
    const catalog = catalogs.get(pool)
    if (living && !up.has(peer)) {
      up.add(peer)
      for (const one of catalogs.values()) one.step({ type: 'session-up', peer })
      tiers.peerUp(peer)
    }
    catalog?.step(living ? { type: 'member-up', peer } : { type: 'member-down', peer })
    if (event.type === 'failed') node.sessionDown(peer)
    for (const listener of listeners) listener(pool, event)
  }
  node.sessionDown = (peer) => {
    node.links.delete(peer)
    if (!up.delete(peer)) return
    for (const one of catalogs.values()) one.step({ type: 'session-down', peer })
  }
  node.answer = (method, body, from) => {
    if (method >= METHOD.SUMMARY_SYNC) return summary.answer(method, body, from)
    if (method === METHOD.TIER_ATTACH) return tiers.answer('attach', body, from)
    if (method === METHOD.TIER_TOPOLOGY) return tiers.answer('topology', body, from)
    return quorum.answer(method, body, from)
  }
  node.machines = { tiers, quorum, summary, catalogs }
  tiers.onChange(follow)
  quorum.start()
  summary.start()
  void tiers.start().then(follow)
}

/** A leaf of a pool in which only some leaves run: a member with a record. Without an address it is no voter. */
export function standIn(node: LargeNode, world: Pick<NodeWorld, 'pools' | 'board' | 'federation'>, home: string): void {
  const { name, tier, region } = node.plan
  node.alive = true
  node.pools.add(home)
  world.pools.enter(node, home, { name, addresses: [], tier, region })
}

/** A server of its own from now on, or one less. */
export function serve(node: LargeNode, servers: readonly ServerEntry[], board?: (pool: string) => RecordBoard | undefined): void {
  node.servers = servers
  const [home = ''] = node.pools
  const seen = node.stands ? board?.(home) : undefined
  if (seen !== undefined) {
    const { name, region, tier } = node.plan
    const sequence = (seen.records.get(node.peer)?.sequence ?? 0) + 1
    putOnBoard(seen, { federation: 'fed', pool: home, peer: node.peer, sequence, expires: 2_000_000_000_000, name, addresses: [node.address], region, tier, draining: false, servers: servers as ServerEntry[] })
  }
  for (const [pool, catalog] of node.machines?.catalogs ?? []) {
    const hub = node.machines?.tiers.hubFacts(pool)
    const { name, region, tier } = node.plan
    catalog.step({ type: 'local', servers: servers as ServerEntry[], descriptor: { name, addresses: [node.address], region, tier, draining: false, ...(hub === undefined ? {} : { hub }) } })
  }
}
