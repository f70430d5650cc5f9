import { expect, test } from 'vitest'
import { createTiersWorld, type NodePlan, type TiersWorld } from '../../support/tiers-world.ts'

/** No pool may be stopped for ever by one node that does not vote. With the real quorum. */

const leaf = { tier: 'leaf' } as const
const hub = (world: TiersWorld) => world.places.filter(({ process }) => process?.tiers.state().pools.some(({ pool, isHub }) => pool === 'root' && isHub)).map(({ name }) => name)
const voters = (world: TiersWorld, index = 0) => {
  const peers = world.places[index]?.process?.groups.get('root')?.voters().peers ?? []
  return world.places.filter(({ peer }) => peers.includes(peer)).map(({ name }) => name)
}

/** What a full or damaged page takes: nobody can tell any more under whom this node has voted. */
function damage(world: TiersWorld, index: number): void {
  const rows = world.places[index]?.disk.rows.get('root')
  for (const key of ['v', 'w']) rows?.set(key, { key, bytes: new Uint8Array(10) })
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

test('a voter that has lost who votes is replaced or whole again, and the pool has its voters all the time', async () => {
  const world = await started([{ tier: 'global' }, leaf, leaf])
  await world.run(30_000)
  expect(voters(world)).toEqual(['n0', 'n1', 'n2'])
  world.kill(1)
  await world.run(2_000)
  damage(world, 1)
  world.boot(1)
  // Its row is lost, so it is taken off; with one left the pool goes on, and it is added when it is whole.
  await world.run(120_000)
  expect(voters(world)).toEqual(['n0', 'n1', 'n2'])
  expect(hub(world)).toEqual(['n0'])
  const quorum = world.places[1]?.process?.quorum?.group('root')
  expect(quorum?.status().damaged).toEqual([])
  world.kill(2)
  await world.run(20_000)
  expect(hub(world)).toEqual(['n0'])
}, 60_000)
