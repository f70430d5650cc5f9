import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { chooseNeighbours, createNeighbourhood } from '../../../src/membership/neighbours.ts'

const names = (count: number, from = 0) => Array.from({ length: count }, (_, index) => `peer-${from + index}`)

function hoodOf(members: readonly string[], fullMesh: number, seed = 1) {
  const hood = createNeighbourhood('self', { fullMesh, random: seededRandom(seed) })
  for (const peer of members) hood.add(peer)
  return hood
}

describe('chooseNeighbours', () => {
  const options = (fullMesh: number, kept: Iterable<string> = []) => ({ fullMesh, random: seededRandom(7), kept: new Set(kept) })

  test('everybody else up to the full mesh', () => {
    expect(chooseNeighbours('self', ['a', 'b', 'self'], options(3))).toEqual(new Set(['a', 'b']))
    expect(chooseNeighbours('self', [], options(3))).toEqual(new Set())
  })

  test('above it four of the ring and log2 N random ones', () => {
    for (const count of [200, 500, 1_000]) {
      const chosen = chooseNeighbours('self', names(count - 1), options(128))
      expect(chosen.size).toBe(4 + Math.ceil(Math.log2(count)))
      expect(chosen.has('self')).toBe(false)
    }
  })

  test('the ring is mutual: whoever is next to me has me next to it', () => {
    const all = names(300)
    const near = new Map(all.map((self) => [self, chooseNeighbours(self, all, { fullMesh: 8, random: seededRandom(1), kept: new Set() })]))
    const mutual = all.map((self) => [...(near.get(self) ?? [])].filter((peer) => near.get(peer)?.has(self)).length)
    expect(Math.min(...mutual)).toBeGreaterThanOrEqual(4)
  })

  test('random ones that still live are kept', () => {
    const members = names(299)
    const first = chooseNeighbours('self', members, options(128))
    const gone = [...first].slice(0, 5)
    const second = chooseNeighbours('self', members.filter((peer) => !gone.includes(peer)), options(128, first))
    const stayed = [...first].filter((peer) => !gone.includes(peer) && second.has(peer))
    expect(stayed.length).toBe(first.size - gone.length)
    expect(second.size).toBe(first.size)
  })

  test('a pool hardly larger than a tiny mesh has no more neighbours than members', () => {
    expect(chooseNeighbours('self', names(4), options(2))).toEqual(new Set(names(4)))
    expect(chooseNeighbours('self', names(2), options(2))).toEqual(new Set(names(2)))
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

  test('agrees with the pure choice about the ring', () => {
    const all = names(400)
    const hood = hoodOf(all, 16, 3)
    for (const peer of all.slice(0, 100)) hood.remove(peer)
    const left = all.slice(100)
    const ring = [1, 2, 3, 4, 5].map((seed) => chooseNeighbours('self', left, { fullMesh: 16, random: seededRandom(seed), kept: new Set() }))
    const common = [...(ring[0] as Set<string>)].filter((peer) => ring.every((set) => set.has(peer)))
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
