// Scenario list A of the membership anchors: A1 to A7 here, A8 in broadcast-queue.test.ts.
// A9 (Vivaldi) in coordinates.test.ts. A10 (phi accrual) does not apply:
// no pair of members exchanges steady heartbeats here, so there is nothing to feed such a detector with.
import { describe, expect, test } from 'vitest'
import { createHealth } from '../../../src/membership/health.ts'
import { PROFILES } from '../../../src/membership/profiles.ts'
import { createSuspicion, remaining, retransmitLimit, suspicionMin, suspicionTimes, syncScale } from '../../../src/membership/suspicion.ts'

describe('A1 shortest suspicion', () => {
  test.each([
    [0, 3_000],
    [1, 3_000],
    [5, 3_000],
    [10, 3_000],
    [50, 5_094],
    [100, 6_000],
    [500, 8_094],
    [1_000, 9_000]
  ])('mult 3, 1 s, %d members: %d ms (a third: 1.000, 1.698, 2.000, 2.698, 3.000 s)', (members, expected) => {
    expect(suspicionMin(3, members, 1_000)).toBe(expected)
  })
})

describe('A2 transmissions of an item', () => {
  test.each([
    [0, 0],
    [1, 3],
    [9, 3],
    [10, 6],
    [99, 6],
    [100, 9],
    [999, 9],
    [1_000, 12]
  ])('mult 3, %d members: %d', (members, expected) => {
    expect(retransmitLimit(3, members)).toBe(expected)
  })
})

describe('A3 sync interval', () => {
  test.each([
    [0, 1],
    [1, 1],
    [32, 1],
    [33, 2],
    [64, 2],
    [65, 3],
    [128, 3],
    [129, 4]
  ])('%d members: x %d', (members, expected) => {
    expect(syncScale(members)).toBe(expected)
  })
})

describe('A4 what is left of a suspicion', () => {
  test.each([
    [0, 0, 30_000],
    [1, 2_000, 14_000],
    [2, 3_000, 4_810],
    [3, 4_000, -2_000],
    [4, 5_000, -3_000],
    [5, 10_000, -8_000]
  ])('wanted 3, 2 to 30 s, %d confirmations after %d ms: %d ms', (confirmations, elapsed, expected) => {
    expect(Math.floor(remaining(confirmations, 3, 2_000, 30_000, elapsed))).toBe(expected)
  })

  test('is in whatever unit it is given', () => {
    expect(remaining(1, 3, 2, 30, 2)).toBe(14)
    expect(remaining(2, 3, 2, 30, 3)).toBeCloseTo(4.8105, 4)
  })

  test('with nobody wanted it is the shortest', () => {
    expect(remaining(0, 0, 2_000, 30_000, 500)).toBe(1_500)
  })
})

describe('A5 a suspicion', () => {
  const start = (wanted = 3) => createSuspicion({ accuser: 'a', wanted, min: 500, max: 2_000, now: 10_000 })
  const lasts = (suspicion: { deadline: number }) => Math.floor(suspicion.deadline - 10_000)

  test.each([
    ['no confirmation', [], 2_000],
    ['one', ['b'], 1_250],
    ['two', ['b', 'c'], 811],
    ['three', ['b', 'c', 'd'], 500],
    ['the first accuser again', ['a', 'a'], 2_000],
    ['the same one twice', ['b', 'b'], 1_250],
    ['more than wanted', ['b', 'c', 'd', 'e', 'f'], 500]
  ] as const)('%s', (_name, confirmations, expected) => {
    const suspicion = start()
    for (const accuser of confirmations) suspicion.confirm(accuser)
    expect(lasts(suspicion)).toBe(expected)
  })

  test('tells which accusations count, for only these are passed on', () => {
    const suspicion = start()
    expect(['a', 'b', 'b', 'c', 'd', 'e'].map((accuser) => suspicion.confirm(accuser))).toEqual([false, true, false, true, true, false])
    expect([...suspicion.accusers]).toEqual(['a', 'b', 'c', 'd'])
  })

  test('with nobody wanted it lasts the shortest time from the start, and nothing counts', () => {
    const suspicion = start(0)
    expect(suspicion.deadline).toBe(10_500)
    expect(suspicion.confirm('b')).toBe(false)
    expect(suspicion.deadline).toBe(10_500)
  })

  test('the end of somebody else\'s suspicion brings it to its shortest, and no confirmation makes it longer again', () => {
    const suspicion = start()
    suspicion.shorten()
    expect(suspicion.deadline).toBe(10_500)
    suspicion.confirm('b')
    suspicion.shorten()
    expect(suspicion.deadline).toBe(10_500)
  })

  test('postponed by a stall it keeps its length, with confirmations before and after', () => {
    const suspicion = start()
    suspicion.postpone(300)
    expect(suspicion.deadline).toBe(12_300)
    suspicion.confirm('b')
    expect(suspicion.deadline).toBe(11_550)
    suspicion.postpone(50)
    expect(suspicion.deadline).toBe(11_600)
  })
})

describe('A6 several accuse at once (dogpile): confirmations 3, 0.5 to 1 s; with few members as many are wanted as there are (memberlist: none)', () => {
  const profile = { ...PROFILES.lan, probeInterval: 100, suspicionMult: 5, suspicionMaxMult: 2, confirmations: 3 }
  test.each([
    [2, 0, 500],
    [3, 0, 1_000],
    [3, 1, 500],
    [4, 0, 1_000],
    [4, 1, 684],
    [4, 2, 500],
    [5, 0, 1_000],
    [6, 0, 1_000],
    [6, 1, 750],
    [6, 2, 603],
    [6, 3, 500],
    [6, 4, 500]
  ])('%d members, %d confirmations: %d ms', (members, confirmations, expected) => {
    const suspicion = createSuspicion({ accuser: 'first', ...suspicionTimes(profile, members), now: 0 })
    for (let other = 0; other < confirmations; other++) suspicion.confirm(`other-${other}`)
    expect(Math.floor(suspicion.deadline)).toBe(expected)
  })
})

describe('A7 health', () => {
  test('stays between 0 and 7 and stretches time-outs', () => {
    const health = createHealth({ max: 8 })
    const seen = [0, -1, -10, 1, -1, 10].map((delta) => {
      health.apply(delta)
      return [health.score, health.scale(500)]
    })
    expect(seen).toEqual([
      [0, 500],
      [0, 500],
      [0, 500],
      [1, 1_000],
      [0, 500],
      [7, 4_000]
    ])
  })
})
