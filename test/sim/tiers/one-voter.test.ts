import { expect, test } from 'vitest'
import { createTiersWorld, type NodePlan, type TiersWorld } from '../../support/tiers-world.ts'

/** No pool may be stopped for ever by one node that does not vote. With the real quorum. */

const leaf = { tier: 'leaf' } as const
const hub = (world: TiersWorld) => world.places.filter(({ process }) => process?.tiers.state().pools.some(({ pool, isHub }) => pool === 'root' && isHub)).map(({ name }) => name)
const voters = (world: TiersWorld, index = 0) => {
  const peers = world.places[index]?.process?.groups.get('root')?.voters().peers ?? []
  return world.places.filter(({ peer }) => peers.includes(peer)).map(({ name }) => name)
}

async function started(plans: readonly NodePlan[]): Promise<TiersWorld> {
  const world = createTiersWorld(plans, 7, { real: true })
  for (const index of plans.keys()) {
    world.boot(index)
    await world.run(500)
  }
  return world
}

test('a member of a version without votes, that lives longest, is no voter: the others are', async () => {
  const world = await started([{ tier: 'global' }, { ...leaf, ignores: () => true }, leaf, leaf])
  await world.run(60_000)
  expect(voters(world)).toEqual(['n0', 'n2', 'n3'])
  expect(hub(world)).toEqual(['n0'])
}, 60_000)

test('beside it alone the sole voter stays alone, and leads', async () => {
  const world = await started([{ tier: 'global' }, { ...leaf, ignores: () => true }, leaf])
  await world.run(60_000)
  expect(voters(world)).toEqual(['n0'])
  expect(hub(world)).toEqual(['n0'])
}, 60_000)

test('one that says it would vote and does not is taken off again, and is not in the way of others', async () => {
  let asked = 0
  const liar = (request: { kind: string }) => request.kind === 'prepare' || request.kind === 'accept' || (request.kind === 'keys' && ++asked > 1)
  const world = await started([{ tier: 'global' }, { ...leaf, ignores: liar }, leaf, leaf])
  expect(await world.until(() => voters(world).includes('n1'), 30_000)).toBeLessThan(30_000)
  await world.run(60_000)
  expect(voters(world)).toEqual(['n0', 'n2', 'n3'])
  expect(hub(world)).toEqual(['n0'])
}, 60_000)

test('a second voter that dies before it has voted is taken off, and added when it is back', async () => {
  const world = await started([{ tier: 'global' }, leaf, leaf])
  await world.until(() => voters(world).length === 2, 30_000)
  const dead = voters(world)[1] === 'n1' ? 1 : 2
  world.kill(dead)
  await world.run(40_000)
  expect(hub(world)).toEqual(['n0'])
  expect(voters(world)).toEqual(['n0'])
  world.boot(dead)
  await world.run(60_000)
  expect(voters(world)).toEqual(['n0', 'n1', 'n2'])
}, 60_000)
