import { describe, expect, test } from 'vitest'
import { HUB_KEY } from '../../../../src/federation/quorum/types.ts'
import { brief, createScenario, type Scenario } from '../../../sim/quorum/scenario.ts'

/** `to` are the voters, not settled, and the one that was added or left over says nothing more. */
function unsettled(scenario: Scenario, to: readonly number[]): void {
  scenario.ask(0, { what: 'voters', peers: to.map((index) => `q${index}`), op: 'cd'.repeat(12) }, 5_000)
  while (scenario.process(0).machine.voters().peers.length !== to.length) scenario.world.run(1)
  scenario.crash(to[1] as number)
  scenario.members()
  expect(scenario.process(0).machine.voters().settled).toBe(false)
}

describe('two voters', () => {
  test('a second voter that never answers is taken off again by the first alone, which has everything', () => {
    const s = createScenario({ genesis: 1, hosts: 4 })
    s.change(0, 'setting/a', undefined, 'before')
    unsettled(s, [0, 1])
    expect(s.change(0, 'setting/a', 1, 'with two').type).not.toBe('decided')
    expect(s.voters(0, [0], { within: 8_000 }).type).toBe('decided')
    s.world.run(3_000)
    expect(s.process(0).machine.voters()).toMatchObject({ version: 3, peers: ['q0'], settled: true })
    expect(brief(s.change(0, 'setting/a', undefined, 'after'))).toMatch(/= after$/)
    expect(s.voters(0, [0, 2], { within: 8_000 }).type).toBe('decided')
    expect(s.voters(0, [0, 2, 3], { within: 8_000 }).type).toBe('decided')
    s.restart(1)
    s.world.run(90_000)
    for (const { machine } of s.world.running()) expect(machine.voters()).toMatchObject({ peers: ['q0', 'q2', 'q3'], settled: true })
  })

  test('the second alone takes nobody off, and nothing else is decided by one of them', () => {
    const s = createScenario({ genesis: 2 })
    s.split([0], [1])
    expect(s.voters(1, [1]).type).not.toBe('decided')
    expect(s.change(0, 'setting/a', undefined, 'by the first').type).not.toBe('decided')
    expect(s.change(0, HUB_KEY, 0, 'lease').type).not.toBe('decided')
    expect(s.process(0).machine.needed('voters')).toBe(1)
    expect(s.process(0).machine.needed(HUB_KEY)).toBe(2)
  })

  test('settled, the first goes on alone when the second is dead; the second knows of it when it is back', () => {
    const s = createScenario({ genesis: 2, hosts: 3 })
    s.change(1, 'setting/a', undefined, 'of both')
    s.crash(1)
    s.members()
    expect(s.voters(0, [0]).type).toBe('decided')
    expect(brief(s.change(0, 'setting/a', 1, 'alone'))).toBe('decided 2 = alone')
    s.restart(1)
    s.world.run(5_000)
    expect(brief(s.read(1, 'setting/a'))).toBe('decided 2 = alone')
    expect(s.process(1).machine.status().isVoter).toBe(false)
  })

  test('two that are left of three wait for each other until they are settled: the first may lack what the others had decided', () => {
    const s = createScenario({ genesis: 3 })
    // Decided without the first, that is going to be alone.
    s.split([0], [1, 2])
    expect(s.change(1, 'setting/a', undefined, 'of the others').type).toBe('decided')
    s.heal()
    unsettled(s, [0, 1])
    expect(s.voters(0, [0], { within: 8_000 }).type).not.toBe('decided')
    expect(s.process(0).machine.voters().peers).toEqual(['q0', 'q1'])
    s.restart(1)
    s.world.run(5_000)
    expect(s.process(0).machine.voters().settled).toBe(true)
    expect(s.voters(0, [0]).type).toBe('decided')
    expect(brief(s.read(0, 'setting/a'))).toBe('decided 1 = of the others')
  })
})
