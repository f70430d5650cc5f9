import { expect, test } from 'vitest'
import { COMPARE_EVERY, COMPARE_QUIET } from '../../../../src/federation/quorum/spread.ts'
import { METHOD } from '../../../../src/wire/protocols.ts'
import { createQuorumWorld, growTo, text } from '../../../support/quorum-world.ts'

const WITHIN = { within: 5_000 }

test('a hub that renews asks a majority for promises, each voter in its turn, and all for votes', async () => {
  const world = createQuorumWorld(5)
  await growTo(world, 5)
  const { group, peer } = world.nodes[0]!
  await world.wait(group.change('hub', { expect: 0, data: text('a') }, WITHIN))
  const asked = async (version: number) => {
    world.calls.length = 0
    await world.wait(group.change('hub', { expect: version, data: text('a') }, WITHIN))
    const of = (method: number) => world.calls.filter((call) => call.from === peer && call.method === method).map(({ to }) => to)
    return { promises: of(METHOD.QUORUM_PREPARE), votes: of(METHOD.QUORUM_ACCEPT) }
  }
  const rounds = [await asked(1), await asked(2), await asked(3), await asked(4)]
  for (const { promises, votes } of rounds) expect([promises.length, votes.length]).toEqual([2, 4])
  expect(new Set(rounds.flatMap(({ promises }) => promises)).size).toBe(4)
})

test('… and the others when one of them does not answer', async () => {
  const world = createQuorumWorld(5)
  await growTo(world, 5)
  const { group } = world.nodes[0]!
  await world.wait(group.change('hub', { expect: 0, data: text('a') }, WITHIN))
  world.nodes[1]!.up = false
  world.nodes[3]!.up = false
  for (let version = 1; version < 6; version++) {
    const began = world.clock.now()
    await world.wait(group.change('hub', { expect: version, data: text('a') }, WITHIN))
    expect(world.clock.now() - began).toBeLessThan(600)
  }
})

test('who comes after the voters of the first lease can check the lease all the same, and agrees with the others', async () => {
  const world = createQuorumWorld(6)
  const { group } = world.nodes[0]!
  await world.wait(group.change('hub', { expect: 0, data: text('a') }, WITHIN))
  await growTo(world, 5)
  // Its renewals say nothing new, but that other voters have decided them.
  await world.wait(group.change('hub', { expect: 1, data: text('a') }, WITHIN))
  await world.run(100)
  for (const node of world.nodes) expect(node.group.known('hub')).toMatchObject({ version: 2 })
})

test('who was told and did not answer is compared with, again and again', async () => {
  const world = createQuorumWorld(4)
  await growTo(world, 3)
  await world.wait(world.nodes[0]!.group.change('setting/a', { expect: 0, data: text('a') }, WITHIN))
  // All agree, and compare rarely.
  await world.run(COMPARE_EVERY + COMPARE_QUIET)
  world.nodes[3]!.up = false
  await world.wait(world.nodes[0]!.group.change('setting/a', { expect: 1, data: text('b') }, WITHIN))
  await world.run(12_000)
  world.nodes[3]!.up = true
  await world.run(12_000)
  expect(world.nodes[3]!.group.known('setting/a')).toMatchObject({ version: 2 })
})

test('those who agree compare every two minutes', async () => {
  const world = createQuorumWorld(3)
  await growTo(world, 3)
  await world.wait(world.nodes[0]!.group.change('setting/a', { expect: 0, data: text('a') }, WITHIN))
  await world.run(2 * COMPARE_EVERY)
  world.calls.length = 0
  await world.run(COMPARE_QUIET * 5)
  const compared = world.calls.filter(({ method }) => method === METHOD.QUORUM_LEARN).length
  expect(compared).toBeGreaterThanOrEqual(3 * 3)
  expect(compared).toBeLessThanOrEqual(3 * 7)
})
