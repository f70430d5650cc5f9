import { describe, expect, test } from 'vitest'
import { randomInt } from '../../src/base/random.ts'
import type { CatalogDriver } from '../../src/federation/catalog/driver.ts'
import type { LocalServer } from '../../src/federation/catalog/ports.ts'
import type { About } from '../../src/wire/about.ts'
import { createWorld, type World } from '../support/catalog-world.ts'
import { WALL } from '../support/catalog-fixtures.ts'
import { bandOf, inEach } from './frame/bands.ts'

const SEEDS = bandOf(100)
const POOL_SEEDS = bandOf(50)
const NAMES = ['files', 'memory', 'graph', 'clock']

/** A random set of servers; the claim of a name by a node never changes. */
function randomServers(world: World, index: number, large: boolean): LocalServer[] {
  const pick = NAMES.filter(() => world.random.float() < 0.4)
  const servers = pick.map((name, n): LocalServer => {
    const stateless = name === 'clock' || world.random.float() < 0.3
    const tools = Array.from({ length: 1 + randomInt(world.random, 4) }, (_, tool) => ({
      definition: { name: `tool${tool}`, description: `version ${randomInt(world.random, 2)}` }, repeatable: stateless, exposed: true
    }))
    return { name, claimed: WALL + ((index * 7 + n) % 5), stateless, tools: world.random.float() < 0.2 ? [] : tools, about: { document: randomAbout(world, name), exposed: true } }
  })
  if (!large) return servers
  // Over 64 KiB: travels by announcement.
  const many = Array.from({ length: 700 }, (_, tool) => ({ definition: { name: `${'t'.repeat(80)}${tool}` }, repeatable: false, exposed: true }))
  return [...servers, { name: 'large', claimed: WALL, stateless: false, tools: many }]
}

function randomAbout(world: World, name: string): About {
  const prompts = Array.from({ length: randomInt(world.random, 3) }, (_, n) => ({ name: `prompt${n}` }))
  return { capabilities: { prompts: {} }, serverInfo: { name }, prompts, resources: [], resourceTemplates: [] }
}

function everyPair(world: World, visit: (a: number, b: number) => void): void {
  world.places.forEach((_, a) => world.places.forEach((__, b) => a < b && visit(a, b)))
}

/** One random misfortune or change. */
function disturb(world: World): void {
  const { random, places } = world
  const index = randomInt(random, places.length)
  const dice = random.float()
  if (dice < 0.35) world.setServers(index, randomServers(world, index, random.float() < 0.03))
  else if (dice < 0.5) {
    const side = places.map(() => random.float() < 0.5)
    everyPair(world, (a, b) => side[a] !== side[b] && world.cut(a, b))
  } else if (dice < 0.7) everyPair(world, (a, b) => random.float() < 0.5 && world.join(a, b))
  else if (places[index]?.driver === undefined) world.boot(index)
  else if (dice < 0.85) {
    world.kill(index)
    for (const { driver } of places) expect(providers(driver).has(world.peer(index))).toBe(false)
  }
}

/** Within one life of a node no record it holds may go back. */
function createWatch(world: World): () => void {
  const seen = new Map<CatalogDriver, Map<string, number>>()
  return () => {
    for (const { driver } of world.places) {
      if (driver === undefined) continue
      const before = seen.get(driver) ?? new Map<string, number>()
      const after = new Map(driver.records().map(({ peer, sequence }) => [peer, sequence]))
      for (const [peer, sequence] of after) expect(sequence).toBeGreaterThanOrEqual(before.get(peer) ?? 0)
      seen.set(driver, after)
    }
  }
}

function providers(driver: CatalogDriver | undefined): Set<string> {
  return new Set(driver?.offers().servers.flatMap((server) => [...server.providers, ...server.tools.flatMap((tool) => tool.providers)]))
}

/** What must be equal everywhere: the order of providers and the listed definition favour the local node. */
function view(driver: CatalogDriver): unknown {
  return driver.offers().servers.map(({ advertised, server, stateless, about, tools }) => ({ advertised, server, stateless, about: stateless ? undefined : about, tools: tools.map(({ tool, providers: peers }) => (stateless ? tool : [tool, ...peers])) }))
}

async function play(seed: number): Promise<void> {
  const world = createWorld(8 + (seed % 9), seed)
  world.loss = 0.3
  world.places.forEach((_, index) => world.setServers(index, randomServers(world, index, seed % 10 === 0 && index === 0)))
  world.places.forEach((_, index) => world.boot(index))
  const watch = createWatch(world)
  for (let round = 0; round < 25; round++) {
    disturb(world)
    await world.run(100 + randomInt(world.random, 3_000))
    watch()
  }
  world.loss = 0
  world.places.forEach(({ driver }, index) => driver ?? world.boot(index))
  everyPair(world, (a, b) => world.join(a, b))
  await world.run(45_000)

  const drivers = world.places.map(({ driver }) => driver as CatalogDriver)
  const [first] = drivers as [CatalogDriver]
  expect(first.records().map(({ peer }) => peer)).toEqual(world.places.map((_, index) => world.peer(index)))
  for (const [index, driver] of drivers.entries()) {
    expect(driver.records()).toEqual(first.records())
    expect(view(driver)).toEqual(view(first))
    const mine = driver.records().find(({ peer }) => peer === world.peer(index))
    expect(mine?.servers.map(({ name }) => name).sort()).toEqual(world.places[index]?.servers.map(({ name }) => name).sort())
    for (const { about, tools } of driver.offers().servers) {
      for (const digest of [about, ...tools.map((tool) => tool.digest)]) if (digest !== undefined) expect(driver.definition(digest)).toBeDefined()
    }
  }
  for (const driver of drivers) driver.stop()
}

/** Two pools that one node, now this one and now that, is in both of. */
async function playPools(seed: number): Promise<void> {
  const size = 10
  const world = createWorld(size, seed)
  const home = (index: number) => (index < size / 2 ? 'root' : 'second')
  world.loss = 0.3
  world.places.forEach((_, index) => {
    if (home(index) === 'second') {
      world.leave(index, 'root')
      world.enter(index, 'second')
    }
    world.setServers(index, randomServers(world, index, false))
  })
  world.places.forEach((_, index) => world.boot(index))
  let hub = 0
  world.enter(hub, 'second')
  for (let round = 0; round < 20; round++) {
    disturb(world)
    if (world.random.float() < 0.3) {
      const other = (pool: string) => (pool === 'root' ? 'second' : 'root')
      world.leave(hub, other(home(hub)))
      hub = randomInt(world.random, size)
      world.enter(hub, other(home(hub)))
    }
    await world.run(100 + randomInt(world.random, 3_000))
    // Nothing of a pool that it is not in can be called; only the hub's tools cross the border.
    for (const [index, { driver, pools }] of world.places.entries()) {
      if (driver === undefined) continue
      expect(driver.pools().toSorted()).toEqual([...pools].sort())
      const own = new Set([world.peer(index), ...[...pools].flatMap((pool) => [...driver.live(pool)])])
      for (const peer of providers(driver)) expect(own.has(peer)).toBe(true)
    }
  }
  world.loss = 0
  world.places.forEach(({ driver }, index) => driver ?? world.boot(index))
  everyPair(world, (a, b) => world.join(a, b))
  await world.run(45_000)

  for (const pool of ['root', 'second']) {
    const inside = world.places.flatMap(({ pools, driver }) => (pools.has(pool) && driver !== undefined ? [driver] : []))
    const [first] = inside as [CatalogDriver]
    const peers = world.places.flatMap(({ pools }, index) => (pools.has(pool) ? [world.peer(index)] : []))
    for (const driver of inside) {
      expect(driver.live(pool).size).toBe(peers.length - 1)
      const records = driver.records(pool).filter(({ peer }) => peers.includes(peer))
      expect(records.map(({ peer }) => peer)).toEqual(peers)
      expect(records).toEqual(first.records(pool).filter(({ peer }) => peers.includes(peer)))
      for (const record of records) expect(record.pool).toBe(pool)
    }
  }
  const withTools = (indexes: number[]) => indexes.filter((index) => (world.places[index]?.servers.length ?? 0) > 0).map((index) => world.peer(index)).sort()
  for (const [index, { driver, pools }] of world.places.entries()) {
    const seen = world.places.flatMap((other, at) => ([...other.pools].some((pool) => pools.has(pool)) ? [at] : []))
    const offered = [...providers(driver)].sort()
    // Of replicas with several definitions only those of the listed one are providers.
    for (const peer of offered) expect(withTools(seen)).toContain(peer)
    expect(offered.includes(world.peer(index))).toBe(withTools([index]).length > 0)
    for (const { about, tools } of (driver as CatalogDriver).offers().servers) {
      for (const digest of [about, ...tools.map((tool) => tool.digest)]) if (digest !== undefined) expect((driver as CatalogDriver).definition(digest)).toBeDefined()
    }
    driver?.stop()
  }
}

describe('catalog', () => {
  test(`two pools with one node in both stay apart and agree within (${POOL_SEEDS.length} seeds)`, { timeout: 120_000 }, () => inEach(POOL_SEEDS, playPools))

  test(`agrees everywhere after loss, duplication, reordering, partitions and restarts (${SEEDS.length} seeds)`, { timeout: 240_000 }, () => inEach(SEEDS, play))
})
