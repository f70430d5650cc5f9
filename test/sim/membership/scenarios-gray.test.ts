import { describe, expect, test } from 'vitest'
import { createScenario, range } from './scenario.ts'
import type { Scenario } from './scenario.ts'

/**
 * Scenarios F of the list, all of them. With real processes: F1 and F5 in test/e2e/membership-processes.test.ts, F2 and F3 in `npm run bench -- membership`,
 * F4 in test/e2e/loaded-node.test.ts.
 */
const N = 16
const SICK = [3, 7, 11]
const isSick = (peer: string) => SICK.includes(Number(peer.slice(1)))

/** A process that is stuck for `stuck` ms, open for `open` ms and so on. */
function alternate(scenario: Scenario, index: number, stuck: number, open: number, ms: number): void {
  const { world } = scenario
  const until = world.now + ms
  const again = () => {
    if (world.now >= until) return
    world.block(scenario.process(index), stuck)
    world.later(stuck + open, again)
  }
  again()
}

describe('gray failures', () => {
  test('F1 three are stopped for 10 s: no word against the others, and they come back', () => {
    for (const seed of [1, 2, 3]) {
      const scenario = createScenario({ members: N, seed })
      for (const index of SICK) scenario.world.pause(scenario.process(index))
      scenario.world.run(10_000)
      for (const index of SICK) scenario.world.resume(scenario.process(index))
      const back = scenario.settle(60_000, { links: false })
      scenario.world.run(20_000)
      expect(scenario.failures((peer) => !isSick(peer))).toEqual([])
      expect(back).toBeLessThanOrEqual(5_000)
    }
  })

  test.each([[2_048, 64], [512, 16], [128, 8], [4_096, 256]])('F2 three are stuck for %i ms and open for %i ms, for a minute: no word against the others', (stuck, open) => {
    const scenario = createScenario({ members: N, seed: 4 })
    for (const index of SICK) alternate(scenario, index, stuck, open, 60_000)
    scenario.world.run(65_000)
    expect(scenario.failures((peer) => !isSick(peer))).toEqual([])
    expect(scenario.settle(60_000, { links: false })).toBeLessThanOrEqual(20_000)
  })

  test.each([[16, true], [16, false], [32, true], [32, false]])('F3 three of ten packets lost for two minutes among %i (as TCP delays it: %s): nobody is declared dead', (members, tcp) => {
    const scenario = createScenario({ members, seed: 5, tcp })
    scenario.world.paths.weather = { loss: 0.3, duplication: 0, latency: 1, jitter: 1 }
    scenario.world.run(120_000)
    expect(scenario.failures()).toEqual([])
    expect(scenario.world.counts[tcp ? 'delayed' : 'lost']).toBeGreaterThan(1_000)
    scenario.world.paths.weather = { loss: 0, duplication: 0, latency: 1, jitter: 1 }
    expect(scenario.settle()).toBeLessThanOrEqual(30_000)
  })

  test('F4 the CPU of four is hogged (every turn of the loop waits 20 to 100 ms): nobody is declared dead', () => {
    const scenario = createScenario({ members: N, seed: 6 })
    for (const index of range(4)) alternate(scenario, index, 20 + 25 * index, 5, 60_000)
    scenario.world.run(65_000)
    expect(scenario.failures()).toEqual([])
  })

  test('F5 an event loop that stands still for 2 s: nobody is declared dead, neither it nor by it', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const scenario = createScenario({ members: N, seed })
      scenario.world.block(scenario.process(5), 2_000)
      scenario.world.run(30_000)
      expect(scenario.failures()).toEqual([])
      expect(scenario.world.counts['stall']).toBeGreaterThan(0)
    }
  })

  test('F6 a wall clock that jumps by an hour: nothing happens', () => {
    const scenario = createScenario({ members: N, seed: 7 })
    scenario.world.hosts[4]!.wallOffset += 3_600_000
    scenario.world.run(30_000)
    scenario.world.hosts[4]!.wallOffset -= 7_200_000
    scenario.world.run(30_000)
    expect(scenario.told).toEqual([])
  })

  test('F6 a restart with a clock that went back an hour, with and without memory: all see it', () => {
    for (const withState of [true, false]) {
      const scenario = createScenario({ members: N, seed: 8 })
      scenario.world.crash(scenario.process(4))
      scenario.world.run(20_000)
      scenario.world.hosts[4]!.wallOffset -= 3_600_000
      scenario.world.start(4, { withState })
      expect(scenario.settle(60_000, { links: false })).toBeLessThanOrEqual(2_000)
      expect(scenario.world.counts['superseded'] ?? 0).toBe(0)
    }
  })

  test.each([true, false])('F7 a lossy link (four of ten packets) between two sites only (as TCP delays it: %s): nobody is declared dead', (tcp) => {
    const scenario = createScenario({ members: N, seed: 9, tcp })
    for (const a of range(N)) for (const b of range(N)) if (a < N / 2 !== b < N / 2) scenario.world.paths.setLoss(a, b, 0.4)
    scenario.world.run(120_000)
    expect(scenario.failures()).toEqual([])
    expect(scenario.world.counts[tcp ? 'delayed' : 'lost']).toBeGreaterThan(500)
  })
})
