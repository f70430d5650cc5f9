import { describe, expect, test } from 'vitest'
import { createQuorumWorld, growTo, POOL, text, textOf } from '../../../support/quorum-world.ts'

const WITHIN = { within: 5_000 }
const change = (data: string) => ({ expect: 'any' as const, data: text(data) })

describe('a disk that takes nothing', () => {
  test('does not keep a member from what the federation has decided', async () => {
    const world = createQuorumWorld(4)
    await growTo(world, 3)
    const [hub, voter, , member] = world.nodes
    const told: string[] = []
    for (const { group } of [voter!, member!]) group.onDecided(({ key, data }) => void told.push(`${key} ${textOf(data)}`))
    voter!.store.full = member!.store.full = true
    await world.wait(hub!.group.change('ban/x', change('yes'), WITHIN)).catch(() => {})
    await world.run(60_000)
    expect(textOf(member!.group.known('ban/x')?.data)).toBe('yes')
    expect(told).toContain('ban/x yes')
    // Nothing was promised by it: it may vote as soon as it is asked to.
    expect(member!.group.status().damaged).toEqual([])
  })
})

describe('a group that is closed', () => {
  test('by a listener, while it hands out effects, leaves no timer behind', async () => {
    const world = createQuorumWorld(3, { genesis: [0, 1, 2] })
    const [first, ...others] = world.nodes
    await world.wait(first!.group.change('setting/a', change('one'), WITHIN))
    // The next comparison is far away.
    await world.run(6_000)
    first!.group.onDecided(() => first!.quorum.close(POOL))
    await expect(world.wait(first!.group.change('hub', change('one'), WITHIN))).rejects.toMatchObject({ code: 'SKEIN_CANCELLED' })
    for (const { quorum } of others) quorum.stop()
    // Calls that nobody answered any more.
    await world.run(5_000)
    expect(world.clock.pending).toBe(0)
  })

  test('asks nobody of before when it is opened again', async () => {
    const world = createQuorumWorld(3)
    const { quorum, store } = world.nodes[2]!
    quorum.close(POOL)
    world.calls.length = 0
    quorum.open(POOL, { genesis: [world.peers[0] as string], tier: 'regional' })
    await world.run(120_000)
    expect(world.calls.filter(({ from }) => from === world.peers[2])).toEqual([])
    expect(store.saves).toBe(0)
  })

  test('is followed on, though its rows cannot be read at that moment, and gives no vote', async () => {
    const world = createQuorumWorld(2)
    const [first, second] = world.nodes
    const learned = second!.quorum.learned(POOL, { genesis: [first!.peer] })
    await world.wait(first!.group.change('setting/a', change('one'), WITHIN))
    await world.run(100)
    second!.store.load = () => {
      throw new Error('disk I/O error')
    }
    second!.quorum.close(POOL)
    expect(textOf(learned.known('setting/a')?.data)).toBe('one')
    await world.wait(first!.group.change('setting/a', change('two'), WITHIN))
    await world.run(60_000)
    expect(textOf(learned.known('setting/a')?.data)).toBe('two')
    // It cannot be opened, but what was followed is there still.
    expect(() => second!.quorum.open(POOL, { genesis: [first!.peer], tier: 'regional' })).toThrow('disk I/O error')
    expect(textOf(learned.known('setting/a')?.data)).toBe('two')
  })
})

describe('a voter that is removed while it proposes', () => {
  test.each(Array.from({ length: 30 }, (_, index) => index + 1))('has another one go on, and the change is made once, seed %i', async (seed) => {
    const world = createQuorumWorld(5, { seed, delay: 40 })
    await growTo(world, 5)
    const hub = world.nodes[0]!.group
    const removed = hub.changeVoters(world.peers.filter((_, index) => index !== 3), WITHIN)
    await world.run(seed * 10)
    expect(await world.wait(world.nodes[3]!.group.change('setting/a', { expect: 0, data: text('x') }, WITHIN))).toMatchObject({ version: 1 })
    expect(textOf((await world.wait(world.nodes[3]!.group.read('setting/a', WITHIN)))?.data)).toBe('x')
    expect((await world.wait(removed)).version).toBe(hub.voters().version)
    expect(await world.wait(hub.read('setting/a', WITHIN))).toMatchObject({ version: 1 })
  })
})
