import { describe, expect, test } from 'vitest'
import { randomInt, seededRandom } from '../../../src/base/random.ts'
import { createProbeSchedule } from '../../../src/membership/probe-schedule.ts'

const everybody = () => true
const names = (count: number) => Array.from({ length: count }, (_, n) => `m${n}`)
const filled = (count: number, seed = 1) => {
  const schedule = createProbeSchedule(seededRandom(seed))
  for (const peer of names(count)) schedule.add(peer)
  return schedule
}

describe('C10 round robin', () => {
  test.each([1, 2, 3, 16, 100])('with %d members every round probes each once', (count) => {
    const schedule = filled(count)
    for (let round = 0; round < 5; round++) {
      const probed = names(count).map(() => schedule.next(everybody))
      expect(new Set(probed)).toEqual(new Set(names(count)))
    }
  })

  test('nobody waits longer than 2N - 1 probes, and some wait that long or nearly: the order changes', () => {
    const schedule = filled(16)
    const last = new Map<string, number>()
    let longest = 0
    for (let turn = 0; turn < 16 * 500; turn++) {
      const peer = schedule.next(everybody) as string
      longest = Math.max(longest, turn - (last.get(peer) ?? turn))
      last.set(peer, turn)
    }
    expect(longest).toBeLessThanOrEqual(31)
    expect(longest).toBeGreaterThan(24)
  })

  test('two nodes probe in different orders', () => {
    const order = (seed: number) => {
      const schedule = filled(16, seed)
      return names(16).map(() => schedule.next(everybody))
    }
    expect(order(1)).not.toEqual(order(2))
  })

  test('whoever may not be probed is passed over', () => {
    const schedule = filled(8)
    const probed = names(30).map(() => schedule.next((peer) => peer === 'm3' || peer === 'm5'))
    expect(new Set(probed)).toEqual(new Set(['m3', 'm5']))
    expect(probed.filter((peer) => peer === 'm3')).toHaveLength(15)
  })

  test('undefined, not an endless search, when nobody may be probed or nobody is there', () => {
    expect(filled(8).next(() => false)).toBeUndefined()
    expect(filled(0).next(everybody)).toBeUndefined()
  })

  test('somebody who may be probed is found even late in a round', () => {
    const schedule = filled(50)
    for (let turn = 0; turn < 200; turn++) {
      const wanted = `m${turn % 50}`
      expect(schedule.next((peer) => peer === wanted)).toBe(wanted)
    }
  })
})

describe('members come and go', () => {
  test('a new one is probed within 2N - 1 turns, and its coming makes nobody wait or be probed twice in the round', () => {
    for (let seed = 0; seed < 200; seed++) {
      const schedule = filled(10, seed)
      const before = names(4).map(() => schedule.next(everybody) as string)
      schedule.add('new')
      const rest = names(6).map(() => schedule.next(everybody) as string)
      const round = new Set([...before, ...rest])
      expect(round.size).toBe(10)
      const more = names(11).map(() => schedule.next(everybody) as string)
      expect([...rest, ...more]).toContain('new')
    }
  })

  test('it takes a random place', () => {
    const firstTurn = Array.from({ length: 100 }, (_, seed) => {
      const schedule = filled(9, seed)
      schedule.add('new')
      return names(10).findIndex(() => schedule.next(everybody) === 'new')
    })
    expect(new Set(firstTurn).size).toBe(10)
  })

  test('adding twice changes nothing; removed ones are not probed again', () => {
    const schedule = filled(5)
    schedule.add('m1')
    expect(schedule.size).toBe(5)
    schedule.remove('m1')
    schedule.remove('m1')
    expect(schedule.size).toBe(4)
    expect(names(20).map(() => schedule.next(everybody))).not.toContain('m1')
  })

  test('a removal makes nobody miss its turn', () => {
    for (let seed = 0; seed < 200; seed++) {
      const random = seededRandom(seed)
      const schedule = filled(10, seed)
      const before = new Set(names(randomInt(random, 9)).map(() => schedule.next(everybody)))
      const gone = `m${randomInt(random, 10)}`
      schedule.remove(gone)
      const left = names(10).filter((peer) => peer !== gone && !before.has(peer))
      expect(new Set(left.map(() => schedule.next(everybody)))).toEqual(new Set(left))
    }
  })
})
