import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../../../src/base/random.ts'
import { createGroupMachine } from '../../../../src/federation/quorum/group.ts'
import { HUB_KEY } from '../../../../src/federation/quorum/types.ts'
import { createDisk } from '../../../sim/quorum/disk.ts'
import { fakeSeal } from '../../../sim/quorum/fake-seal.ts'
import { decodeLease, encodeLease, LEASE_TTL, leasePermits } from '../../../sim/quorum/lease.ts'
import { brief, createScenario } from '../../../sim/quorum/scenario.ts'
import type { Scenario } from '../../../sim/quorum/scenario.ts'

/** Scenario list I (what went wrong in other systems): each by its name there, on the machine with virtual time. */

const OP = '00000000000000000000abcd'

function lease(holder: number, token: number): string {
  return Buffer.from(encodeLease({ holder: `q${holder}`, token })).toString('utf8')
}

/** Everybody's view of a register, by a read at each. */
function everywhere(scenario: Scenario, key: string): string[] {
  return scenario.world.running().map(({ host }) => brief(scenario.read(host.index, key)))
}

describe('I1: no two disjoint majorities while voters change', () => {
  test('one side of a partition changes voters and goes on, the other decides nothing, whatever it knows', () => {
    const s = createScenario({ genesis: 3, hosts: 5 })
    s.split([0], [1, 2, 3, 4])
    expect(s.voters(0, [0, 1, 2, 3]).type).not.toBe('decided')
    expect(s.voters(1, [0, 1, 2, 3]).type).toBe('decided')
    expect(s.voters(2, [0, 1, 2, 3, 4]).type).toBe('decided')
    expect(brief(s.change(1, 'setting/a', undefined, 'new'))).toBe('decided 1 = new')
    expect(s.change(0, 'setting/a', undefined, 'old').type).not.toBe('decided')
    s.heal()
    s.world.run(5_000)
    expect(everywhere(s, 'setting/a')).toEqual(Array.from({ length: 5 }, () => 'decided 1 = new'))
  })

  test('two changes of voters at once: one is made after the other, or not', () => {
    const s = createScenario({ genesis: 3, hosts: 5 })
    const first = s.ask(0, { what: 'voters', peers: ['q0', 'q1', 'q2', 'q3'], op: OP }, 3_000)
    const second = s.ask(1, { what: 'voters', peers: ['q0', 'q1', 'q2', 'q4'], op: OP.replace('a', 'e') }, 3_000)
    s.world.run(4_000)
    expect([first.outcome?.type, second.outcome?.type].filter((type) => type === 'decided')).toHaveLength(1)
    const { peers } = s.process(2).machine.voters()
    expect(peers).toHaveLength(4)
  })

  test('several voters at once are refused, and nothing has changed', () => {
    const s = createScenario({ genesis: 3, hosts: 6 })
    expect(s.voters(0, [3, 4, 5]).type).toBe('conflict')
    expect(s.voters(0, [0]).type).toBe('conflict')
    expect(s.process(0).machine.voters()).toMatchObject({ version: 0, peers: ['q0', 'q1', 'q2'] })
  })
})

describe('I2: a removed voter approves nothing', () => {
  test('it was cut off when it was removed, meets one of the others alone, and gets nothing decided', () => {
    const s = createScenario({ genesis: 3 })
    s.split([0, 1], [2])
    expect(s.voters(0, [0, 1]).type).toBe('decided')
    s.split([0], [1, 2])
    // Two of the three voters that q2 knows of.
    expect(s.change(2, 'setting/a', undefined, 'of the removed').type).not.toBe('decided')
    expect(s.change(1, 'setting/a', undefined, 'with the removed').type).not.toBe('decided')
    s.heal()
    s.world.run(5_000)
    expect(s.process(2).machine.status()).toMatchObject({ isVoter: false })
    const change = s.change(2, 'setting/b', undefined, 'asked of the voters')
    expect(brief(change)).toBe('decided 1 = asked of the voters')
    expect(change.type === 'decided' && change.decided.votes.map(({ peer }) => peer)).not.toContain('q2')
  })
})

describe('I3: four voters, two on each side', () => {
  test('neither side decides; both together do', () => {
    const s = createScenario({ genesis: 4 })
    s.split([0, 1], [2, 3])
    expect(s.change(0, 'setting/a', undefined, 'left').type).not.toBe('decided')
    expect(s.change(2, 'setting/a', undefined, 'right').type).not.toBe('decided')
    expect(s.voters(1, [0, 1, 2]).type).not.toBe('decided')
    expect(s.read(3, 'setting/a').type).toBe('no-quorum')
    s.heal()
    s.world.run(40_000)
    expect(s.change(0, 'setting/b', undefined, 'all').type).toBe('decided')
  })
})

describe('I4: a vote is on disk before it is said', () => {
  const request = { kind: 'prepare' as const, pool: 'root', voters: 0, key: 'setting/a', ballot: { n: 5, peer: 'q1' } }
  const value = { version: 1, data: Buffer.from('x'), ops: [OP] }

  function machine(rows: Parameters<typeof createGroupMachine>[0]['rows']) {
    return createGroupMachine({
      federation: 'f', pool: 'root', self: 'q0', genesis: ['q0', 'q1', 'q2'], tier: 'local', random: seededRandom(1), seal: fakeSeal('q0'), permits: () => true, rows, now: 0
    })
  }

  test.each([['promise', request], ['vote', { ...request, kind: 'accept' as const, value }]] as const)('a %s: the row comes first', (_, asked) => {
    const effects = machine([]).step({ type: 'request', id: 1, from: 'q1', request: asked }, 0)
    const types = effects.map(({ type }) => type)
    expect(types).toContain('persist')
    expect(types.indexOf('persist')).toBeLessThan(types.indexOf('answer'))
  })

  test('after a restart it neither promises the same ballot again nor votes for another value in it', () => {
    const disk = createDisk()
    const first = machine([])
    for (const asked of [request, { ...request, kind: 'accept' as const, value }]) {
      for (const effect of first.step({ type: 'request', id: 1, from: 'q1', request: asked }, 0)) {
        if (effect.type === 'persist') disk.write(effect.rows)
        disk.sync()
      }
    }
    const second = machine(disk.load())
    const other = { ...request, kind: 'accept' as const, value: { ...value, data: Buffer.from('y') } }
    for (const asked of [request, { ...request, ballot: { n: 4, peer: 'q2' } }, other]) {
      const effects = second.step({ type: 'request', id: 2, from: 'q1', request: asked }, 0)
      expect(effects).toContainEqual(expect.objectContaining({ type: 'answer', answer: expect.objectContaining({ kind: 'refused' }) }))
    }
    // What it voted for it tells whoever comes next.
    const told = second.step({ type: 'request', id: 3, from: 'q2', request: { ...request, ballot: { n: 9, peer: 'q2' } } }, 0).find(({ type }) => type === 'answer')
    expect(told).toMatchObject({ answer: { kind: 'promised', accepted: { ballot: { n: 5, peer: 'q1' }, value: { version: 1 } } } })
  })
})

describe('I5: who returns with a high ballot deposes nobody', () => {
  test('its takeover expects a version that it did not read, and fails; the holder renews as if nothing had been', () => {
    const s = createScenario({ genesis: 3, permits: leasePermits })
    expect(s.change(0, HUB_KEY, 0, lease(0, 1)).type).toBe('decided')
    s.split([2], [0, 1])
    // Alone it tries again and again: each try has a higher ballot.
    for (let round = 0; round < 5; round++) expect(s.change(2, HUB_KEY, 1, lease(2, 2), { within: LEASE_TTL }).type).not.toBe('decided')
    for (let version = 1; version < 4; version++) expect(s.change(0, HUB_KEY, version, lease(0, 1)).type).toBe('decided')
    s.heal()
    expect(s.change(2, HUB_KEY, 1, lease(2, 2)).type).toBe('conflict')
    expect(brief(s.change(0, HUB_KEY, 4, lease(0, 1)))).toBe(`decided 5 = ${lease(0, 1)}`)
  })

  test('nor with the right version, while the lease runs; when it has run out, it does', () => {
    const s = createScenario({ genesis: 3, permits: leasePermits })
    s.change(0, HUB_KEY, 0, lease(0, 1))
    const early = s.change(2, HUB_KEY, 1, lease(2, 2))
    expect(early).toMatchObject({ type: 'conflict', why: expect.stringContaining('q0 holds the lease') })
    s.world.run(LEASE_TTL * 1.1)
    expect(brief(s.change(2, HUB_KEY, 1, lease(2, 2)))).toBe(`decided 2 = ${lease(2, 2)}`)
  })
})

describe('I6: a proposal is decided exactly once', () => {
  test('the same change asked for at every node, with every message doubled and out of order, makes one version', () => {
    const s = createScenario({ genesis: 3, hosts: 5 })
    s.world.paths.weather = { loss: 0.1, duplication: 0.5, latency: 1, jitter: 300 }
    const asked = s.world.hosts.map(({ index }) => s.ask(index, { what: 'change', key: 'setting/a', op: OP, data: Buffer.from('once') }, 10_000))
    s.world.run(15_000)
    s.world.paths.weather = { loss: 0, duplication: 0, latency: 1, jitter: 1 }
    expect(asked.map(({ outcome }) => outcome?.type)).toContain('decided')
    for (const { outcome } of asked) if (outcome?.type === 'decided') expect(brief(outcome)).toBe('decided 1 = once')
    expect(brief(s.change(0, 'setting/a', 1, 'next'))).toBe('decided 2 = next')
    expect(new Set(everywhere(s, 'setting/a'))).toEqual(new Set(['decided 2 = next']))
  })

  test('one that expired does not come back when its voters do', () => {
    const s = createScenario({ genesis: 3 })
    s.change(0, 'setting/a', undefined, 'before')
    // Its votes get through one way only: nobody hears that they were cast.
    for (const from of [1, 2]) s.world.paths.cut(from, 0)
    const lost = s.change(0, 'setting/a', 1, 'lost', { within: 2_000 })
    expect(['no-quorum', 'expired', 'unknown']).toContain(lost.type)
    s.heal()
    s.world.run(40_000)
    const now = new Set(everywhere(s, 'setting/a'))
    expect(now.size).toBe(1)
    if (lost.type !== 'unknown') expect([...now]).toEqual(['decided 1 = before'])
  })
})

describe('I7: votes are counted over the configured voters', () => {
  test('two of five, who know that the others are dead, decide nothing', () => {
    const s = createScenario({ genesis: 5 })
    s.crash(2, 3, 4)
    s.members()
    expect(s.change(0, 'setting/a', undefined, 'x')).toMatchObject({ type: 'no-quorum' })
    expect(s.voters(1, [0, 1, 2, 3]).type).not.toBe('decided')
    expect(s.process(0).machine.needed('setting/a')).toBe(3)
    s.restart(2)
    expect(s.change(0, 'setting/b', undefined, 'y').type).toBe('decided')
  })

  test('settings of a global pool take 0.7 of the voters, the lease a majority', () => {
    const s = createScenario({ genesis: 5, tier: 'global' })
    expect([s.process(0).machine.needed('setting/a'), s.process(0).machine.needed(HUB_KEY)]).toEqual([4, 3])
    s.crash(3, 4)
    expect(s.change(0, 'setting/a', undefined, 'x').type).not.toBe('decided')
    expect(s.change(0, HUB_KEY, 0, lease(0, 1)).type).toBe('decided')
  })
})

describe('I8: power goes between a write and its fsync', () => {
  test('at whatever moment all voters lose power: what was acknowledged is there when they are back', () => {
    const found = { acknowledged: 0, open: 0 }
    for (let moment = 0; moment < 120; moment += 2) {
      const s = createScenario({ genesis: 3, seed: moment + 1, slowDisk: 30 })
      const asked = s.ask(1, { what: 'change', key: 'setting/a', op: OP, expect: 0, data: Buffer.from('kept') }, 3_000)
      s.world.run(moment)
      const acknowledged = asked.outcome?.type === 'decided'
      s.crash(0, 1, 2)
      s.restart(0, 1, 2)
      const after = brief(s.read(2, 'setting/a'))
      if (acknowledged) expect(after, `power lost after ${moment} ms`).toBe('decided 1 = kept')
      else expect(['decided 1 = kept', 'decided 0 = undefined']).toContain(after)
      found[acknowledged ? 'acknowledged' : 'open']++
    }
    expect(found.acknowledged).toBeGreaterThan(5)
    expect(found.open).toBeGreaterThan(5)
  })
})

describe('I9: a damaged row at a minority', () => {
  test('is noticed, votes and leads nothing, and is healed by removing the voter and adding it again', () => {
    const s = createScenario({ genesis: 3, hosts: 4 })
    s.change(0, 'setting/a', undefined, 'one')
    s.change(2, 'setting/a', 1, 'two')
    s.crash(2)
    expect(s.world.hosts[2]!.disk.rot(s.world.random)).toBe(true)
    s.restart(2)
    expect(s.process(2).machine.status().damaged).toHaveLength(1)
    // With it as the second of two nothing is decided: it abstains.
    s.split([0], [1, 2, 3])
    expect(s.change(1, 'setting/a', 2, 'with the damaged one').type).not.toBe('decided')
    s.heal()
    s.world.run(40_000)
    const version = s.read(0, 'setting/a')
    expect(version.type).toBe('decided')
    expect(s.process(0).machine.status().damagedAt.concat(s.process(1).machine.status().damagedAt)).toContainEqual({ peer: 'q2', key: 'setting/a' })
    expect(s.voters(0, [0, 1], { within: 10_000 }).type).toBe('decided')
    s.world.run(2_000)
    expect(s.voters(0, [0, 1, 2], { within: 10_000 }).type).toBe('decided')
    s.world.run(2_000)
    expect(s.process(2).machine.status().damaged).toEqual([])
    s.crash(1)
    expect(s.change(2, 'setting/a', undefined, 'healed').type).toBe('decided')
  })
})

describe('I10: a lease carries a fencing token', () => {
  test('it grows with each change of holder, and who held it before cannot renew', () => {
    const s = createScenario({ genesis: 3, permits: leasePermits })
    const tokens: number[] = []
    let version = 0
    for (const holder of [0, 1, 2, 0]) {
      const read = s.read(holder, HUB_KEY)
      const held = read.type === 'decided' && read.decided.data !== undefined ? decodeLease(read.decided.data).token : 0
      const taken = s.change(holder, HUB_KEY, version, lease(holder, held + 1))
      expect(taken.type).toBe('decided')
      tokens.push(held + 1)
      if (version > 0) expect(s.change((holder + 2) % 3, HUB_KEY, version, lease((holder + 2) % 3, held)).type).toBe('conflict')
      version++
      s.world.run(LEASE_TTL * 1.1)
    }
    expect(tokens).toEqual([1, 2, 3, 4])
  })
})
