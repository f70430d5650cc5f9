import { describe, expect, test } from 'vitest'
import { randomInt, seededRandom } from '../../../src/base/random.ts'
import { createTiersWorld, smallTree, type NodePlan, type TiersWorld } from '../../support/tiers-world.ts'
import { bandOf } from '../frame/bands.ts'

async function grow(plans: readonly NodePlan[], seed: number, settle = 60_000, options = {}): Promise<TiersWorld> {
  const world = createTiersWorld(plans, seed, options)
  for (let index = 0; index < plans.length; index++) {
    world.boot(index)
    await world.run(300)
  }
  await world.run(settle)
  return world
}

const homeOf = (world: TiersWorld, index: number) => {
  const { home } = world.tiers(index).state()
  return world.places.find(({ peer }) => peer === home)?.name ?? home
}
const hubs = (world: TiersWorld) => world.places.flatMap(({ state, process }, index) => (state === 'running' && (process?.tiers.edges().hubOf.length ?? 0) > 0 ? [index] : []))
const hubOf = (world: TiersWorld, pool: string) =>
  world.places.findIndex(({ state, process }) => state === 'running' && process?.tiers.state().pools.some((one) => one.pool === pool && one.isHub) === true)

describe('a tree of 1 global, 2 regional, 4 local hubs and 12 leaves', () => {
  test('each node finds its place within a second, in its region', async () => {
    const world = createTiersWorld(smallTree(), 1)
    for (let index = 0; index < world.places.length; index++) {
      world.boot(index)
      await world.run(300)
    }
    expect(await world.until(() => world.astray().length === 0, 5_000)).toBeLessThan(1_000)
    for (let leaf = 7; leaf < 19; leaf++) {
      const hub = world.places.find(({ peer }) => peer === world.tiers(leaf).state().home)
      expect(hub?.options.tier).toBe('local')
      expect(hub?.options.region).toBe(world.places[leaf]?.options.region)
    }
    await world.run(60_000)
    // Whoever has at least three members has standbys by now.
    expect(world.tiers(0).state().pools[0]?.standbys).toHaveLength(2)
    expect(world.tiers(0).edges().hubOf[0]?.children.map(({ hub }) => hub?.pool)).toEqual([world.places[1]?.peer, world.places[2]?.peer])
    expect(world.twoHubs).toEqual([])
  })

  test('topology shows every node once, from any node', async () => {
    const world = await grow(smallTree(), 2)
    let tree: Awaited<ReturnType<ReturnType<TiersWorld['tiers']>['topology']>> | undefined
    void world.tiers(14).topology({ signal: new AbortController().signal, timeout: 5_000, depth: 5 }).then((found) => (tree = found))
    await world.run(2_000)
    const peers: string[] = []
    const walk = (node: NonNullable<typeof tree>) => {
      peers.push(node.peer)
      node.children.forEach(walk)
    }
    if (tree !== undefined) walk(tree)
    expect(tree?.peer).toBe(world.places[0]?.peer)
    expect(peers.toSorted()).toEqual(world.places.map(({ peer }) => peer).toSorted())
  })

  test.each(bandOf(8))('kills, stops, goodbyes and partitions, seed %i', async (seed) => {
    const world = await grow(smallTree(), seed)
    const random = seededRandom(seed * 77)
    for (let round = 0; round < 5; round++) {
      const all = hubs(world)
      const victim = all[randomInt(random, all.length)] as number
      const how = ['kill', 'stop', 'partition', 'leave'][randomInt(random, 4)]
      if (how === 'kill') world.kill(victim)
      else if (how === 'stop') world.stop(victim)
      else if (how === 'leave') await world.leave(victim)
      else world.partition((index) => (world.places[index]?.options.region === 'us' ? 1 : 0))
      if (how === 'partition') await world.run(60_000)
      else {
        // A hub that was killed is noticed in a second; one that is silent has a lease, and is noticed in six.
        await world.run(how === 'kill' ? 1_500 : 7_000)
        const within = how === 'kill' ? 8_000 : 9_000
        expect(await world.until(() => world.astray().length === 0, within), `seed ${seed}, round ${round}: ${how} ${victim}, astray ${world.astray().join()}`).toBeLessThan(within)
      }
      world.partition(() => 0)
      if (how === 'stop') world.resume(victim)
      else if (how !== 'partition') world.boot(victim)
      await world.run(500)
      expect(await world.until(() => world.astray().length === 0, 10_000), `seed ${seed}, round ${round}: back after ${how} of ${victim}, astray ${world.astray().join()}`).toBeLessThan(10_000)
      await world.run(30_000)
    }
    expect(world.twoHubs).toEqual([])
  })
})

describe('with the real quorum', () => {
  test.each(bandOf(2))('kill, stop and goodbye of the hubs of three tiers, seed %i', async (seed) => {
    const world = await grow(smallTree(), seed, 60_000, { real: true })
    expect(world.astray()).toEqual([])
    for (const [pool, how] of [['root', 'kill'], [1, 'stop'], [4, 'leave'], ['root', 'stop'], [2, 'kill']] as const) {
      const victim = hubOf(world, pool === 'root' ? pool : (world.places[pool]?.peer as string))
      if (how === 'kill') world.kill(victim)
      else if (how === 'stop') world.stop(victim)
      else await world.leave(victim)
      await world.run(how === 'kill' ? 1_500 : 7_000)
      const within = how === 'kill' ? 8_000 : 9_000
      expect(await world.until(() => world.astray().length === 0, within), `${how} ${victim}, astray ${world.astray().join()}`).toBeLessThan(within)
      if (how === 'stop') world.resume(victim)
      else world.boot(victim)
      await world.run(30_000)
      expect(world.astray()).toEqual([])
    }
    expect(world.twoHubs).toEqual([])
  })
})

describe('who is hub', () => {
  test('the hub that returns is an ordinary member of its own pool', async () => {
    const world = await grow(smallTree(), 3)
    const pool = world.places[1]?.peer as string
    world.kill(1)
    await world.run(10_000)
    const heir = hubOf(world, pool)
    expect(heir).toBeGreaterThan(1)
    world.boot(1)
    await world.run(30_000)
    expect(hubOf(world, pool)).toBe(heir)
    expect(world.tiers(1).state()).toMatchObject({ home: pool, pools: [{ pool, isHub: false, token: 2 }] })
  })

  test('a stopped hub no longer acts when it wakes, though nobody has told it yet', async () => {
    const world = await grow(smallTree(), 4)
    world.stop(0)
    await world.run(40_000)
    expect(world.tiers(0).state().pools.some(({ isHub }) => isHub)).toBe(false)
    expect(hubOf(world, 'root')).toBeGreaterThan(0)
    world.resume(0)
    await world.run(1_000)
    expect(world.tiers(0).state().pools[0]).toMatchObject({ pool: 'root', isHub: false, token: 2 })
    expect(world.twoHubs).toEqual([])
  })

  test('a region that is cut off keeps its pools, and only the majority has a hub of the top', async () => {
    const world = await grow(smallTree(), 5)
    world.partition((index) => (world.places[index]?.options.region === 'us' ? 1 : 0))
    await world.run(60_000)
    expect(hubOf(world, 'root')).toBe(0)
    expect(hubOf(world, world.places[2]?.peer as string)).toBe(2)
    expect(world.tiers(2).state().pools[1]).toMatchObject({ pool: 'root', isHub: false })
    expect(world.tiers(2).state().pools[1]?.problem).toMatch(/no quorum, 1 of 3 voters/)
    world.partition(() => 0)
    expect(await world.until(() => world.astray().length === 0, 10_000)).toBeLessThan(5_000)
  })

  test('resigning hands the lease to a standby at once, and taking part again does not take it back', async () => {
    const world = await grow(smallTree(), 6)
    void world.tiers(0).resign()
    expect(await world.until(() => hubOf(world, 'root') > 0, 5_000)).toBeLessThan(1_000)
    world.tiers(0).resume()
    await world.run(20_000)
    expect(hubOf(world, 'root')).toBeGreaterThan(0)
  })

  test('a leaf that founded the federation gives the top to a global node once', async () => {
    const world = await grow([{ tier: 'leaf' }, { tier: 'leaf' }, { tier: 'global' }, { tier: 'leaf' }], 7)
    expect(hubOf(world, 'root')).toBe(2)
    world.kill(2)
    await world.run(20_000)
    const heir = hubOf(world, 'root')
    expect(heir).not.toBe(-1)
    world.boot(2)
    await world.run(60_000)
    expect(hubOf(world, 'root')).toBe(heir)
  })
})

describe('homes', () => {
  test('a flat federation: one question, no lease, nobody is hub', async () => {
    const world = createTiersWorld([{ tier: 'leaf' }, { tier: 'leaf' }, { tier: 'leaf' }], 1)
    world.boot(0)
    await world.run(500)
    world.boot(1)
    expect(await world.until(() => world.places[1]?.disk.home?.pool === 'root', 3_000)).toBeLessThan(300)
    world.boot(2)
    await world.run(60_000)
    expect(world.asks).toBe(2)
    expect([0, 1, 2].map((index) => world.tiers(index).state().pools)).toMatchObject([0, 1, 2].map(() => [{ pool: 'root', isHub: false }]))
    expect(world.tiers(2).edges()).toEqual({ up: undefined, hubOf: [] })
    // The voters of the one pool grow all the same: bans and settings need them.
    expect(world.tiers(0).state().pools[0]?.standbys).toHaveLength(3)
  })

  test('nobody answers: the one pool after 3 s', async () => {
    const world = createTiersWorld([{ tier: 'leaf' }, { tier: 'leaf' }], 1)
    world.boot(1)
    const took = await world.until(() => world.places[1]?.disk.home !== undefined, 10_000)
    expect(took).toBeGreaterThanOrEqual(3_000)
    expect(took).toBeLessThan(3_200)
  })

  test('a flat federation is given tiers while it runs', async () => {
    const world = await grow([...Array.from({ length: 9 }, () => ({ tier: 'leaf' as const })), { tier: 'regional' }], 2, 40_000)
    const below = Array.from({ length: 9 }, (_, index) => homeOf(world, index)).filter((home) => home === 'n9').length
    // The voters of the top pool stay, for a majority of them must.
    expect(below).toBeGreaterThanOrEqual(4)
    expect(hubOf(world, 'root')).not.toBe(-1)
    expect(world.astray()).toEqual([])
    expect(world.twoHubs).toEqual([])
  })

  test('a full hub names others', async () => {
    const world = await grow([{ tier: 'global' }, { tier: 'regional', limits: { maxClusters: 2 } }, { tier: 'regional' }, ...Array.from({ length: 6 }, () => ({ tier: 'leaf' as const, parent: 'n1' }))], 3, 10_000)
    const homes = [3, 4, 5, 6, 7, 8].map((index) => homeOf(world, index))
    expect(homes.filter((home) => home === 'n1')).toHaveLength(2)
    expect(homes.filter((home) => home === 'root')).toHaveLength(0)
    expect(world.astray()).toEqual([])
  })

  test('federation.parent wins against a nearer hub, and the nearer one is good when it is dead', async () => {
    const world = await grow([{ tier: 'global', region: 'eu' }, { tier: 'regional', region: 'eu' }, { tier: 'regional', region: 'us' }, { tier: 'leaf', region: 'eu', parent: 'n2' }], 4, 5_000)
    expect(homeOf(world, 3)).toBe('n2')
    world.kill(2)
    expect(await world.until(() => homeOf(world, 3) === 'n1', 30_000)).toBeLessThan(10_000)
  })

  test('a federation.parent that cannot be had is said: unknown, not above, full, or this node votes where it is', async () => {
    const region = 'eu'
    const leaf = (parent: string) => ({ tier: 'leaf' as const, region, parent })
    const world = await grow(
      [{ tier: 'global', region }, { tier: 'regional', region }, { tier: 'regional', region, limits: { maxClusters: 1 } }, leaf('nosuchhub'), leaf('n3'), leaf('n2'), leaf('n2'), { tier: 'regional', region, parent: 'n1' }],
      4, 25_000
    )
    const unmet = (index: number) => world.tiers(index).state().unmet
    expect([3, 4, 7].map(unmet)).toEqual([expect.stringMatching(/"nosuchhub" .* no such hub is known/), expect.stringMatching(/"n3" .* no such hub is known/), expect.stringMatching(/"n1" .* higher tier/)])
    const [there, outside] = homeOf(world, 5) === 'n2' ? [5, 6] : [6, 5]
    expect([unmet(there), unmet(outside)]).toEqual([undefined, expect.stringMatching(/"n2" .* it is full/)])
    world.kill(2)
    await world.run(60_000)
    // It has only heard of it.
    expect(unmet(outside)).toMatch(/no such hub is known/)
    world.kill(there)
    world.boot(2)
    await world.run(30_000)
    // There is room now, but one of the few of its pool is a voter there.
    expect(unmet(outside)).toMatch(/votes in the pool/)
  })

  test('a better hub is followed after five minutes, not before', async () => {
    const world = createTiersWorld([{ tier: 'global', region: 'eu' }, { tier: 'regional', region: 'us' }, { tier: 'leaf', region: 'eu' }, { tier: 'leaf', region: 'us' }, { tier: 'regional', region: 'eu' }], 5)
    for (let index = 0; index < 4; index++) {
      world.boot(index)
      await world.run(500)
    }
    const before = homeOf(world, 3)
    expect(before).toBe('n1')
    await world.run(20_000)
    const root = homeOf(world, 2)
    world.boot(4)
    await world.run(200_000)
    expect(homeOf(world, 3)).toBe('n1')
    await world.run(400_000)
    expect(homeOf(world, 2)).toBe('n4')
    expect(homeOf(world, 3)).toBe('n1')
    expect(root).toBe('root')
    expect(world.astray()).toEqual([])
  })
})
