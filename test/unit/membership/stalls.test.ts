// F1 and F5 of the membership anchors: SIGSTOP and a blocked event loop look the same from inside.
import { describe, expect, test } from 'vitest'
import { alive, createOne, dead, SELF, suspect } from '../../support/swim-one.ts'
import type { One } from '../../support/swim-one.ts'

function five(): One {
  const one = createOne()
  one.join('a', 'b', 'c', 'd')
  return one
}

const healthOf = (one: One) => one.swim.stats().health

describe('the event loop stands still', () => {
  test('a probe on its way is not judged; answers that came meanwhile count', () => {
    const one = five()
    one.until('ping', 'a')
    one.stall(10_000)
    expect(one.told()).toEqual([])
    expect(one.counted('stall')).toBe(1)
    expect(healthOf(one)).toBeGreaterThan(0)
    one.run(30_000)
    expect(one.told()).toEqual([])
    expect(one.counted('probe-failed')).toBe(0)
    expect(healthOf(one)).toBe(0)
  })

  test('a suspicion does not run out meanwhile: the suspect may have objected', () => {
    const one = five()
    one.hear('b', suspect('a', 'b'), dead('a', 'b'))
    one.run(1_000)
    one.stall(60_000)
    expect(one.swim.member('a')?.state).toBe('suspect')
    one.hear('a', alive('a', 2))
    one.run(60_000)
    expect(one.told()).toEqual(['suspected a', 'recovered a'])
  })

  test('a tick 200 ms late is no stall', () => {
    const one = five()
    one.run(3_000)
    one.clear()
    one.stall(Math.max(0, one.swim.nextDue() - one.now) + 200)
    expect(one.counted('stall')).toBe(0)
  })
  test('an own confirmation that ends a suspicion in the past is no stall: the verdict comes at once', () => {
    const one = five()
    one.until('ping', 'b')
    one.run(100)
    one.manners('a', { answers: false })
    for (const peer of ['b', 'c', 'd']) one.manners(peer, { relays: 'nack' })
    // It is accused three times, so it finds itself slow.
    for (const accuser of ['b', 'c', 'd']) {
      one.hear(accuser, suspect(SELF, accuser, one.swim.member(SELF)?.incarnation ?? 0))
      one.run(150)
    }
    expect(healthOf(one)).toBe(3)
    const began = one.now
    one.hear('b', suspect('a', 'b'), suspect('a', 'c'))
    // As slow as it finds itself, its own probe ends long after the shortest suspicion.
    while (one.counted('probe-failed') === 0) one.run(1)
    expect(one.now - began).toBeGreaterThan(3_000)
    one.run(1)
    expect(one.swim.member('a')?.state).toBe('dead')
    expect(one.counted('stall')).toBe(0)
    expect(healthOf(one)).toBeLessThanOrEqual(3)
  })
})

test('a member that has lost all its links, as after a long stop, accuses nobody: it is itself that is cut off', () => {
  const one = createOne()
  const others = ['a', 'b', 'c', 'd']
  one.join(...others)
  for (const peer of others) one.manners(peer, { knock: 'open', dial: 'silent' })
  one.stall(10_000)
  for (const peer of others) one.step({ type: 'link-down', peer, expected: false })
  one.run(12_000)
  expect(one.told()).toEqual([])
})
