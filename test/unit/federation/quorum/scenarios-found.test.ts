import { describe, expect, test } from 'vitest'
import { brief, createScenario } from '../../../sim/quorum/scenario.ts'
import { textOf } from '../../../sim/quorum/history.ts'

/** What the simulation once found (test/sim/quorum), each as short as it can be told. */
describe('found by simulation', () => {
  test('a sole voter whose disk is full has decided nothing, tells nobody of it, and decides anew when it is back', () => {
    const s = createScenario({ genesis: 1, hosts: 3 })
    s.world.hosts[0]!.full = 'sure'
    expect(s.change(0, 'setting/a', 0, 'never written').type).not.toBe('decided')
    s.world.run(90_000)
    for (const { machine } of s.world.running()) expect(machine.known('setting/a')).toBeUndefined()
    s.crash(0)
    s.restart(0)
    expect(brief(s.change(0, 'setting/a', 0, 'written'))).toBe('decided 1 = written')
    s.world.run(90_000)
    expect(s.world.running().map(({ machine }) => textOf(machine.known('setting/a')?.data))).toEqual(['written', 'written', 'written'])
  })

  test('who settles new voters and can vote no more leaves it to the others', () => {
    const s = createScenario({ genesis: 3, hosts: 4 })
    for (const key of ['setting/a', 'setting/b', 'ban/x']) s.change(0, key, undefined, key)
    s.ask(0, { what: 'voters', peers: ['q0', 'q1', 'q2', 'q3'], op: '0'.repeat(24) }, 8_000)
    while (s.process(0).machine.voters().version === 0) s.world.run(1)
    s.world.hosts[0]!.full = 'sure'
    s.world.run(60_000)
    expect(s.process(0).machine.status().damaged).toEqual(['*'])
    expect(s.process(1).machine.voters()).toMatchObject({ version: 2, settled: true })
    expect(s.change(1, 'setting/a', 1, 'goes on').type).toBe('decided')
  })

  test('a forwarded change that was made, and whose answer was lost, is not told as a conflict by the next voter', () => {
    let refuses = false
    const s = createScenario({ genesis: 3, hosts: 4, permits: (_pool, _key, _current, next) => !refuses || textOf(next.data) !== 'x' || 'not this one' })
    for (const voter of [0, 1, 2]) s.world.paths.cut(voter, 3)
    const asked = s.ask(3, { what: 'change', key: 'setting/a', op: 'ab'.repeat(12), expect: 0, data: Buffer.from('x') }, 8_000)
    s.world.run(200)
    expect(brief(s.change(1, 'setting/a', 1, 'y'))).toBe('decided 2 = y')
    refuses = true
    s.heal()
    s.world.run(10_000)
    // The second voter's own rule refuses it, but the change stands there as the one before.
    expect(['decided', 'unknown']).toContain(asked.outcome?.type)
    if (asked.outcome?.type === 'decided') expect(brief(asked.outcome)).toBe('decided 1 = x')
  })

  test('who was away while the voters changed again and again learns what was decided under voters that it never knew', () => {
    const s = createScenario({ genesis: 3, hosts: 6, tier: 'global' })
    s.crash(5)
    s.change(0, 'setting/a', undefined, 'early')
    for (const peers of [[0, 1, 2, 3], [1, 2, 3], [1, 2, 3, 4], [2, 3, 4]]) expect(s.voters(2, peers, { within: 8_000 }).type).toBe('decided')
    s.restart(5)
    s.world.run(120_000)
    expect(s.process(5).machine.voters().peers).toEqual(['q2', 'q3', 'q4'])
    expect(textOf(s.process(5).machine.known('setting/a')?.data)).toBe('early')
  })
})
