import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { expectedTime, waitOf } from '../../../src/routing/expected-time.ts'
import { distanceKm, roundTripOf } from '../../../src/routing/geo.ts'
import { createLanes, MAX_LANES, MAX_PEERS, MAX_ROUTED_SERVERS, MAX_TIMED_TOOLS } from '../../../src/routing/lanes.ts'
import { createRouter } from '../../../src/routing/router.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const place = (latitude: number, longitude: number) => ({ latitude, longitude })

describe('distance', () => {
  test.each<[string, ReturnType<typeof place>, ReturnType<typeof place>, number]>([
    ['nowhere', place(52.5, 13.4), place(52.5, 13.4), 0],
    ['Berlin to Hamburg', place(52.52, 13.405), place(53.551, 9.994), 255],
    ['London to New York', place(51.507, -0.128), place(40.713, -74.006), 5_570],
    ['over the date line', place(0, 179), place(0, -179), 222],
    ['pole to pole', place(90, 0), place(-90, 77), 20_015]
  ])('%s', (_, a, b, km) => {
    expect(Math.abs(distanceKm(a, b) - km)).toBeLessThan(Math.max(1, km * 0.005))
    expect(distanceKm(b, a)).toBeCloseTo(distanceKm(a, b))
  })
  test('5 570 km take at least 56.7 ms there and back', () => expect(roundTripOf(5_570)).toBeCloseTo(56.7))
})

describe('expected time', () => {
  test.each([[0, 8, 0], [7, 8, 0], [8, 8, 1 / 8], [15, 8, 1], [0, 1, 0], [3, 1, 3]])('%i calls, %i at a time: waits %d service times', (ahead, capacity, wait) => expect(waitOf(ahead, capacity)).toBeCloseTo(wait))
  test('way, service, twice the wait, and a tenth for a full server', () => {
    expect(expectedTime(20, 50, 0, 8)).toBe(70)
    expect(expectedTime(20, 50, 8, 8)).toBeCloseTo(20 + 50 * (1 + 2 / 8 + 0.1))
  })
})

describe('slowness', () => {
  /** Shares of the first of two providers in each part of 100 calls, four at a time. */
  function shares(seed: number, timeOf: (peer: string, random: () => number) => number, calls = 1_000): number[] {
    const random = seededRandom(seed)
    const clock = createManualClock()
    const router = createRouter({ clock, random })
    const candidates = ['a', 'b'].map((peer) => ({ peer, local: false, rtt: 1 }))
    const running: { peer: string; since: number; until: number }[] = []
    const parts: number[] = []
    for (let n = 0; n < calls; n++) {
      const { peer } = router.choose('s', candidates) as { peer: string }
      router.started('s', peer)
      running.push({ peer, since: clock.now(), until: clock.now() + timeOf(peer, () => random.float()) })
      if (n % 100 === 0) parts.push(0)
      if (peer === 'a') parts[parts.length - 1] = (parts.at(-1) as number) + 1
      if (running.length < 4) continue
      running.sort((x, y) => x.until - y.until)
      const done = running.shift() as (typeof running)[number]
      clock.advance(Math.max(0, done.until - clock.now()))
      router.ended('s', done.peer, 'answered', done.until - done.since, { running: 0, waiting: 0 })
    }
    return parts
  }

  test.each([1, 2, 3, 4, 5])('a provider that had some long calls by chance is not avoided for it (seed %i)', (seed) => {
    const parts = shares(seed, (_, random) => (random() < 0.5 ? 4 : 160))
    expect(Math.min(...parts.map((part) => Math.min(part, 100 - part)))).toBeGreaterThan(20)
  })

  test.each([1, 2, 3])('one that takes ten times as long is, with steady times and with all kinds (seed %i)', (seed) => {
    const slow = (peer: string) => (peer === 'a' ? 10 : 1)
    expect(shares(seed, (peer) => 20 * slow(peer)).slice(1).reduce((sum, part) => sum + part, 0)).toBeLessThan(100)
    expect(shares(seed, (peer, random) => (random() < 0.5 ? 20 : 40) * slow(peer)).slice(1).reduce((sum, part) => sum + part, 0)).toBeLessThan(150)
  })

  test.each([1, 2, 3])('once found slow it is looked at by one call each five seconds (seed %i)', (seed) => {
    const looks = shares(seed, (peer) => (peer === 'a' ? 300 : 20), 20_000).slice(1)
    expect(looks.filter((part) => part > 1)).toEqual([])
    const total = looks.reduce((sum, part) => sum + part, 0)
    expect(total).toBeGreaterThan(10)
    expect(total).toBeLessThan(25)
  })

  test.each([1, 2, 3])('one that was slow for a moment has its share again after a look or two (seed %i)', (seed) => {
    let calls = 0
    const parts = shares(seed, (peer) => (peer === 'a' && calls++ < 9 ? 3_000 : 20), 6_000)
    expect(Math.min(...parts.slice(30))).toBeGreaterThan(30)
  })
})

describe('what is remembered is bounded', () => {
  test('lanes: those of the oldest servers go', () => {
    const lanes = createLanes()
    for (let n = 0; n < MAX_LANES + 100; n++) lanes.lane(`s${n % 900}`, `p${Math.floor(n / 900)}`)
    expect(lanes.count()).toBeLessThanOrEqual(MAX_LANES)
    expect(lanes.servers.has(`s${(MAX_LANES + 99) % 900}`)).toBe(true)
  })
  test('peers, servers and tools', () => {
    const lanes = createLanes()
    for (let n = 0; n < MAX_PEERS + 10; n++) lanes.lane('s', `p${n}`)
    expect([lanes.peers.size, lanes.count()]).toEqual([MAX_PEERS, MAX_PEERS])
    for (let n = 0; n < MAX_ROUTED_SERVERS + 10; n++) lanes.timed(`s${n}`, 't')
    expect(lanes.servers.size).toBe(MAX_ROUTED_SERVERS)
    for (let n = 0; n < MAX_TIMED_TOOLS + 10; n++) lanes.timed('many', `t${n}`)
    expect(lanes.servers.get('many')?.tools.size).toBe(MAX_TIMED_TOOLS)
  })
  test('one server at more peers than there are lanes', () => {
    const lanes = createLanes()
    for (let n = 0; n < 20_000; n++) lanes.lane('s', `p${n}`)
    expect(lanes.count()).toBeLessThanOrEqual(MAX_PEERS)
    expect(lanes.servers.get('s')?.lanes.size).toBe(lanes.count())
  })
  test('a busy one outlives idle ones', () => {
    const router = createRouter({ clock: createManualClock(), random: seededRandom(1) })
    router.started('s', 'busy')
    for (let n = 0; n < MAX_PEERS + 10; n++) router.ended('s', `p${n}`, 'answered', 1)
    expect(router.explain('s', [{ peer: 'busy', local: false }]).candidates[0]?.ahead).toBe(1)
  })
})
