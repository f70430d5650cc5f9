import { describe, expect, test } from 'vitest'
import type { Guard } from '../../../../src/base/guard.ts'
import { createMeter } from '../../../../src/base/meter.ts'
import { seededRandom } from '../../../../src/base/random.ts'
import type { Member, MemberEvent } from '../../../../src/membership/types.ts'
import { createProviderGuards } from '../../../../src/node/calls/provider-guards.ts'
import { createRouting, type RoutingDeps } from '../../../../src/node/calls/routing.ts'
import type { NodeRecord } from '../../../../src/wire/catalog-types.ts'
import { createManualClock } from '../../../support/manual-clock.ts'

const BERLIN = { latitude: 52.52, longitude: 13.405 }
const HAMBURG = { latitude: 53.551, longitude: 9.994 }

function record(peer: string, more: Partial<NodeRecord> = {}): NodeRecord {
  const servers = [{ name: 's', claimed: 1, stateless: true, capacity: 8, tools: [] }]
  return { federation: 'f', pool: 'root', peer, sequence: 1, expires: 2, name: peer, region: '', tier: 'leaf', addresses: [], draining: false, servers, ...more }
}

interface Fake extends Guard {
  now: { state: Guard['state']; refusing: boolean }
}
function fakeGuard(): Fake {
  const now: Fake['now'] = { state: 'closed', refusing: false }
  return {
    now,
    get state() {
      return now.state
    },
    get refusing() {
      return now.refusing
    },
    running: 0, waiting: 0,
    run: (start) => start(),
    tryNow() {}
  }
}

function world(more: Partial<RoutingDeps> = {}) {
  const clock = createManualClock(100_000)
  const meter = createMeter()
  const guards = new Map<string, Fake>()
  let tell: (event: MemberEvent) => void = () => {}
  const routing = createRouting({
    self: 'me', clock, meter, random: seededRandom(1),
    guards: {
      guard(component) {
        const known = guards.get(component) ?? fakeGuard()
        guards.set(component, known)
        return known
      }
    },
    membership: {
      member: (peer) => (peer === 'doubtful' ? ({ state: 'suspect' } as Member) : undefined),
      predicted: (peer) => (peer === 'guessed' ? 33 : undefined),
      onEvent(listener) {
        tell = listener
        return () => {}
      }
    },
    catalog: { record: (peer) => (peer === 'stranger' ? undefined : record(peer, peer === 'me' ? {} : { coordinates: HAMBURG })) },
    local: { load: () => ({ running: 3, waiting: 1 }), spec: () => undefined },
    place: BERLIN,
    reach: { path: (peer) => (peer.startsWith('linked') ? { kind: 'direct', via: [], rtt: 7 } : peer === 'over others' ? { kind: 'relayed', via: ['linked'], rtt: 40 } : undefined) },
    rpc: { session: () => ({ load: 5 }) },
    ...more
  })
  const facts = (...peers: string[]) => routing.explain('s', peers).candidates
  return { clock, meter, guards, routing, facts, tell: (event: Partial<MemberEvent> & { type: MemberEvent['type'] }, peer: string, boot = 1) => tell({ ...event, member: { peer, boot } as Member }) }
}

describe('the facts of a choice', () => {
  test.each<[string, object]>([
    ['me', { local: true, path: 0, pathFrom: 'local', ahead: 4, capacity: 256 }],
    ['linked', { local: false, path: 7, pathFrom: 'measured', ahead: 5, capacity: 8 }],
    ['over others', { relayed: true, path: 42, pathFrom: 'measured', ahead: 0 }],
    ['guessed', { path: 33, pathFrom: 'predicted' }],
    ['somewhere', { path: expect.closeTo(3.55, 1) as number, pathFrom: 'distance' }],
    ['stranger', { path: 10, pathFrom: 'default', capacity: 256 }],
    ['doubtful', { standing: 'suspect' }]
  ])('of %s', (peer, expected) => expect(world().facts(peer)).toMatchObject([expected]))

  test('without a place of its own no distance is known', () => {
    expect(world({ place: undefined }).facts('somewhere')).toMatchObject([{ pathFrom: 'default' }])
  })
})

describe('breakers', () => {
  test('are asked about after failures only, and forgotten when they close', () => {
    const w = world()
    const choice = w.routing.choose('s', ['linked']) as { peer: string; why: 'only'; expected: number }
    const guard = () => w.guards.get('provider:s@linked') as Fake
    w.routing.run('s', choice, () => ({ outcome: Promise.resolve(1), cancel() {} }))
    guard().now.state = 'open'
    expect(w.facts('linked')).toMatchObject([{ standing: 'good' }])
    w.routing.ended('s', choice, 'failed', 5, undefined, undefined)
    expect(w.facts('linked')).toMatchObject([{ standing: 'open' }])
    guard().now.state = 'half-open'
    expect(w.facts('linked')).toMatchObject([{ standing: 'half-open' }])
    guard().now.refusing = true
    expect(w.facts('linked')).toMatchObject([{ standing: 'open' }])
    guard().now.state = 'closed'
    expect(w.facts('linked')).toMatchObject([{ standing: 'good' }])
    guard().now.state = 'open'
    expect(w.facts('linked')).toMatchObject([{ standing: 'good' }])
  })

  test('of many providers the newest are remembered', () => {
    const guards = createProviderGuards({ guard: () => ({ ...fakeGuard(), state: 'open' as const }) })
    for (let n = 0; n < 1_100; n++) guards.failed(`s${n % 10}`, `p${n}`)
    expect([guards.breaker('s9', 'p1099'), guards.breaker('s0', 'p0')]).toEqual(['open', 'closed'])
  })

  test('of a node that fell and came back the old breaker says nothing', () => {
    const made = new Map<string, ReturnType<typeof fakeGuard>>()
    const guard = (component: string) => {
      const known = made.get(component) ?? { ...fakeGuard(), state: 'half-open' as const }
      made.set(component, known)
      return known
    }
    const guards = createProviderGuards({ guard })
    guards.failed('s', 'p')
    expect(guards.breaker('s', 'p')).toBe('half-open')
    // What dropPeer leads to: asked for anew, it is another.
    made.set('provider:s@p', fakeGuard())
    expect(guards.breaker('s', 'p')).toBe('closed')
  })

  test('there is none around this node itself', () => {
    const w = world()
    const choice = w.routing.choose('s', ['me']) as { peer: string; why: 'only'; expected: number }
    w.routing.run('s', choice, () => ({ outcome: Promise.resolve(1), cancel() {} }))
    w.routing.ended('s', choice, 'failed', 5, undefined, undefined)
    expect(w.guards.size).toBe(0)
  })
})

describe('members', () => {
  test('that come warm up, those that only were suspected do not, those that fall again and again are avoided', () => {
    const w = world()
    w.tell({ type: 'joined' }, 'linked')
    expect(w.facts('linked', 'linked too')).toMatchObject([{ standing: 'warming' }, { standing: 'good' }])
    w.tell({ type: 'recovered', was: 'suspect' }, 'linked too')
    expect(w.facts('linked', 'linked too')).toMatchObject([{ standing: 'warming' }, { standing: 'good' }])
    for (let n = 0; n < 3; n++) {
      w.tell({ type: 'failed' }, 'linked too')
      w.tell({ type: 'recovered', was: 'dead' }, 'linked too')
    }
    expect(w.facts('linked too')).toMatchObject([{ standing: 'damped' }])
    w.tell({ type: 'left' }, 'linked too')
    expect(w.facts('linked too')).toMatchObject([{ standing: 'good' }])
  })

  test('that fall and start again before anybody misses them are avoided as well', () => {
    const w = world()
    w.tell({ type: 'joined' }, 'linked', 1)
    for (let n = 0; n < 5; n++) w.tell({ type: 'updated' }, 'linked', 1)
    w.clock.advance(10_000)
    expect(w.facts('linked')).toMatchObject([{ standing: 'good' }])
    w.tell({ type: 'updated' }, 'linked', 2)
    expect(w.facts('linked')).toMatchObject([{ standing: 'warming' }])
    w.tell({ type: 'recovered', was: 'suspect' }, 'linked', 3)
    // A death that was noticed counts once.
    w.tell({ type: 'failed' }, 'linked', 3)
    w.tell({ type: 'recovered', was: 'dead' }, 'linked', 4)
    expect(w.facts('linked')).toMatchObject([{ standing: 'damped' }])
  })

  test('that drain are not judged by how long their last calls take', () => {
    const slow = (draining: boolean) => {
      const w = world({ catalog: { record: (peer) => ({ ...record(peer, {}), draining }) } })
      for (let n = 0; n < 40; n++) {
        const choice = { peer: n < 20 ? 'linked too' : 'linked', why: 'best' as const, expected: 50 }
        w.routing.run('s', choice, () => ({ outcome: Promise.resolve(1), cancel() {} }))
        w.routing.ended('s', choice, 'answered', n < 20 ? 50 : 2_000, { running: 0, waiting: 0 }, undefined)
      }
      const [linked, too] = w.facts('linked', 'linked too')
      return (linked?.expected ?? 0) > 2 * (too?.expected ?? Infinity)
    }
    expect([slow(false), slow(true)]).toEqual([true, false])
  })
})

test('choices and how far they were from the truth are counted', () => {
  const w = world()
  const choice = w.routing.choose('s', ['linked', 'over others']) as { peer: string; why: 'best'; expected: number }
  w.routing.run('s', choice, () => ({ outcome: Promise.resolve(1), cancel() {} }))
  w.routing.ended('s', choice, 'answered', choice.expected + 200, undefined, undefined)
  const metric = (name: string) => w.meter.snapshot().find((one) => one.name === name)
  expect(metric('skein_route_choices_total')?.samples.filter(({ value }) => value > 0)).toMatchObject([{ labels: ['best'], value: 1 }])
  expect(metric('skein_route_estimate_error_seconds')?.samples[0]?.histogram?.sum).toBeCloseTo(0.2)
  expect(metric('skein_route_lanes')?.samples[0]?.value).toBe(1)
})
