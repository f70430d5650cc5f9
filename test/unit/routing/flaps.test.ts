import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { createFlaps, dampedFor, wentWell, wentWrong, type Flaps } from '../../../src/routing/flaps.ts'
import { createRouter } from '../../../src/routing/router.ts'
import { warmthOf } from '../../../src/routing/slow-start.ts'
import { createManualClock } from '../../support/manual-clock.ts'

/** Falls at these times, each after something went well. */
function fell(...times: number[]): Flaps {
  const flaps = createFlaps()
  for (const time of times) {
    wentWrong(flaps, time)
    wentWell(flaps)
  }
  return flaps
}

describe('flapping', () => {
  test.each<[string, Flaps, number, number]>([
    ['no failure', fell(), 0, 0],
    ['two in a minute', fell(0, 30_000), 30_000, 0],
    ['three in more than a minute', fell(0, 30_000, 61_000), 61_000, 0],
    ['three in a minute damp for 30 s', fell(0, 30_000, 60_000), 60_000, 30_000],
    ['and not longer', fell(0, 30_000, 60_000), 90_000, 0],
    ['a fourth soon after doubles it', fell(0, 1_000, 2_000, 40_000), 40_000, 60_000],
    ['again and again: five minutes at most', fell(0, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000), 8_000, 300_000],
    ['a failure a minute after the end of it is one of three again', fell(0, 1_000, 2_000, 93_000), 93_000, 0]
  ])('%s', (_, flaps, now, left) => expect(dampedFor(flaps, now)).toBe(left))

  test('what falls together is one fall', () => {
    const flaps = createFlaps()
    for (let n = 0; n < 100; n++) wentWrong(flaps, n)
    expect(dampedFor(flaps, 100)).toBe(0)
  })

  test('whoever goes on failing is not stable', () => {
    const flaps = fell(0, 1_000, 2_000)
    wentWrong(flaps, 10_000)
    wentWrong(flaps, 50_000)
    expect(dampedFor(flaps, 50_000)).toBe(60_000)
  })

  test('its memory is bounded', () => {
    const flaps = fell(...Array.from({ length: 1_000 }, (_, n) => n))
    expect(flaps.times).toHaveLength(3)
  })
})

describe('a peer that dies and comes back again and again', () => {
  const setup = () => {
    const clock = createManualClock(500_000)
    const router = createRouter({ clock, random: seededRandom(1) })
    const candidates = [{ peer: 'a', local: false, rtt: 1 }, { peer: 'b', local: false, rtt: 80 }]
    return { clock, router, candidates, standing: () => router.explain('s', candidates).candidates[0]?.standing }
  }

  test('is not chosen any more while another is there, until it was stable', () => {
    const { clock, router, candidates, standing } = setup()
    for (let n = 0; n < 3; n++) {
      router.memberFailed('a')
      clock.advance(5_000)
      router.memberBack('a')
      clock.advance(6_000)
    }
    expect(standing()).toBe('damped')
    expect(router.choose('s', candidates)?.peer).toBe('b')
    expect(router.choose('s', candidates.slice(0, 1))).toMatchObject({ peer: 'a', why: 'only' })
    clock.advance(25_000)
    expect(standing()).toBe('good')
    expect(router.choose('s', candidates)?.peer).toBe('a')
  })

  test('by calls that fail after calls that were answered, death and failed calls being one fall', () => {
    const { clock, router, standing } = setup()
    for (let n = 0; n < 2; n++) {
      router.ended('s', 'a', 'answered', 5)
      router.ended('s', 'a', 'failed', 5)
      router.ended('s', 'a', 'failed', 5)
      router.memberFailed('a')
      clock.advance(1_000)
      router.memberBack('a')
    }
    clock.advance(6_000)
    expect(standing()).toBe('good')
    router.ended('s', 'a', 'answered', 5)
    router.ended('s', 'a', 'failed', 5)
    expect(standing()).toBe('damped')
    expect(router.stats().damped).toBe(1)
  })

  test('one that left is forgotten', () => {
    const { router, standing } = setup()
    for (let n = 0; n < 3; n++) {
      router.ended('s', 'a', 'answered', 5)
      router.ended('s', 'a', 'failed', 5)
    }
    expect(standing()).toBe('damped')
    router.forget('a')
    expect([standing(), router.stats()]).toEqual(['good', { lanes: 0, damped: 0 }])
  })
})

describe('slow start', () => {
  test.each([[0, 0.1], [-5, 0.1], [2_500, 0.55], [5_000, 1], [1e9, 1]])('after %i ms a share of %d', (age, share) => expect(warmthOf(1_000, 1_000 + age)).toBeCloseTo(share))

  test('a near one that is back takes a growing share from a far one, one that is alone all at once', () => {
    const clock = createManualClock(500_000)
    const router = createRouter({ clock, random: seededRandom(5) })
    const near = { peer: 'a', local: false, rtt: 1 }
    const both = [near, { peer: 'b', local: false, rtt: 80 }]
    router.memberFailed('a')
    clock.advance(10_000)
    router.memberBack('a')
    const share = () => Array.from({ length: 1_000 }, () => router.choose('s', both)).filter((choice) => choice?.peer === 'a').length / 1_000
    expect(share()).toBeCloseTo(0.1, 1)
    expect(router.choose('s', [near])?.peer).toBe('a')
    clock.advance(2_500)
    expect(share()).toBeCloseTo(0.55, 1)
    clock.advance(2_500)
    expect(share()).toBe(1)
  })

  test('where all are equally new nobody waits', () => {
    const clock = createManualClock(500_000)
    const router = createRouter({ clock, random: seededRandom(5) })
    for (const peer of ['a', 'b']) router.memberBack(peer)
    for (let n = 0; n < 200; n++) expect(router.choose('s', [{ peer: 'a', local: false, rtt: 1 }, { peer: 'b', local: false, rtt: 80 }])?.peer).toBe('a')
  })

  test('a half-open breaker gets one call of ten, and none while one is under way', () => {
    const router = createRouter({ clock: createManualClock(), random: seededRandom(5) })
    const both = [{ peer: 'a', local: false, rtt: 1, breaker: 'half-open' as const }, { peer: 'b', local: false, rtt: 80 }]
    const choices = Array.from({ length: 1_000 }, () => router.choose('s', both))
    const trials = choices.filter((choice) => choice?.peer === 'a')
    expect(trials.length / 1_000).toBeCloseTo(0.1, 1)
    expect(new Set(trials.map((choice) => choice?.why))).toEqual(new Set(['trial']))
    router.started('s', 'a')
    for (let n = 0; n < 200; n++) expect(router.choose('s', both)?.peer).toBe('b')
  })
})
