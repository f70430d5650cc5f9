import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { DEFAULT_RTT } from '../../../src/routing/expected-time.ts'
import { createRouter } from '../../../src/routing/router.ts'
import type { Candidate, Router } from '../../../src/routing/types.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const at = (peer: string, rtt?: number, more: Partial<Candidate> = {}): Candidate => ({ peer, local: false, ...(rtt === undefined ? {} : { rtt }), ...more })
const me = (more: Partial<Candidate> = {}): Candidate => ({ peer: 'me', local: true, ...more })

function world() {
  const clock = createManualClock(1_000_000)
  const router = createRouter({ clock, random: seededRandom(7) })
  return { clock, router }
}

/** Everybody that 300 calls may go to. */
function chosen(router: Router, candidates: readonly Candidate[], sticky?: string): (string | undefined)[] {
  return [...new Set(Array.from({ length: 300 }, () => router.choose('s', candidates, { sticky })?.peer))].sort()
}

/** Answers of `peer` in `ms` each, one after the other. */
function answers(router: Router, peer: string, times: number, ms: number, load = { running: 0, waiting: 0 }): void {
  for (let n = 0; n < times; n++) {
    router.started('s', peer)
    router.ended('s', peer, 'answered', ms, load)
  }
}

describe('the choice of a provider', () => {
  test.each<[string, Candidate[], (string | undefined)[]]>([
    ['nobody', [], [undefined]],
    ['one', [at('a')], ['a']],
    ['the local one before a near one', [at('a', 0.1), me()], ['me']],
    ['the local one before an idle LAN peer while it has a place', [at('a', 0.3, { capacity: 8 }), me({ capacity: 8, now: { running: 7, waiting: 0 } })], ['me']],
    ['another when the queue here is longer than the way', [at('a', 0.3, { capacity: 8 }), me({ capacity: 8, now: { running: 8, waiting: 9 } })], ['a']],
    ['the local one while the way is longer than its queue', [at('a', 200, { capacity: 8 }), me({ capacity: 8, now: { running: 8, waiting: 9 } })], ['me']],
    ['the nearest', [at('a', 20), at('b', 80)], ['a']],
    ['all within a tenth of the best expected time', [at('a', 90), at('b', 99.9), at('c', 100.1)], ['a', 'b']],
    ['all within 2 ms', [at('a', 0.2), at('b', 2.1), at('c', 2.3)], ['a', 'b']],
    ['a LAN peer before an unmeasured one', [at('a'), at('b', 0.3)], ['b']],
    ['an unmeasured one as the default', [at('a'), at('b', DEFAULT_RTT * 2)], ['a']],
    ['a predicted one as predicted', [at('a', undefined, { predicted: 30 }), at('b', 20)], ['b']],
    ['a measured one by its measurement', [at('a', 50, { predicted: 1 }), at('b', 20)], ['b']],
    ['a distant one by its distance', [at('a', undefined, { km: 9_000 }), at('b', undefined, { km: 300 })], ['b']],
    ['a nonsense measurement as the default', [at('a', Number.NaN), at('b', 100)], ['a']],
    ['a direct one before a relayed one of the same length', [at('a', 20, { relayed: true }), at('b', 20.5), at('c', 24, { relayed: true })], ['a', 'b']],
    ['a trusted one before a suspect, however near', [at('a', 0.1, { suspect: true }), at('b', 80, { suspect: false })], ['b']],
    ['the local one although it is suspected', [me({ suspect: true }), at('b')], ['me']],
    ['the best suspect when there is nobody else', [at('a', 1, { suspect: true }), at('b', 80, { suspect: true })], ['a']],
    ['a suspect before one whose breaker is open', [at('a', 1, { breaker: 'open' }), at('b', 80, { suspect: true })], ['b']],
    ['one whose breaker is open when there is nobody else', [at('a', 1, { breaker: 'open' })], ['a']],
    ['the less loaded of two', [at('a', 1, { load: 3 }), at('b', 1, { load: 2 })], ['b']],
    ['the one with more places of two with the same load', [at('a', 1, { load: 3, capacity: 8 }), at('b', 1, { load: 3, capacity: 64 })], ['b']]
  ])('takes %s', (_, candidates, expected) => {
    expect(chosen(world().router, candidates)).toEqual(expected)
  })

  test('two choices never take the most loaded of three, and spread over the rest', () => {
    expect(chosen(world().router, ['a', 'b', 'c'].map((peer, load) => at(peer, 1, { load })))).toEqual(['a', 'b'])
  })

  test('equal ones share evenly', () => {
    const { router } = world()
    const counts = new Map<string, number>()
    for (let n = 0; n < 3_000; n++) {
      const { peer } = router.choose('s', [at('a', 1), at('b', 1.2), at('c', 0.8)]) as { peer: string }
      counts.set(peer, (counts.get(peer) ?? 0) + 1)
    }
    for (const count of counts.values()) expect(count).toBeGreaterThan(800)
  })

  test('says why', () => {
    const { router } = world()
    const why = (candidates: Candidate[], sticky?: string) => router.choose('s', candidates, { sticky })?.why
    expect([why([at('a')]), why([at('a', 1), me()]), why([at('a', 1), at('b', 80)]), why([at('a', 1), at('b', 1)]), why([at('a', 1), at('b', 1)], 'b'), why([at('a', 1, { suspect: true }), at('b', 1, { suspect: true })])])
      .toEqual(['only', 'local', 'best', 'lighter', 'sticky', 'last_resort'])
  })
})

describe('a session whose state is at one provider', () => {
  test('stays there, near or far, loaded or suspected', () => {
    const { router } = world()
    expect(chosen(router, [at('a', 1), at('b', 80, { load: 900, suspect: true })], 'b')).toEqual(['b'])
  })
  test.each([['its breaker is open', [at('a', 1), at('b', 1, { breaker: 'open' as const })]], ['it is gone', [at('a', 1)]]])('goes elsewhere when %s', (_, candidates) => {
    expect(chosen(world().router, candidates, 'b')).toEqual(['a'])
  })
})

describe('what is learnt from calls', () => {
  test('own calls count at once, those of others as reported, and fade', () => {
    const { clock, router } = world()
    const ahead = () => router.explain('s', [at('a', 1)]).candidates[0]?.ahead
    router.started('s', 'a')
    router.started('s', 'a')
    expect(ahead()).toBe(2)
    router.ended('s', 'a', 'answered', 5, { running: 6, waiting: 3 })
    expect(ahead()).toBe(9)
    clock.advance(1_000)
    expect(ahead()).toBeCloseTo(1 + 4)
    router.ended('s', 'a', 'failed', 5)
    clock.advance(60_000)
    expect(ahead()).toBeCloseTo(0)
  })

  test('a report of the server counts more than the load of the whole node', () => {
    const { router } = world()
    answers(router, 'a', 1, 5)
    expect(router.explain('s', [at('a', 1, { load: 500 }), at('b', 1, { load: 5 })]).candidates.map(({ ahead }) => ahead)).toEqual([0, 5])
  })

  test('a slow provider is left, and tried again after a while', () => {
    const { clock, router } = world()
    for (let n = 0; n < 30; n++) {
      answers(router, 'a', 1, 501)
      answers(router, 'b', 1, 51)
      answers(router, 'c', 1, 51)
      clock.advance(100)
    }
    const three = [at('a', 1), at('b', 1), at('c', 1)]
    expect(chosen(router, three)).toEqual(['b', 'c'])
    clock.advance(120_000)
    expect(chosen(router, three)).toEqual(['a', 'b', 'c'])
  })

  test('tools of different lengths make no provider slow', () => {
    const { clock, router } = world()
    const random = seededRandom(3)
    for (let n = 0; n < 500; n++) {
      const peer = random.float() < 0.5 ? 'a' : 'b'
      const tool = random.float() < 0.5 ? 'long' : 'short'
      router.started('s', peer)
      router.ended('s', peer, 'answered', (tool === 'long' ? 2_000 : 2) * (0.5 + random.float()), undefined, tool)
      clock.advance(20)
    }
    expect(chosen(router, [at('a', 1), at('b', 1)])).toEqual(['a', 'b'])
    const service = (tool: string) => router.explain('s', [at('a', 1)], { tool }).candidates[0]?.service ?? 0
    expect(service('long')).toBeGreaterThan(1_000)
    expect(service('short')).toBeLessThan(4)
  })

  test('time in a queue is not taken for slowness', () => {
    const { clock, router } = world()
    for (let n = 0; n < 40; n++) {
      router.choose('s', [at('a', 1, { capacity: 8, now: { running: 8, waiting: 15 } })])
      router.started('s', 'a')
      router.ended('s', 'a', 'answered', 1 + 50 * 3, { running: 8, waiting: 15 })
      clock.advance(50)
    }
    expect(router.explain('s', [at('a', 1, { capacity: 8 })]).candidates[0]?.service).toBeCloseTo(50)
  })

  test('one failure in some answers is enough to prefer another, and is forgiven', () => {
    const { clock, router } = world()
    answers(router, 'a', 20, 5)
    answers(router, 'b', 20, 5)
    router.started('s', 'a')
    router.ended('s', 'a', 'failed', 5)
    expect(chosen(router, [at('a', 1), at('b', 1)])).toEqual(['b'])
    expect(chosen(router, [at('a', 1), at('b', 80)])).toEqual(['a'])
    clock.advance(60_000)
    expect(chosen(router, [at('a', 1), at('b', 1)])).toEqual(['a', 'b'])
  })

  test('one that refuses again and again is left for a far one', () => {
    const { router } = world()
    for (let n = 0; n < 10; n++) {
      router.started('s', 'a')
      router.ended('s', 'a', 'refused', 1)
    }
    expect(chosen(router, [at('a', 1), at('b', 80)])).toEqual(['b'])
  })

  test('what a caller cancels says nothing', () => {
    const { router } = world()
    for (let n = 0; n < 50; n++) {
      router.started('s', 'a')
      router.ended('s', 'a', 'cancelled', 10_000)
    }
    expect(router.explain('s', [at('a', 1)]).candidates[0]).toMatchObject({ reliability: 1, ahead: 0, service: 10 })
  })

  test('one server says nothing of another', () => {
    const { router } = world()
    for (let n = 0; n < 10; n++) router.ended('other', 'a', 'failed', 1)
    expect(chosen(router, [at('a', 1), at('b', 80)])).toEqual(['a'])
  })
})

describe('explaining', () => {
  test('shows the figures of the choice and changes nothing', () => {
    const { router } = world()
    const candidates = [at('a', 1, { load: 3, capacity: 8 }), at('b', 20, { breaker: 'half-open' }), at('c', 30, { suspect: true })]
    const first = router.explain('s', candidates)
    expect(router.explain('s', candidates)).toEqual(first)
    expect(router.stats()).toEqual({ lanes: 0, damped: 0 })
    expect(first.choice).toMatchObject({ peer: 'a', why: 'best' })
    expect(first.candidates.map(({ peer, standing, near, pathFrom }) => [peer, standing, near, pathFrom])).toEqual([['a', 'good', true, 'measured'], ['b', 'half-open', false, 'measured'], ['c', 'suspect', false, 'measured']])
    expect(first.candidates[0]).toMatchObject({ path: 1, service: 10, ahead: 3, capacity: 8, reliability: 1, warmth: 1 })
  })

  test('never disagrees with the choice, whatever is known', () => {
    const random = seededRandom(Number(process.env['SKEIN_SEED'] ?? 11))
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random.float() * from.length)] as T
    for (let round = 0; round < 300; round++) {
      const { clock, router } = world()
      const peers = ['a', 'b', 'c', 'd'].slice(0, 1 + Math.floor(random.float() * 4))
      for (let n = 0; n < 20; n++) {
        const peer = pick(peers)
        router.started('s', peer)
        if (random.float() < 0.8) router.ended('s', peer, pick(['answered', 'answered', 'failed', 'refused', 'cancelled'] as const), random.float() * 100, pick([undefined, { running: 4, waiting: 2 }]))
        if (random.float() < 0.1) router.memberFailed(peer)
        clock.advance(random.float() * 3_000)
      }
      const candidates = peers.map((peer) => at(peer, pick([undefined, 1, 2, 50]), { suspect: random.float() < 0.2, breaker: pick(['closed', 'closed', 'open'] as const), capacity: pick([1, 8, 256]) }))
      const { choice, candidates: figures } = router.explain('s', candidates)
      const near = figures.filter((one) => one.near).map(({ peer }) => peer)
      expect(near).toContain(choice?.peer)
      for (const peer of chosen(router, candidates)) expect(near).toContain(peer)
      expect(router.choose('s', candidates)?.why).toBe(choice?.why)
    }
  })
})
