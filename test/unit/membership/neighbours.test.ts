import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { createNeighbourhood } from '../../../src/membership/neighbours.ts'

const names = (count: number, from = 0) => Array.from({ length: count }, (_, index) => `peer-${from + index}`)

function hoodOf(members: readonly string[], fullMesh: number, seed = 1, self = 'self') {
  const hood = createNeighbourhood(self, { fullMesh, random: seededRandom(seed) })
  for (const peer of members) hood.add(peer)
  return hood
}

describe('whom a node keeps links with', () => {
  test('everybody else up to the full mesh', () => {
    expect(hoodOf(['a', 'b', 'self'], 3).current).toEqual(new Set(['a', 'b']))
    expect(hoodOf([], 3).current).toEqual(new Set())
  })

  test('above it four of the ring and log2 N random ones', () => {
    for (const count of [200, 500, 1_000]) {
      const { current } = hoodOf(names(count - 1), 128)
      expect(current.size).toBeGreaterThanOrEqual(4 + Math.ceil(Math.log2(count)))
      expect(current.size).toBeLessThanOrEqual(4 + Math.ceil(Math.log2(count)) + 2)
      expect(current.has('self')).toBe(false)
    }
  })

  test('the ring is mutual: whoever is next to me has me next to it', () => {
    const all = names(60)
    const near = new Map(all.map((self) => [self, hoodOf(all, 8, 1, self).current]))
    const mutual = all.map((self) => [...(near.get(self) ?? [])].filter((peer) => near.get(peer)?.has(self)).length)
    expect(Math.min(...mutual)).toBeGreaterThanOrEqual(4)
  })

  test('those that still live are kept', () => {
    const hood = hoodOf(names(299), 128)
    const first = hood.current
    const gone = [...first].slice(0, 5)
    for (const peer of gone) hood.remove(peer)
    expect([...first].filter((peer) => !gone.includes(peer) && !hood.current.has(peer))).toEqual([])
    expect(hood.current.size).toBeGreaterThanOrEqual(4 + Math.ceil(Math.log2(295)))
  })

  test('a pool hardly larger than a tiny mesh has no more neighbours than members', () => {
    expect(hoodOf(names(4), 2).current).toEqual(new Set(names(4)))
    expect(hoodOf(names(2), 2).current).toEqual(new Set(names(2)))
  })
})

describe('a neighbourhood', () => {
  test('is a mesh that gives a new set at each change and the same one otherwise', () => {
    const hood = hoodOf(['a', 'b'], 8)
    const before = hood.current
    expect(hood.add('b')).toBe(false)
    expect(hood.remove('c')).toBe(false)
    expect(hood.add('self')).toBe(false)
    expect(hood.current).toBe(before)
    expect(hood.add('c')).toBe(true)
    expect(before).toEqual(new Set(['a', 'b']))
    expect(hood.current).toEqual(new Set(['a', 'b', 'c']))
    expect(hood.size).toBe(3)
  })

  test('does not change its shape with every member at the border', () => {
    const hood = hoodOf(names(127), 128)
    expect(hood.current.size).toBe(127)
    for (const peer of names(12, 127)) hood.add(peer)
    expect(hood.current.size, '140 with self: within ten percent').toBe(139)
    hood.add('one-more')
    expect(hood.current.size).toBe(4 + Math.ceil(Math.log2(141)))
    hood.remove('one-more')
    expect(hood.current.size).toBeLessThan(20)
    for (const peer of names(12, 127)) hood.remove(peer)
    expect(hood.current.size, '128 with self: a mesh again').toBe(127)
  })

  test('changes by few when one member comes or goes, and keeps its size', () => {
    const hood = hoodOf(names(600), 128)
    const wanted = 4 + Math.ceil(Math.log2(600))
    for (let round = 0; round < 300; round++) {
      const before = hood.current
      if (round % 2 === 0) hood.remove(`peer-${round}`)
      else hood.add(`new-${round}`)
      const lost = [...before].filter((peer) => !hood.current.has(peer))
      expect(lost.length).toBeLessThanOrEqual(2)
      expect(hood.current.size).toBeGreaterThanOrEqual(wanted)
      expect(hood.current.size).toBeLessThanOrEqual(wanted + 2)
      expect(hood.current.has(`peer-${round}`) && round % 2 === 0).toBe(false)
    }
  })

  test('the ring is the same whoever came and went before', () => {
    const all = names(400)
    const hood = hoodOf(all, 16, 3)
    for (const peer of all.slice(0, 100)) hood.remove(peer)
    const left = all.slice(100)
    const ring = [1, 2, 3, 4, 5].map((seed) => hoodOf(left, 16, seed).current)
    const common = [...(ring[0] as ReadonlySet<string>)].filter((peer) => ring.every((set) => set.has(peer)))
    expect(common.length).toBeGreaterThanOrEqual(4)
    for (const peer of common.slice(0, 4)) expect(hood.current.has(peer)).toBe(true)
  })

  test('a thousand machines with a thousand members cost little', () => {
    const hood = hoodOf([], 128)
    const started = process.cpuUsage().user
    for (const peer of names(10_000)) hood.add(peer)
    expect((process.cpuUsage().user - started) / 1_000, 'ms for 10 000 joins, a hundredth of the simulation').toBeLessThan(1_500)
    expect(hood.current.size).toBe(4 + Math.ceil(Math.log2(10_001)))
  })
})
