import { describe, expect, test } from 'vitest'
import { PROFILES } from '../../../src/membership/profiles.ts'
import { stream } from '../frame/chance.ts'
import { createScenario, range } from './scenario.ts'

/**
 * Scenarios D of the list. Not here: D6 (messages of users are gossipsub's, not membership's), D7 (the cost of an idle pool is measured:
 * `node scripts/sim.ts --pools` and `npm run bench -- membership`). With real processes: D1 to D5 and D8 in test/e2e/membership-processes.test.ts and members.test.ts.
 */
describe.each([16, 32])('a pool of %i', (members) => {
  test('D1 a join storm at one seed: all see all within a second, nobody waits for anti-entropy', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const scenario = createScenario({ members, seed, start: 'none', bootstrap: [0] })
      for (const index of range(members)) scenario.world.start(index)
      expect(scenario.settle(60_000, { links: false }), `seed ${seed}`).toBeLessThanOrEqual(1_000)
      expect(scenario.settle(60_000), `links, seed ${seed}`).toBeLessThanOrEqual(15_000)
      expect(scenario.failures()).toEqual([])
    }
  })

  test('D2 kill -9: seen by the last within 1.5 s, all within half a second', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const scenario = createScenario({ members, seed })
      scenario.world.crash(scenario.process(5))
      scenario.world.run(10_000)
      const times = scenario.times('failed', 'p5')
      expect(times).toHaveLength(members - 1)
      expect(times.at(-1)).toBeLessThanOrEqual(1_500)
      expect(times.at(-1)! - times[0]!).toBeLessThanOrEqual(500)
      expect(scenario.failures((peer) => peer !== 'p5')).toEqual([])
    }
  })

  test('D2 a silent death (power cut): within ten seconds, the first and the last observer within one', () => {
    const scenario = createScenario({ members, seed: 7 })
    scenario.world.vanish(scenario.process(5))
    scenario.world.run(60_000)
    const times = scenario.times('failed', 'p5')
    expect(times).toHaveLength(members - 1)
    expect(times.at(-1)).toBeLessThanOrEqual(10_000)
    expect(times.at(-1)! - times[0]!).toBeLessThanOrEqual(1_000)
    expect(scenario.failures((peer) => peer !== 'p5')).toEqual([])
  })

  test('D3 a second death 3 s after the first is not found later', () => {
    const scenario = createScenario({ members, seed: 3 })
    const { world } = scenario
    for (const die of [world.crash, world.vanish]) {
      scenario.settle()
      scenario.forget()
      const [first, second] = world.running().slice(4, 6)
      die(first!)
      world.run(3_000)
      const between = world.now
      die(second!)
      world.run(60_000)
      const began = between - 3_000
      const firstTimes = scenario.times('failed', first!.peer)
      const secondTimes = scenario.times('failed', second!.peer).map((ms) => ms - (between - began))
      // Of silence the first probe of it falls anywhere in three intervals.
      expect(secondTimes.at(-1)!).toBeLessThanOrEqual(firstTimes.at(-1)! + (die === world.crash ? 500 : 3_000))
      expect(scenario.failures((peer) => peer !== first!.peer && peer !== second!.peer)).toEqual([])
    }
  })

  test('D4 a leave: all see it within a second, in 10 of 10 never as a death', () => {
    for (const seed of range(10)) {
      const scenario = createScenario({ members, seed })
      const process = scenario.process(1 + seed)
      scenario.world.leave(process)
      scenario.world.later(400, () => scenario.world.crash(process))
      scenario.world.run(20_000)
      const times = scenario.times('left', process.peer)
      expect(times).toHaveLength(members - 1)
      expect(times.at(-1)).toBeLessThanOrEqual(650)
      expect(scenario.failures()).toEqual([])
    }
  })

  test.each([['at once', 50], ['within the time in which the dead are told news', 5_000], ['long after it', PROFILES.lan.deadGossipTime + 10_000]] as const)(
    'D5 a restart of the same identity %s: all see it within a second',
    (_when, wait) => {
      const scenario = createScenario({ members, seed: 9 })
      scenario.world.crash(scenario.process(6))
      scenario.world.run(wait)
      scenario.world.start(6)
      expect(scenario.settle(60_000, { links: false })).toBeLessThanOrEqual(1_000)
      expect(scenario.settle()).toBeLessThanOrEqual(15_000)
      expect(scenario.failures((peer) => peer !== 'p6')).toEqual([])
    }
  )

  test('D8 all are killed and started again in random order within 5 s: full view within a minute', () => {
    const scenario = createScenario({ members, seed: 11 })
    const random = stream(11, 1)
    for (const index of range(members)) {
      const at = random.float() * 4_000
      scenario.world.later(at, () => scenario.world.crash(scenario.process(index)))
      scenario.world.later(at + 200 + random.float() * 800, () => scenario.world.start(index))
    }
    scenario.world.run(5_100)
    expect(scenario.settle()).toBeLessThanOrEqual(30_000)
  })

  test('D9 one joins and one leaves each second for five minutes: nothing grows', () => {
    const hosts = 2 * members
    const scenario = createScenario({ members: hosts, seed: 13, start: 'none' })
    for (const index of range(members)) scenario.world.start(index)
    scenario.settle()
    for (let second = 0; second < 300; second++) {
      const leaving = scenario.process(2 + ((second * 7) % (hosts - 2)))
      if (leaving !== undefined && !leaving.left) {
        scenario.world.leave(leaving)
        scenario.world.later(500, () => scenario.world.crash(leaving))
      }
      const joining = scenario.world.hosts.find(({ index, process }) => process === undefined && index % 3 === second % 3)
      if (joining !== undefined) scenario.world.start(joining.index)
      scenario.world.run(1_000)
    }
    expect(scenario.failures()).toEqual([])
    scenario.world.run(1_000)
    expect(scenario.settle()).toBeLessThanOrEqual(20_000)
    expect(scenario.most.members).toBeLessThanOrEqual(hosts)
    expect(scenario.most.queued).toBeLessThanOrEqual(2 * hosts)
  })
})
