import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../../../src/base/logger.ts'
import { PROFILES } from '../../../../src/membership/profiles.ts'
import type { Member, MemberEvent } from '../../../../src/membership/types.ts'
import type { MemberChange } from '../../../../src/node/api.ts'
import { linkMembership } from '../../../../src/node/members/membership-links.ts'
import { localMember, membershipProfile, nextBoot } from '../../../../src/node/members/membership-setup.ts'
import { createMemberViews } from '../../../../src/node/views/member-views.ts'
import type { KnownPeer } from '../../../../src/store/known-peers.ts'
import type { NodeRecord } from '../../../../src/wire/catalog-types.ts'
import { MAX_ADDRESSES } from '../../../../src/wire/swim-statements.ts'
import { createManualClock } from '../../../support/manual-clock.ts'

const WALL = 1_700_000_000_000
const [ME, BETA, GAMMA] = ['12D3KooWMe', '12D3KooWBeta', '12D3KooWGamma']

function member(peer: string, more: Partial<Member> = {}): Member {
  return { peer, state: 'alive', incarnation: 7, boot: 7, name: `name of ${peer}`, version: '1', addresses: ['/ip4/192.0.2.1/tcp/4001'], tier: 'leaf', region: 'eu', since: 0, ...more }
}

describe('the boot number', () => {
  const meta = (initial?: string) => {
    const kept = new Map(initial === undefined ? [] : [['boot', initial]])
    return { kept, get: (key: string) => kept.get(key), set: (key: string, value: string) => void kept.set(key, value) }
  }
  test.each<[string, string | undefined, number, number]>([
    ['the first is the time', undefined, WALL + 0.7, WALL],
    ['later ones too', String(WALL), WALL + 5_000, WALL + 5_000],
    ['clear of what the last life refuted, when the clock was set back', String(WALL), WALL - 90_000, WALL + 1_000],
    ['clear of what the last life refuted, when it ended at once', String(WALL), WALL + 5, WALL + 1_000],
    ['what is no number is forgotten', 'x', WALL, WALL],
    ['what no clock leads to is forgotten', String(2 ** 50), WALL, WALL]
  ])('%s', (_, before, wall, expected) => {
    const store = meta(before)
    expect(nextBoot(store, wall)).toBe(expected)
    expect(store.kept.get('boot')).toBe(String(expected))
  })
})

test('a profile with the times that the configuration sets', () => {
  const none = { probeInterval: undefined, probeTimeout: undefined, suspicionTimeout: undefined }
  expect(membershipProfile({ profile: 'wan', ...none })).toEqual(PROFILES.wan)
  expect(membershipProfile({ profile: 'guide', ...none }).suspicionTimeout).toBe(30_000)
  expect(membershipProfile({ profile: 'lan', probeInterval: 2_000, probeTimeout: 900, suspicionTimeout: 4_000 })).toEqual({ ...PROFILES.lan, probeInterval: 2_000, probeTimeout: 900, suspicionTimeout: 4_000, suspicionMaxMult: 1 })
})

test('a member names as many addresses as others take, and none that they would refuse', () => {
  const good = Array.from({ length: MAX_ADDRESSES + 2 }, (_, n) => `/ip4/192.0.2.${n}/tcp/1`)
  const credential = { authority: new Uint8Array(), certificate: new Uint8Array(), credential: new Uint8Array() }
  expect(localMember({ name: 'n', version: '1', addresses: ['/dns4/bü/tcp/1', `/dns4/${'x'.repeat(300)}/tcp/1`, ...good], credential }).addresses).toEqual(good.slice(0, MAX_ADDRESSES))
})

describe('what follows from events', () => {
  function setup() {
    const clock = createManualClock()
    let tell: (event: MemberEvent) => void = () => {}
    let tellPool: (pool: string, event: MemberEvent) => void = () => {}
    let frame: (peer: string, message: Uint8Array) => void = () => {}
    const happened: string[] = []
    const writes: KnownPeer[][] = []
    const disk = { full: false }
    const links = linkMembership({
      clock, self: ME, logger: silentLogger,
      membership: {
        received: (peer) => happened.push(`received ${peer}`) > 0,
        onEvent: (listener) => ((tell = listener), () => {}),
        onPoolEvent: (listener) => ((tellPool = listener), () => {})
      },
      network: { onFrame: (listener) => (frame = listener) },
      catalog: { memberUp: (pool, peer) => void happened.push(`${pool} up ${peer}`), memberDown: (pool, peer) => void happened.push(`${pool} down ${peer}`) },
      store: {
        peers: {
          save(...peers) {
            if (disk.full) throw new Error('database or disk is full')
            if (peers.length > 0) writes.push(peers)
          },
          list: () => [],
          remove() {}
        }
      }
    })
    const both = (type: MemberEvent['type'], of: Member) => {
      tellPool('root', { type, member: of })
      tell({ type, member: of })
    }
    return { disk, clock, links, happened, writes, tell: both, tellPool: (pool: string, type: MemberEvent['type'], of: Member) => tellPool(pool, { type, member: of }), frame: (peer: string) => frame(peer, new Uint8Array()) }
  }

  test('the catalog follows members; suspects stay, and this node is not its own member', () => {
    const s = setup()
    s.frame(BETA)
    s.tell('joined', member(BETA))
    s.tell('suspected', member(BETA, { state: 'suspect' }))
    s.tell('failed', member(BETA, { state: 'dead' }))
    s.tell('recovered', member(BETA))
    s.tell('left', member(BETA, { state: 'left' }))
    s.tell('updated', member(ME))
    expect(s.happened).toEqual([`received ${BETA}`, `root up ${BETA}`, `root down ${BETA}`, `root up ${BETA}`, `root down ${BETA}`])
  })

  test('the catalog of each pool follows that pool, whatever the others say', () => {
    const s = setup()
    s.tellPool('other', 'joined', member(GAMMA))
    s.tell('joined', member(GAMMA))
    s.tellPool('root', 'left', member(GAMMA, { state: 'left' }))
    expect(s.happened).toEqual([`other up ${GAMMA}`, `root up ${GAMMA}`, `root down ${GAMMA}`])
    expect(s.writes.flat().map(({ peer }) => peer)).toEqual([GAMMA])
  })

  test('known peers are written, the first at once and the rest together, with what can be dialled', () => {
    const s = setup()
    s.tell('joined', member(BETA))
    s.tell('joined', member(GAMMA, { addresses: ['/ip4/192.0.2.3/tcp/1', 'nonsense', `/ip4/192.0.2.4/tcp/1/p2p/${BETA}`] }))
    s.tell('updated', member(BETA, { addresses: ['/ip4/192.0.2.9/tcp/1'] }))
    s.tell('joined', member('12D3KooWNowhere', { addresses: [] }))
    const written = () => s.writes.map((peers) => peers.map(({ peer, addresses }) => [peer, ...addresses].join(' ')))
    expect(written()).toEqual([[`${BETA} /ip4/192.0.2.1/tcp/4001`]])
    s.clock.advance(1_000)
    expect(written()[1]).toEqual([`${GAMMA} /ip4/192.0.2.3/tcp/1`, `${BETA} /ip4/192.0.2.9/tcp/1`])
    s.tell('recovered', member(GAMMA))
    s.links.stop()
    expect(s.writes[2]).toMatchObject([{ peer: GAMMA, name: `name of ${GAMMA}`, lastSeen: WALL + 1_000 }])
    expect(s.clock.pending).toBe(0)
  })

  test('a full disk neither keeps the catalog from hearing of members nor throws out of a timer, and is tried again', () => {
    const s = setup()
    s.disk.full = true
    s.tell('joined', member(BETA))
    s.clock.advance(3_000)
    expect(s.happened).toEqual([`root up ${BETA}`])
    s.disk.full = false
    s.clock.advance(1_000)
    expect(s.writes.map((peers) => peers.map(({ peer }) => peer))).toEqual([[BETA]])
    s.disk.full = true
    s.tell('joined', member(GAMMA))
    s.links.stop()
  })
})

test('members as the edges see them: in unix time, by name, with the way there', () => {
  const clock = createManualClock(5_000)
  let tell: (event: MemberEvent) => void = () => {}
  const views = createMemberViews({
    clock,
    host: { self: ME, peers: () => [BETA] },
    rtt: (peer) => (peer === BETA ? 1.5 : undefined),
    record: (peer) => (peer === BETA ? ({ tier: 'local', region: 'us' } as NodeRecord) : undefined),
    membership: {
      members: () => [member(ME, { name: 'zoe', since: 5_000 }), member(BETA, { name: 'beta', state: 'suspect', since: 4_000 }), member(GAMMA, { name: 'adam', state: 'dead', since: 0 })],
      pools: () => ['root', 'other'],
      // Beta is a suspect in one pool and dead in the other.
      member: (peer, pool) => (peer === BETA ? member(peer, { state: pool === 'root' ? 'suspect' : 'dead' }) : pool === 'other' ? undefined : member(peer, { state: peer === ME ? 'alive' : 'dead' })),
      stats: () => ({ health: 0, queued: 0, queuedBytes: 0, suspicions: 1, members: { alive: 1, suspect: 1, dead: 1, left: 4 }, links: 1, probes: 0, coordinateError: 0 }),
      onEvent: (listener) => ((tell = listener), () => {})
    }
  })
  expect(views.all()).toMatchObject([
    { name: 'adam', state: 'dead', self: false, since: WALL - 5_000, linked: false },
    { name: 'beta', state: 'suspect', since: WALL - 1_000, linked: true, tier: 'local', region: 'us', rtt: 1.5, pools: ['root'] },
    { name: 'zoe', self: true, pools: ['root'], since: WALL, linked: false, tier: 'leaf', region: 'eu', incarnation: 7 }
  ])
  expect(views.all()[0]).not.toHaveProperty('rtt')
  expect(views.counts()).toEqual({ total: 2, healthy: 1 })
  const changes: MemberChange[] = []
  views.onChange((change) => changes.push(change))
  clock.advance(100)
  tell({ type: 'failed', member: member(BETA, { state: 'dead', since: 5_100 }), was: 'suspect', by: ME, evidence: 'refused' })
  expect(changes).toMatchObject([{ type: 'failed', time: WALL + 100, was: 'suspect', by: ME, evidence: 'refused', member: { peer: BETA, state: 'dead', since: WALL + 100 } }])
})
