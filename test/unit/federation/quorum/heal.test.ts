import { describe, expect, test } from 'vitest'
import { brief, createScenario, type Scenario } from '../../../sim/quorum/scenario.ts'
import { createQuorumWorld, growTo, POOL, text } from '../../../support/quorum-world.ts'

/** The rows that say who votes, both of them: nobody can tell any more under whom this node has voted. */
function damage(scenario: Scenario, index: number): void {
  scenario.crash(index)
  const { disk } = scenario.world.hosts[index]!
  disk.write(['v', 'w'].map((key) => ({ key, bytes: new Uint8Array(10) })))
  disk.sync()
}

const damaged = (scenario: Scenario, index: number) => scenario.process(index).machine.status().damaged

describe('a node that has lost who votes', () => {
  test('becomes whole when it is taken off, also where the version it had voted under is lost', () => {
    const s = createScenario({ genesis: 3, hosts: 4 })
    expect(s.voters(0, [0, 1, 2, 3]).type).toBe('decided')
    expect(s.voters(0, [0, 1, 2]).type).toBe('decided')
    damage(s, 2)
    s.restart(2)
    s.world.run(10_000)
    expect(damaged(s, 2)).toContain('*')
    expect(s.voters(0, [0, 1]).type).toBe('decided')
    s.world.run(2_000)
    expect(damaged(s, 2)).toEqual([])
    expect(s.voters(0, [0, 1, 2]).type).toBe('decided')
    s.crash(1)
    expect(brief(s.change(2, 'setting/a', undefined, 'healed'))).toBe('decided 1 = healed')
  })

  test('becomes whole by itself where it was taken off while it was away, and stays so after a restart', () => {
    const s = createScenario({ genesis: 3 })
    s.change(0, 'setting/a', undefined, 'x')
    s.crash(2)
    expect(s.voters(0, [0, 1]).type).toBe('decided')
    s.world.start(2)
    damage(s, 2)
    s.restart(2)
    expect(damaged(s, 2)).toContain('*')
    s.world.run(10_000)
    expect(damaged(s, 2)).toEqual([])
    s.crash(2)
    s.restart(2)
    expect(damaged(s, 2)).toEqual([])
    expect(s.process(2).machine.voters()).toMatchObject({ version: 2, peers: ['q0', 'q1'], settled: true })
  })

  test('asks those who know: one that was away as long as itself cannot say it, and nothing is decided with its help', () => {
    const s = createScenario({ genesis: 3 })
    s.split([2], [0, 1])
    expect(s.voters(1, [1, 0]).type).toBe('decided')
    s.change(1, 'setting/a', undefined, 'of two')
    damage(s, 0)
    s.restart(0)
    s.split([1], [0, 2])
    s.world.run(30_000)
    expect(damaged(s, 0)).toContain('*')
    expect(s.change(2, 'setting/a', undefined, 'of the forgetful').type).not.toBe('decided')
    s.heal()
    expect(s.voters(1, [1], { within: 8_000 }).type).toBe('decided')
    s.world.run(15_000)
    expect(damaged(s, 0)).toEqual([])
    expect(brief(s.read(0, 'setting/a'))).toBe('decided 1 = of two')
  })
})

describe('a voter whose disk is full', () => {
  test('votes again by itself when it was taken off and its disk takes what it writes, and not before', () => {
    const s = createScenario({ genesis: 4 })
    s.world.hosts[3]!.full = 'sure'
    s.change(0, 'setting/a', undefined, 'one')
    s.world.run(100)
    expect(s.process(3).machine.status()).toMatchObject({ damaged: ['*'], unwritten: 'the disk is full' })
    expect(s.voters(0, [0, 1, 2]).type).toBe('decided')
    // The first attempt at it fails as well.
    s.world.hosts[3]!.full = 'sure'
    s.world.run(15_000)
    expect(damaged(s, 3)).toEqual(['*'])
    s.world.run(30_000)
    expect(s.process(3).machine.status()).toMatchObject({ damaged: [], unwritten: undefined })
    expect(s.voters(0, [0, 1, 2, 3]).type).toBe('decided')
    s.crash(3)
    s.restart(3)
    s.crash(2)
    expect(brief(s.change(3, 'setting/a', 1, 'two'))).toBe('decided 2 = two')
  })
})

describe('who is asked whether it would vote', () => {
  test('says so when it is sound, and not when it is damaged, its disk is full, or nobody answers', async () => {
    const world = createQuorumWorld(4)
    const [leader, , other, last] = world.nodes
    await growTo(world, 3)
    const asked = () => world.wait(leader!.group.wouldVote(last!.peer, { within: 1_000 }))
    expect(await asked()).toBe(true)
    last!.store.full = true
    expect(await asked()).toBe(false)
    last!.store.full = false
    expect(await asked()).toBe(false)
    await world.run(20_000)
    expect(await asked()).toBe(true)
    await world.wait(other!.group.change('setting/a', { expect: 'any', data: text('x') }, { within: 5_000 }))
    last!.quorum.close(POOL)
    expect(await asked()).toBe(false)
    last!.up = false
    expect(await asked()).toBe(false)
  })
})
