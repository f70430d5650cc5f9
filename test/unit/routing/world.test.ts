import { describe, expect, test } from 'vitest'
import { createRoutingWorld, type Replica } from '../../support/routing-world.ts'

const WORK = 50
const replica = (peer: string, rtt: number, more: Partial<Replica> = {}): Replica => ({ peer, rtt, capacity: 8, work: WORK, ...more })
const THREE = [replica('near', 1), replica('mid', 20), replica('far', 80)]
const total = (served: Record<string, { calls: number }>) => Object.values(served).reduce((sum, { calls }) => sum + calls, 0)
const share = (served: Record<string, { calls: number }>, peer: string) => (served[peer]?.calls ?? 0) / total(served)
const seeds = [1, 2, 3]

describe.each(seeds)('three replicas at 1, 20 and 80 ms, 8 calls at a time each (seed %i)', (seed) => {
  test('4 in flight: nearly all take the near one', () => {
    const w = createRoutingWorld(THREE, seed)
    w.run(4, 1_000)
    expect(share(w.run(4, 10_000), 'near')).toBeGreaterThanOrEqual(0.9)
  })

  test('16 in flight: the near one is full, its queue stays short, the others take the rest', () => {
    const w = createRoutingWorld(THREE, seed)
    w.run(16, 2_000)
    const served = w.run(16, 10_000)
    expect(served['near']?.longestQueue).toBeLessThanOrEqual(2)
    // Of the 8 places.
    expect((served['near']?.worked ?? 0) / (8 * 10_000)).toBeGreaterThan(0.9)
    expect(served['mid']?.calls).toBeGreaterThan(0.3 * total(served))
  })

  test('30 in flight: nobody idles', () => {
    const w = createRoutingWorld(THREE, seed)
    w.run(30, 3_000)
    const served = w.run(30, 10_000)
    for (const { worked } of Object.values(served)) expect(worked / (8 * 10_000)).toBeGreaterThan(0.25)
    // Of what three full replicas do; 40 in flight would fill them.
    expect(total(served)).toBeGreaterThan((0.75 * (3 * 8 * 10_000)) / WORK)
  })

  test('after the death of the near one its calls go on elsewhere; it is used again within 10 s of its return, first gently', () => {
    const w = createRoutingWorld(THREE, seed)
    w.run(4, 3_000)
    w.kill('near')
    const without = w.run(4, 3_000)
    expect([without['near']?.calls, share(without, 'mid')]).toEqual([0, 1])
    w.revive('near')
    const first = w.run(4, 500)
    expect(share(first, 'near')).toBeLessThan(0.5)
    w.run(4, 7_500)
    expect(share(w.run(4, 2_000), 'near')).toBeGreaterThanOrEqual(0.9)
  })
})

describe('this node and others', () => {
  const home = [replica('me', 0, { local: true }), replica('lan', 0.4), replica('far', 40)]

  test('this node first, back to it after its return, the nearest meanwhile', () => {
    const w = createRoutingWorld(home)
    expect(share(w.run(4, 3_000), 'me')).toBe(1)
    w.kill('me')
    expect(share(w.run(4, 3_000), 'lan')).toBeGreaterThan(0.9)
    w.revive('me')
    w.run(4, 1_000)
    expect(share(w.run(4, 3_000), 'me')).toBeGreaterThan(0.9)
  })

  test('not where its queue is longer than the way to another', () => {
    const w = createRoutingWorld(home)
    w.run(16, 2_000)
    const served = w.run(16, 10_000)
    expect(served['me']?.longestQueue).toBeLessThanOrEqual(2)
    expect(share(served, 'me')).toBeGreaterThan(0.4)
    expect(share(served, 'lan')).toBeGreaterThan(0.35)
  })
})

test('one of three equal replicas that takes ten times as long gets few calls', () => {
  const w = createRoutingWorld([replica('a', 1, { work: 500 }), replica('b', 1), replica('c', 1)])
  w.run(6, 5_000)
  expect(share(w.run(6, 60_000), 'a')).toBeLessThan(0.05)
})

test('equal replicas share evenly', () => {
  const w = createRoutingWorld([replica('a', 1), replica('b', 1.3), replica('c', 0.8)])
  w.run(12, 2_000)
  const served = w.run(12, 20_000)
  for (const peer of ['a', 'b', 'c']) expect(share(served, peer)).toBeGreaterThan(0.28)
})
