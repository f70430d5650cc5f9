// Network coordinates in the machine: which answers count, what is predicted, and for whom.
import { describe, expect, test } from 'vitest'
import { PROFILES } from '../../../src/membership/profiles.ts'
import type { NetworkCoordinates } from '../../../src/wire/coordinates.ts'
import { alive, createOne, dead, SELF } from '../../support/swim-one.ts'
import type { One } from '../../support/swim-one.ts'

const { probeInterval, probeTimeout } = PROFILES.lan
const FAR = 30
const place = (x: number, error = 0.1): NetworkCoordinates => ({ vector: [x, 0, 0, 0, 0, 0, 0, 0], height: 0.01, error, adjustment: 0 })

/** Self and `a`, who answers only when told; others answer, and say nothing of their place. */
function pool(...others: string[]): One {
  const one = createOne()
  one.join('a', ...others)
  one.manners('a', { answers: false })
  for (const peer of others) one.manners(peer, { relays: 'none' })
  return one
}

/** Waits for a ping, and answers it so many ms later. */
function answer(one: One, peer: string, coordinates: NetworkCoordinates | undefined, after: number): void {
  const { message } = one.until('ping', peer)
  one.run(after)
  one.message(peer, { kind: 'ack', nonce: message.nonce, ...(coordinates && { coordinates }), updates: [] })
}

function settle(one: One, peer: string, times = 30): void {
  for (let sample = 0; sample < times; sample++) answer(one, peer, place(FAR), FAR)
}

describe('answers with coordinates', () => {
  test('bring predictions, once both sides are sure', () => {
    const one = pool()
    expect(one.swim.predicted('a')).toBeUndefined()
    answer(one, 'a', place(FAR), FAR)
    expect(one.swim.predicted('a')).toBeUndefined()
    settle(one, 'a')
    expect(one.swim.predicted('a')).toBeGreaterThan(FAR * 0.8)
    expect(one.swim.predicted('a')).toBeLessThan(FAR * 1.2)
    expect(one.counted('prediction')).toBeGreaterThan(5)
    expect(one.counted('lost-place')).toBe(0)
    answer(one, 'a', place(FAR, 1.2), FAR)
    expect(one.swim.predicted('a')).toBeUndefined()
  })

  test('there is no prediction for strangers, for itself and for those who say nothing', () => {
    const one = pool('b')
    settle(one, 'a')
    expect([one.swim.predicted('nobody'), one.swim.predicted(SELF), one.swim.predicted('b')]).toEqual([undefined, undefined, undefined])
  })

  test('the dead and forgotten are nowhere', () => {
    const one = pool('b')
    settle(one, 'a')
    expect(one.swim.predicted('a')).toBeDefined()
    one.hear('b', dead('a', 'b'))
    one.run(60_000)
    expect(one.swim.member('a')?.state).toBe('dead')
    expect(one.swim.predicted('a')).toBeUndefined()
    one.hear('a', alive('a', 2))
    expect(one.swim.predicted('a')).toBeDefined()
  })

  test('each answer to a ping carries the own ones, an answer for another none', () => {
    const one = pool('b')
    one.clear()
    one.message('b', { kind: 'ping', nonce: 7, target: SELF, updates: [] })
    expect(one.sent('ack', 'b')[0]?.message.coordinates).toMatchObject({ error: 1.5 })
    one.message('b', { kind: 'ping-req', nonce: 8, target: 'a', within: 400, updates: [] })
    const asked = one.sent('ping', 'a').at(-1)!
    one.message('a', { kind: 'ack', nonce: asked.message.nonce, coordinates: place(FAR), updates: [] })
    const passed = one.sent('ack', 'b').at(-1)!.message
    expect(passed.nonce).toBe(8)
    expect(passed).not.toHaveProperty('coordinates')
    expect(one.swim.predicted('a')).toBeUndefined()
  })
})

describe('round trips that say nothing do not count', () => {
  /** The own coordinates, as they go out. */
  function own(one: One): NetworkCoordinates {
    one.message('b', { kind: 'ping', nonce: 1, target: SELF, updates: [] })
    return one.sent('ack', 'b').at(-1)!.message.coordinates!
  }

  test('an answer that came through others', () => {
    const one = pool('b')
    const before = own(one)
    const { message } = one.until('ping', 'a')
    one.run(probeTimeout + 1)
    one.message('b', { kind: 'ack', nonce: message.nonce, coordinates: place(FAR), updates: [] })
    expect(one.counted('probe-indirect')).toBe(1)
    expect(own(one)).toEqual(before)
  })

  test.each([30, 200, 300, 5_000])('one that came while this process stood still for %d ms', (ms) => {
    const one = pool('b')
    const before = own(one)
    const { message } = one.until('ping', 'a')
    one.stall(Math.max(0, one.swim.nextDue() - one.now) + ms)
    one.clear()
    one.message('a', { kind: 'ack', nonce: message.nonce, coordinates: place(FAR), updates: [] })
    expect(one.counted('probe-ok')).toBe(1)
    expect(own(one)).toEqual(before)
  })

  test('one to a ping that went out twice, as the link came back meanwhile', () => {
    const one = pool('b')
    const before = own(one)
    const { message } = one.until('ping', 'a')
    one.step({ type: 'link-down', peer: 'a', expected: false })
    one.link('a')
    one.clear()
    one.message('a', { kind: 'ack', nonce: message.nonce, coordinates: place(FAR), updates: [] })
    expect(one.counted('probe-ok')).toBe(1)
    expect(own(one)).toEqual(before)
  })

  test('one after the verdict, and one that nobody asked for', () => {
    const one = pool('b')
    const before = own(one)
    const { message } = one.until('ping', 'a')
    one.message('a', { kind: 'ack', nonce: message.nonce + 1, coordinates: place(FAR), updates: [] })
    one.run(probeInterval + 1)
    one.message('a', { kind: 'ack', nonce: message.nonce, coordinates: place(FAR), updates: [] })
    expect(one.counted('probe-late')).toBe(1)
    expect(own(one)).toEqual(before)
  })
})

test('a place beyond all bounds is given up, and counted', () => {
  const one = pool()
  for (let sample = 0; sample < 900 && one.counted('lost-place') === 0; sample++) answer(one, 'a', sample < 600 ? place(10_000, 0) : place(9_700, 0), sample < 600 ? 1 : 900)
  expect(one.counted('lost-place')).toBe(1)
})
