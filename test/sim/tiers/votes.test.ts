import { describe, expect, test } from 'vitest'
import { createTiersWorld, type NodePlan, type TiersWorld } from '../../support/tiers-world.ts'

/** A global hub, four regions with a hub and two leaves each: the five hubs are the voters of root. */
const FIVE: readonly NodePlan[] = [
  { tier: 'global' },
  ...['a', 'b', 'c', 'd'].map((region): NodePlan => ({ tier: 'regional', region })),
  ...['a', 'b', 'c', 'd'].flatMap((region): NodePlan[] => [{ tier: 'leaf', region }, { tier: 'leaf', region }])
]
const HUBS = [1, 2, 3]

async function grown(seed: number, real: boolean): Promise<TiersWorld> {
  const world = createTiersWorld(FIVE, seed, { real })
  for (let index = 0; index < FIVE.length; index++) {
    world.boot(index)
    await world.run(300)
  }
  await world.run(90_000)
  expect(votersOfRoot(world)).toEqual(['n0', 'n1', 'n2', 'n3', 'n4'])
  return world
}

const nameOf = (world: TiersWorld, peer: string | undefined) => world.places.find((place) => place.peer === peer)?.name ?? peer
const rootAt = (world: TiersWorld, index: number) => world.tiers(index).state().pools.find(({ pool }) => pool === 'root')
/** As the node that has been there all the time sees them. */
function votersOfRoot(world: TiersWorld, index = 0): (string | undefined)[] {
  const root = rootAt(world, index)
  return [root?.hub, ...(root?.standbys ?? [])].map((peer) => nameOf(world, peer)).toSorted()
}
const rootIsLed = (world: TiersWorld) => rootAt(world, 0)?.problem === undefined && [...FIVE.keys()].some((index) => rootAt(world, index)?.isHub === true)
const poolsOf = (world: TiersWorld, index: number) => world.tiers(index).state().pools.map(({ pool }) => nameOf(world, pool))

describe.each([['a stand-in for the quorum', false], ['the real quorum', true]])('a vote that is needed: %s', (_, real) => {
  test('three of five voters of root killed at once, their places taken, and back: root decides again, and they are relieved', async () => {
    const world = await grown(1, real)
    for (const index of HUBS) world.kill(index)
    await world.run(3_000)
    // Their standbys lead the regions by now.
    expect(HUBS.map((index) => [...world.places.keys()].some((other) => other > 4 && world.tiers(other).state().pools.some((one) => one.isHub && one.pool === world.places[index]?.peer)))).toEqual([true, true, true])
    for (const index of HUBS) world.boot(index)
    expect(await world.until(() => rootIsLed(world), 20_000)).toBeLessThan(15_000)
    await world.run(120_000)
    expect(world.astray()).toEqual([])
    expect(HUBS.map((index) => poolsOf(world, index))).toEqual(HUBS.map((index) => [`n${index}`]))
    expect(votersOfRoot(world)).toHaveLength(5)
    expect(votersOfRoot(world).filter((name) => HUBS.some((index) => `n${index}` === name))).toEqual([])
    expect(world.twoHubs).toEqual([])
  })

  test('three of five voters lose their places in one moment and go on running: they stay until they are relieved', async () => {
    const world = await grown(2, real)
    for (const index of HUBS) world.stop(index)
    await world.run(20_000)
    for (const index of HUBS) world.resume(index)
    expect(await world.until(() => rootIsLed(world), 20_000)).toBeLessThan(15_000)
    await world.run(120_000)
    expect(world.astray()).toEqual([])
    expect(HUBS.map((index) => poolsOf(world, index))).toEqual(HUBS.map((index) => [`n${index}`]))
    expect(votersOfRoot(world)).toHaveLength(5)
    expect(world.twoHubs).toEqual([])
  })

  test('all killed and started again: everyone has the old place, and nobody is relieved', async () => {
    const world = await grown(3, real)
    for (const index of FIVE.keys()) world.kill(index)
    await world.run(3_000)
    for (const index of FIVE.keys()) world.boot(index)
    await world.run(60_000)
    expect(world.astray()).toEqual([])
    expect(votersOfRoot(world)).toEqual(['n0', 'n1', 'n2', 'n3', 'n4'])
    expect(HUBS.map((index) => poolsOf(world, index))).toEqual(HUBS.map((index) => [`n${index}`, 'root']))
    expect(world.twoHubs).toEqual([])
  })

  test('all stopped in good order and started again: whoever leads now, root decides', async () => {
    const world = await grown(4, real)
    await Promise.all([...FIVE.keys()].map((index) => world.leave(index)))
    await world.run(3_000)
    for (const index of FIVE.keys()) world.boot(index)
    expect(await world.until(() => [...FIVE.keys()].some((index) => rootAt(world, index)?.isHub === true), 30_000)).toBeLessThan(20_000)
    await world.run(120_000)
    expect(world.astray()).toEqual([])
    const hub = [...FIVE.keys()].find((index) => rootAt(world, index)?.isHub === true) as number
    expect(rootAt(world, hub)?.problem).toBeUndefined()
    expect(votersOfRoot(world, hub)).toHaveLength(5)
    expect(world.twoHubs).toEqual([])
  })
})
