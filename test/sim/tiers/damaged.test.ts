import { expect, test } from 'vitest'
import type { QuorumGroup } from '../../../src/federation/quorum/driver-types.ts'
import { createTiersWorld } from '../../support/tiers-world.ts'

/** Three global hubs and a leaf; the one that leads root has lost a row when it is back: of all after a power cut the first, or so soon that it leads still. */
test.each([
  ['r/hub', 'all'], ['r/setting/max_tools', 'all'], ['r/hub', 'alone'], ['r/setting/max_tools', 'alone']
] as const)('a hub that has lost its row %s is whole again within a minute, though nobody asks for that register, back with %s', async (key, how) => {
  const world = createTiersWorld([{ tier: 'global' }, { tier: 'global' }, { tier: 'global' }, { tier: 'leaf' }], 3, { real: true })
  for (const index of world.places.keys()) {
    world.boot(index)
    await world.run(300)
  }
  await world.run(60_000)
  const group = () => world.places[0]?.process?.groups.get('root') as unknown as QuorumGroup
  const changed = group().change('setting/max_tools', { expect: 0, data: Uint8Array.of(1) }, { within: 5_000 })
  await Promise.all([changed, world.run(1_000)])
  const killed = how === 'all' ? [...world.places.keys()] : [0]
  for (const index of killed) world.kill(index)
  await world.run(100)
  world.places[0]?.disk.rows.get('root')?.set(key, { key, bytes: undefined })
  for (const index of killed) {
    world.boot(index)
    await world.run(index === 0 ? 100 : 0)
  }
  expect(group().status().damaged).toEqual([key.slice(2)])
  await world.run(60_000)
  expect(group().status()).toMatchObject({ damaged: [], isVoter: true })
  expect(world.twoHubs).toEqual([])
})
