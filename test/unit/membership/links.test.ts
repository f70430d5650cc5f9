import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { createLinks, type Links } from '../../../src/membership/links.ts'
import type { MemberState } from '../../../src/membership/types.ts'

const addressOf = (peer: string) => `/ip4/127.0.0.1/tcp/${4_000 + [...peer].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) % 50_000, 7)}`
const many = (count: number, prefix = 'p') => Array.from({ length: count }, (_, index) => `${prefix}${String(index).padStart(4, '0')}`)

interface Dialled {
  at: number
  peer: string
  timeout: number
}

/** One node's links, with a dial policy instead of a network, run from due time to due time. */
function createRun(self = 'm', options: { fullMesh?: number; seed?: number; slowdown?: number; takes?: number; answers?: (peer: string, now: number) => boolean } = {}) {
  const links = createLinks({ self, random: seededRandom(options.seed ?? 1), fullMesh: options.fullMesh ?? 128 })
  const dials: Dialled[] = []
  const closes: { at: number; peer: string }[] = []
  const ends: { at: number; peer: string; ok: boolean }[] = []
  let now = 0
  let answers = options.answers ?? (() => true)

  function settle(): void {
    for (const effect of links.due(now, options.slowdown ?? 1)) {
      if (effect.type === 'close') {
        closes.push({ at: now, peer: effect.peer })
        links.down(effect.peer, now)
        continue
      }
      dials.push({ at: now, peer: effect.peer, timeout: effect.timeout })
      const ok = answers(effect.peer, now)
      ends.push({ at: now + (ok ? (options.takes ?? 25) : effect.timeout), peer: effect.peer, ok })
    }
    expect(links.nextDue(), 'after due() nothing is left to do now').toBeGreaterThan(now)
  }

  /** Until `end`, all things at their time. */
  function until(end: number): void {
    settle()
    for (;;) {
      const first = ends.toSorted((a, b) => a.at - b.at)[0]
      const next = Math.min(links.nextDue(), first?.at ?? Infinity)
      if (next > end) break
      now = Math.max(now, next)
      if (first !== undefined && first.at <= now) {
        ends.splice(ends.indexOf(first), 1)
        if (first.ok && !links.isUp(first.peer)) links.up(first.peer, { address: addressOf(first.peer), dialled: true }, now)
        links.dialled(first.peer, first.ok, now)
      }
      settle()
    }
    now = end
  }

  return {
    links, dials, closes, until,
    set: (peer: string, state: MemberState = 'alive', more: { recovered?: boolean; addresses?: readonly string[] } = {}) =>
      links.set(peer, { state, addresses: more.addresses ?? [addressOf(peer)], recovered: more.recovered ?? false }, now),
    up: (peer: string, dialled = false) => links.up(peer, { address: dialled ? addressOf(peer) : '/ip4/127.0.0.1/tcp/50000', dialled }, now),
    down: (peer: string) => links.down(peer, now),
    answering: (next: (peer: string, now: number) => boolean) => {
      answers = next
    },
    since: (at: number) => dials.filter((dial) => dial.at >= at),
    get now() {
      return now
    }
  }
}

/** The most dials within any `ms`. */
function densest(dials: readonly Dialled[], ms: number): number {
  return Math.max(0, ...dials.map(({ at }) => dials.filter((other) => other.at >= at && other.at < at + ms).length))
}

describe('newly joined members', () => {
  test('the only one known is dialled at once by the lower peer id, 1.5 s later by the higher', () => {
    const lower = createRun('a')
    lower.set('b')
    lower.until(10_000)
    expect(lower.dials).toEqual([{ at: 0, peer: 'b', timeout: 5_000 }])
    const higher = createRun('c')
    higher.set('b')
    higher.until(10_000)
    expect(higher.dials).toEqual([{ at: 1_500, peer: 'b', timeout: 5_000 }])
  })

  test('nobody is dialled who has no address, is linked already, or is self', () => {
    const run = createRun('a')
    run.set('b', 'alive', { addresses: [] })
    run.set('c')
    run.up('c')
    run.until(20_000)
    expect(run.dials).toEqual([])
    run.set('b', 'alive', { addresses: [addressOf('b')] })
    run.until(40_000)
    expect(run.dials.map(({ peer }) => peer)).toEqual(['b'])
  })

  test('at most five dials a second, none in the first 300 ms, all in the end', () => {
    const run = createRun('a')
    for (const peer of many(40)) run.set(peer)
    run.until(30_000)
    expect(run.dials[0]?.at).toBeGreaterThanOrEqual(300)
    expect(run.dials.length).toBe(40)
    expect(densest(run.dials, 1_000)).toBeLessThanOrEqual(5)
    expect(densest(run.dials, 1_000)).toBeGreaterThanOrEqual(4)
    expect(run.links.linked().length).toBe(40)
    expect(run.dials.at(-1)?.at).toBeLessThan(12_000)
  })

  test('joins that keep coming hold dials up, but not for ever', () => {
    const run = createRun('a')
    for (const [index, peer] of many(100).entries()) {
      run.until(index * 100)
      run.set(peer)
    }
    // The very first was the only one known and was dialled at once.
    const [, second] = run.dials
    expect(second?.at).toBeGreaterThanOrEqual(5_000)
    expect(second?.at).toBeLessThan(6_000)
    run.until(40_000)
    expect(run.links.linked().length).toBe(100)
  })

  test('members that all learn of each other do not dial in the same order', () => {
    const order = (seed: number) => {
      const run = createRun('a', { seed })
      for (const peer of many(16)) run.set(peer)
      run.until(10_000)
      return run.dials.map(({ peer }) => peer).join()
    }
    expect(new Set([1, 2, 3, 4].map(order)).size).toBe(4)
  })

  test('a poor health score slows the pace', () => {
    const run = createRun('a', { slowdown: 4 })
    for (const peer of many(40)) run.set(peer)
    run.until(60_000)
    expect(densest(run.dials, 4_000)).toBeLessThanOrEqual(5)
    expect(run.dials.length).toBe(40)
  })

  test('four in flight at most, one per member; a place is free again even if the end of a dial is never reported', () => {
    const links = createLinks({ self: 'a', random: seededRandom(1), fullMesh: 128 })
    const peers = many(10)
    for (const peer of peers) links.set(peer, { state: 'alive', addresses: [addressOf(peer)], recovered: false }, 0)
    const started: string[] = []
    const step = (now: number) => started.push(...links.due(now, 1).map(({ peer }) => peer))
    for (let now = 0; now < 10_000; now += 10) step(now)
    expect(started.length).toBe(4)
    expect(new Set(started).size).toBe(4)
    for (let now = 10_000; now < 14_000; now += 10) step(now)
    expect(started.length).toBe(8)
  })

  test('failed dials back off up to a minute and never end', () => {
    const run = createRun('a', { answers: () => false })
    run.set('b')
    run.until(3_600_000)
    const gaps = run.dials.slice(1).map(({ at }, index) => at - (run.dials[index]?.at ?? 0) - 5_000)
    expect(gaps[0]).toBeGreaterThanOrEqual(500)
    expect(gaps[0]).toBeLessThanOrEqual(1_000)
    for (const gap of gaps.slice(8)) expect(gap).toBeGreaterThanOrEqual(30_000)
    for (const gap of gaps) expect(gap).toBeLessThanOrEqual(60_000)
    expect(run.dials.at(-1)?.at).toBeGreaterThan(3_530_000)
  })

  test('new addresses of a member without link are tried without waiting for the backoff', () => {
    const run = createRun('a', { answers: () => false })
    run.set('b')
    run.until(600_000)
    run.set('b', 'alive', { addresses: ['/ip4/127.0.0.1/tcp/9'] })
    run.until(600_000 + 5_100)
    expect(run.since(600_000).length).toBeGreaterThanOrEqual(1)
    expect(run.since(600_000)[0]?.at).toBeLessThan(605_100)
  })
})

describe('lost links', () => {
  const linked = (self: string, peer: string) => {
    const run = createRun(self)
    run.set(peer)
    run.up(peer)
    run.until(60_000)
    expect(run.dials).toEqual([])
    run.down(peer)
    return run
  }

  test('the lower dials at once, the higher 1.5 s later', () => {
    const lower = linked('a', 'b')
    lower.until(70_000)
    expect(lower.dials).toEqual([{ at: 60_000, peer: 'b', timeout: 5_000 }])
    const higher = linked('b', 'a')
    higher.until(70_000)
    expect(higher.dials).toEqual([{ at: 61_500, peer: 'a', timeout: 5_000 }])
  })

  test('the higher does not dial when the link is back by then', () => {
    const run = linked('b', 'a')
    run.until(61_000)
    run.up('a')
    run.until(80_000)
    expect(run.dials).toEqual([])
  })

  test('a knock that found somebody cuts the wait short, for the higher and after failures', () => {
    const run = linked('b', 'a')
    run.until(60_010)
    run.links.redialNow('a', run.now)
    run.until(60_500)
    expect(run.dials).toEqual([{ at: 60_010, peer: 'a', timeout: 5_000 }])
    run.links.redialNow('a', run.now)
    run.until(61_000)
    expect(run.dials.length, 'there is a link').toBe(1)
  })

  test('all at once are redialled at no more than two a second', () => {
    const run = createRun('a')
    for (const peer of many(20)) run.set(peer)
    run.until(20_000)
    for (const peer of many(20)) run.down(peer)
    for (const peer of many(20)) run.links.redialNow(peer, run.now)
    run.until(60_000)
    expect(run.since(20_000).length).toBe(20)
    expect(densest(run.since(20_000), 1_000)).toBe(2)
    expect(run.links.linked().length).toBe(20)
  })

  test('a member that throws us out at once is not dialled without pause', () => {
    const run = createRun('a')
    run.set('b')
    for (let round = 0; round < 600; round++) {
      run.until(round * 100)
      if (run.links.isUp('b')) run.down('b')
    }
    expect(run.dials.length).toBeGreaterThan(4)
    expect(run.dials.length).toBeLessThan(9)
  })

  test('after a stall of the event loop all waits move', () => {
    const run = linked('b', 'a')
    const due = run.links.nextDue()
    run.links.postpone(700)
    expect(run.links.nextDue()).toBe(due + 700)
  })

  test('a peer that is no member is neither dialled nor remembered', () => {
    const run = createRun('a')
    run.up('stranger')
    expect(run.links.linked()).toEqual(['stranger'])
    run.down('stranger')
    run.until(100_000)
    expect(run.dials).toEqual([])
    expect(run.links.linked()).toEqual([])
    expect(run.links.nextDue()).toBe(Infinity)
  })
})

describe('recovered members', () => {
  test('are dialled at two a second, together with the dead', () => {
    const run = createRun('a')
    const [first, second] = [many(8, 'p'), many(8, 'q')]
    for (const peer of [...first, ...second]) run.set(peer)
    run.until(20_000)
    run.answering(() => false)
    for (const peer of [...first, ...second]) run.set(peer, 'dead')
    run.until(140_000)
    run.answering(() => true)
    for (const peer of first) run.set(peer, 'alive', { recovered: true })
    run.until(150_000)
    expect(run.links.linked()).toEqual(expect.arrayContaining(first))
    expect(densest(run.since(20_000), 1_000)).toBe(2)
  })

  test('one that was only suspected is tried again without waiting for the backoff', () => {
    const run = createRun('a', { answers: () => false })
    run.set('b', 'suspect')
    run.until(600_000)
    run.answering(() => true)
    run.set('b', 'alive', { recovered: true })
    run.until(605_500)
    expect(run.links.isUp('b')).toBe(true)
  })

  test('a suspect without link is still dialled', () => {
    const run = createRun('a', { answers: () => false })
    run.set('b', 'suspect')
    run.until(30_000)
    expect(run.dials.length).toBeGreaterThan(3)
  })
})

describe('the dead', () => {
  const pool = (alive: number, dead: number, options: Parameters<typeof createRun>[1] = {}) => {
    const run = createRun('a', { ...options, answers: (peer) => peer.startsWith('l') })
    const [living, gone] = [many(alive - 1, 'l'), many(dead, 'd')]
    for (const peer of living) {
      run.set(peer)
      run.up(peer)
    }
    for (const peer of gone) run.set(peer, 'dead')
    run.until(0)
    return { run, gone }
  }

  test('are closed at once, once, and only if there is a link', () => {
    const run = createRun('a', { answers: () => false })
    run.set('b')
    run.set('c')
    run.up('b')
    run.until(1_000)
    run.set('b', 'dead')
    run.set('c', 'dead')
    expect(run.links.nextDue()).toBeLessThanOrEqual(1_000)
    run.until(20_000)
    expect(run.closes).toEqual([{ at: 1_000, peer: 'b' }])
  })

  test.each([
    [8, 8, 1],
    [16, 1, 1],
    [1, 1, 3]
  ])('%i living dial each of %i dead about every 2 s together', (alive, dead) => {
    const { run, gone } = pool(alive, dead)
    run.until(580_000)
    for (const peer of gone) {
      const count = run.dials.filter((dial) => dial.peer === peer).length
      const wanted = 580_000 / (2_000 * alive)
      expect(count).toBeGreaterThan(wanted * 0.85)
      expect(count).toBeLessThan(wanted * 1.15 + 1)
    }
    expect(run.dials.every(({ timeout }) => timeout === 1_000)).toBe(true)
    expect(densest(run.dials, 1_000)).toBeLessThanOrEqual(2)
  })

  test('are never more than two dials a second, however many they are', () => {
    const { run, gone } = pool(1, 50)
    run.until(100_000)
    expect(densest(run.dials, 1_000)).toBe(2)
    expect(run.dials.length).toBeGreaterThan(170)
    expect(new Set(run.dials.map(({ peer }) => peer)).size).toBe(gone.length)
  })

  test('are dialled more slowly still by a node in poor health', () => {
    const { run } = pool(1, 50, { slowdown: 4 })
    run.until(100_000)
    expect(densest(run.dials, 4_000)).toBe(2)
  })

  test('members that learn of a death together do not dial it together', () => {
    const first = Array.from({ length: 16 }, (_, seed) => pool(16, 1, { seed }).run.links.nextDue())
    expect(Math.min(...first)).toBeLessThan(8_000)
    expect(Math.max(...first)).toBeGreaterThan(24_000)
  })

  test('take turns with the living, and never have all places', () => {
    const run = createRun('a', { answers: (peer) => peer.startsWith('r') })
    for (const peer of [...many(30, 'r'), ...many(90, 'd')]) run.set(peer, 'dead')
    for (const peer of many(30, 'r')) run.set(peer, 'alive', { recovered: true })
    run.until(15_000)
    const dead = run.dials.filter(({ timeout }) => timeout === 1_000).length
    expect(dead / run.dials.length).toBeGreaterThan(0.3)
    expect(dead / run.dials.length).toBeLessThan(0.6)

    const links = createLinks({ self: 'a', random: seededRandom(1), fullMesh: 128 })
    for (const peer of many(30, 'd')) links.set(peer, { state: 'dead', addresses: [addressOf(peer)], recovered: false }, 0)
    const started = []
    for (let now = 0; now < 5_000; now += 50) started.push(...links.due(now, 1))
    expect(started.length).toBe(2)
  })

  test('are dialled fifteen times less often after ten minutes, until they are forgotten', () => {
    const { run } = pool(4, 4)
    run.until(620_000)
    const before = run.dials.length
    run.until(620_000 + 1_800_000)
    const slower = run.dials.length - before
    expect(before).toBeGreaterThan(280)
    expect(slower).toBeGreaterThan(50)
    expect(slower).toBeLessThan(70)
    for (const peer of many(4, 'd')) run.links.forget(peer)
    run.until(10_000_000)
    expect(run.dials.length - before).toBe(slower)
    expect(run.links.nextDue()).toBe(Infinity)
  })

  test('the wait follows the number of living members at once', () => {
    const runs = [1, 2, 3, 4, 5, 6].map((seed) => pool(16, 1, { seed }).run)
    expect(Math.max(...runs.map((run) => run.links.nextDue())), 'once in 32 s').toBeGreaterThan(10_000)
    for (const run of runs) {
      for (const peer of many(15, 'l').slice(1)) run.set(peer, 'left')
      run.until(5_000)
      expect(run.dials.length, 'once in 4 s').toBeGreaterThanOrEqual(1)
    }
  })

  test('a link that comes up with one gives it time to speak, and it is not dialled while it is up', () => {
    const { run } = pool(2, 1)
    run.up('d0000')
    run.until(14_999)
    expect([run.dials, run.closes]).toEqual([[], []])
    run.until(15_000)
    expect(run.closes).toEqual([{ at: 15_000, peer: 'd0000' }])
  })

  test('one that has spoken meanwhile keeps its link, and so does one that was lost and dialled again', () => {
    const { run } = pool(2, 2)
    run.up('d0000')
    run.until(10_000)
    run.set('d0000', 'alive', { recovered: true })
    run.until(60_000)
    expect(run.closes.filter(({ peer }) => peer === 'd0000')).toEqual([])
  })

  test('a new member is not kept waiting by dials into a black hole', () => {
    const { run } = pool(2, 40)
    run.until(10_000)
    run.set('l9999')
    run.until(14_000)
    expect(run.links.isUp('l9999')).toBe(true)
  })
})

describe('members that left', () => {
  test('are closed half a second later and never dialled', () => {
    const run = createRun('a')
    run.set('b')
    run.up('b')
    run.until(1_000)
    run.set('b', 'left')
    run.until(1_000_000)
    expect(run.closes).toEqual([{ at: 1_500, peer: 'b' }])
    expect(run.dials).toEqual([])
  })

  test('that join again are dialled like any new member', () => {
    const run = createRun('a')
    const peers = many(20)
    for (const peer of peers) {
      run.set(peer)
      run.up(peer)
    }
    run.until(60_000)
    for (const peer of peers) run.down(peer)
    for (const peer of peers) run.set(peer, 'left')
    run.until(70_000)
    expect(run.dials).toEqual([])
    for (const peer of peers) run.set(peer)
    run.until(80_000)
    expect(densest(run.dials, 1_000)).toBeGreaterThanOrEqual(4)
    expect(run.links.linked().length).toBe(20)
  })

  test('keep their link when they are back before', () => {
    const run = createRun('a')
    run.set('b')
    run.up('b')
    run.set('b', 'left')
    run.until(300)
    run.set('b')
    run.until(100_000)
    expect(run.closes).toEqual([])
    expect(run.links.isUp('b')).toBe(true)
  })
})

describe('in a ring', () => {
  test('only neighbours are dialled, links that others opened stay, and a lost one of them is not redialled', () => {
    const run = createRun('a', { fullMesh: 16 })
    const peers = many(100)
    for (const peer of peers) run.set(peer)
    const neighbours = run.links.neighbours()
    const other = peers.find((peer) => !neighbours.has(peer)) as string
    run.up(other)
    run.until(60_000)
    expect(new Set(run.dials.map(({ peer }) => peer))).toEqual(new Set(neighbours))
    expect(run.closes).toEqual([])
    expect(run.links.linked().length).toBe(neighbours.size + 1)
    run.down(other)
    run.until(120_000)
    expect(run.dials.length).toBe(neighbours.size)
  })

  test('a neighbour that dies is replaced and its replacement is dialled', () => {
    const run = createRun('a', { fullMesh: 16 })
    for (const peer of many(100)) run.set(peer)
    run.until(60_000)
    const before = run.links.neighbours()
    const [victim] = before
    run.answering((peer) => peer !== victim)
    run.set(victim as string, 'dead')
    const fresh = [...run.links.neighbours()].filter((peer) => !before.has(peer))
    expect(fresh.length).toBeGreaterThanOrEqual(1)
    run.until(70_000)
    for (const peer of fresh) expect(run.links.isUp(peer)).toBe(true)
  })
})

describe('direct addresses', () => {
  const ADVERTISED = ['/ip4/192.0.2.7/tcp/4001', '/ip4/10.0.0.7/tcp/4001', '/dns4/seven.example/tcp/4001', '/ip6/2001:DB8::7/tcp/4001']
  const seen = (address: string, dialled = false, advertised = ADVERTISED): readonly string[] => {
    const links = createLinks({ self: 'a', random: seededRandom(1), fullMesh: 8 })
    links.set('b', { state: 'alive', addresses: advertised, recovered: false }, 0)
    links.up('b', { address, dialled }, 0)
    links.down('b', 1)
    return links.direct('b')
  }

  test.each([
    ['/ip4/10.0.0.7/tcp/51234', ['/ip4/10.0.0.7/tcp/4001']],
    ['/ip6/::ffff:10.0.0.7/tcp/51234', ['/ip4/10.0.0.7/tcp/4001']],
    ['/ip6/2001:db8:0:0::7/tcp/51234/p2p/xyz', ['/ip6/2001:DB8::7/tcp/4001']],
    ['/ip4/203.0.113.1/tcp/51234', []],
    ['/ip4/10.0.0.7/tcp/4001/p2p/relay/p2p-circuit', []],
    ['nonsense', []]
  ])('a link seen at %s', (address, expected) => {
    expect(seen(address)).toEqual(expected)
  })

  test('several on one host, loopback too', () => {
    const both = ['/ip4/127.0.0.1/tcp/4001', '/ip4/127.0.0.1/tcp/4002/ws']
    expect(seen('/ip4/127.0.0.1/tcp/1', false, both)).toEqual(both)
  })

  test('a name that was the only one dialled counts, whatever number the link shows', () => {
    const links: Links = createLinks({ self: 'a', random: seededRandom(1), fullMesh: 8 })
    links.set('b', { state: 'alive', addresses: ['/dns4/seven.example/tcp/4001'], recovered: false }, 0)
    expect(links.due(0, 1)).toEqual([{ type: 'dial', peer: 'b', addresses: ['/dns4/seven.example/tcp/4001'], timeout: 5_000 }])
    links.up('b', { address: '/ip4/203.0.113.1/tcp/4001', dialled: true }, 5)
    links.dialled('b', true, 5)
    expect(links.direct('b')).toEqual(['/dns4/seven.example/tcp/4001'])
  })

  test('only current addresses, remembered over links and deaths until forgotten', () => {
    const links = createLinks({ self: 'a', random: seededRandom(1), fullMesh: 8 })
    links.up('b', { address: '/ip4/10.0.0.7/tcp/5', dialled: false }, 0)
    links.set('b', { state: 'alive', addresses: ADVERTISED, recovered: false }, 0)
    links.set('b', { state: 'dead', addresses: ADVERTISED, recovered: false }, 1)
    links.down('b', 2)
    expect(links.direct('b')).toEqual(['/ip4/10.0.0.7/tcp/4001'])
    links.set('b', { state: 'alive', addresses: ['/ip4/10.0.0.7/tcp/9'], recovered: true }, 3)
    expect(links.direct('b')).toEqual(['/ip4/10.0.0.7/tcp/9'])
    links.forget('b')
    expect(links.direct('b')).toEqual([])
  })
})

describe('linked()', () => {
  test('is the same array until a link comes or goes', () => {
    const run = createRun('a')
    run.up('b')
    const before = run.links.linked()
    run.set('b')
    run.up('b')
    run.until(1_000)
    expect(run.links.linked()).toBe(before)
    run.up('c')
    expect(run.links.linked()).toEqual(['b', 'c'])
    run.links.forget('b')
    expect(run.links.linked(), 'a link outlives the membership').toEqual(['b', 'c'])
  })
})
