import { describe, expect, test } from 'vitest'
import { stream } from '../frame/chance.ts'
import { createScenario, range } from './scenario.ts'
import type { Scenario } from './scenario.ts'

type Pair = readonly [number, number]

/** Scenarios E of the list, all of them. Cuts are black holes: nothing is refused. */
const N = 16

function both(left: readonly number[], right: readonly number[]): Pair[] {
  return left.flatMap((a) => right.flatMap((b): Pair[] => [[a, b], [b, a]]))
}

function cut({ world }: Scenario, pairs: readonly Pair[]): () => void {
  for (const [from, to] of pairs) world.paths.cut(from, to)
  return () => {
    for (const [from, to] of pairs) world.paths.heal(from, to)
  }
}

const left = range(N / 2)
const right = range(N / 2).map((index) => index + N / 2)
const isLeft = (peer: string) => Number(peer.slice(1)) < N / 2

describe('partitions', () => {
  test.each([20, 60, 120])('E1 half from half for %i s: each side sees the other dead, nobody of its own, and they merge', (seconds) => {
    for (const seed of [1, 2, 3]) {
      const scenario = createScenario({ members: N, seed })
      const heal = cut(scenario, both(left, right))
      scenario.world.run(seconds * 1_000)
      expect(scenario.told.filter(({ type, observer, peer }) => type === 'failed' && isLeft(observer) === isLeft(peer))).toEqual([])
      if (seconds >= 60) for (const { swim } of scenario.world.running()) expect(swim.stats().members).toMatchObject({ alive: N / 2, dead: N / 2 })
      heal()
      scenario.forget()
      const healed = scenario.world.now
      const known = scenario.settle(60_000, { links: false })
      expect(known, `seed ${seed}`).toBeLessThanOrEqual(5_000)
      scenario.settle()
      // A suspicion of the cut may run out before its subject can object: then it is back at once.
      expect(scenario.told.filter(({ type, at }) => type === 'failed' && at > healed + 1_000)).toEqual([])
      expect(scenario.dialRate()).toBeLessThanOrEqual(2)
    }
  })

  test('E2 a fork at the start: two halves that formed apart become one pool', () => {
    const scenario = createScenario({ members: N, seed: 4, start: 'none', bootstrap: [0, N / 2] })
    const heal = cut(scenario, both(left, right))
    for (const index of range(N)) scenario.world.start(index)
    scenario.world.run(30_000)
    for (const { swim } of scenario.world.running()) expect(swim.stats().members.alive).toBe(N / 2)
    heal()
    expect(scenario.settle(60_000, { links: false })).toBeLessThanOrEqual(15_000)
    expect(scenario.failures()).toEqual([])
  })

  test('E3 one direction between two is cut: others vouch for both', () => {
    for (const tcp of [true, false]) {
      const scenario = createScenario({ members: N, seed: 5, tcp })
      cut(scenario, [[3, 9]])
      scenario.world.run(120_000)
      expect(scenario.failures()).toEqual([])
      expect(scenario.world.counts['probe-indirect']).toBeGreaterThan(0)
    }
  })

  test('E4 a deaf member: no healthy one is declared dead by anybody else', () => {
    for (const tcp of [true, false]) {
      const scenario = createScenario({ members: N, seed: 6, tcp })
      const heal = cut(scenario, range(N).filter((index) => index !== 3).map((index): Pair => [index, 3]))
      scenario.world.run(30_000)
      expect(scenario.told.filter(({ type, observer, peer }) => type === 'failed' && observer !== 'p3' && peer !== 'p3')).toEqual([])
      heal()
      expect(scenario.settle(60_000)).toBeLessThanOrEqual(40_000)
    }
  })

  test('E5 two cannot reach each other, but both reach a third: no failure', () => {
    for (const members of [3, N]) {
      const scenario = createScenario({ members, seed: 7 })
      cut(scenario, both([0], [1]))
      scenario.world.run(120_000)
      expect(scenario.failures()).toEqual([])
      expect(scenario.world.counts['probe-indirect']).toBeGreaterThan(0)
    }
  })

  test('E6 swizzle-clog: cut off one by one, back in another order', () => {
    for (const seed of [1, 2, 3]) {
      const scenario = createScenario({ members: N, seed })
      const random = stream(seed, 2)
      const chosen = range(N).filter(() => random.float() < 0.5)
      const heals: (() => void)[] = []
      for (const one of chosen) {
        heals.push(cut(scenario, both([one], range(N).filter((other) => other !== one))))
        scenario.world.run(500 + random.float() * 2_000)
      }
      for (const heal of heals.toSorted(() => random.float() - 0.5)) {
        heal()
        scenario.world.run(500 + random.float() * 2_000)
      }
      expect(scenario.settle()).toBeLessThanOrEqual(60_000)
      const healthy = (peer: string) => !chosen.includes(Number(peer.slice(1)))
      expect(scenario.told.filter(({ type, observer, peer }) => type === 'failed' && healthy(observer) && healthy(peer))).toEqual([])
    }
  })

  test('E7 cut off for ten minutes: its queues stay bounded, and there is no storm after it', () => {
    const scenario = createScenario({ members: N, seed: 8 })
    const heal = cut(scenario, both([3], range(N).filter((other) => other !== 3)))
    scenario.world.run(600_000)
    expect(scenario.most.queued).toBeLessThanOrEqual(N * 4)
    const before = scenario.world.counts['messages']!
    heal()
    scenario.forget()
    expect(scenario.settle(60_000, { links: false })).toBeLessThanOrEqual(40_000)
    scenario.world.run(5_000)
    const seconds = (scenario.world.now - 600_000) / 1_000
    expect(scenario.dialRate()).toBeLessThanOrEqual(2)
    expect((scenario.world.counts['messages']! - before) / N / Math.max(1, seconds)).toBeLessThan(20)
  })
})
