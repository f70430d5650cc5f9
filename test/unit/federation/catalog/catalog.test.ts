import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../../../src/base/random.ts'
import { createCatalog, RECORD_TTL, RENEW_AFTER } from '../../../../src/federation/catalog/catalog.ts'
import type { CatalogEffect, CatalogEvent } from '../../../../src/federation/catalog/events.ts'
import { SYNC_SOON } from '../../../../src/federation/catalog/exchanges.ts'
import { createWaitingRoom, MAX_WAIT, MAX_WAITING, MAX_WAITING_BYTES } from '../../../../src/federation/catalog/waiting-room.ts'
import { CLOCK_SKEW, createRecords, MAX_LIFE, MAX_RECORDS } from '../../../../src/federation/catalog/records.ts'
import { decodeGossip, encodeGossip } from '../../../../src/wire/catalog.ts'
import { decodeRecord, encodeRecord, openRecord, sealRecord } from '../../../../src/wire/catalog-record.ts'
import type { NodeRecord } from '../../../../src/wire/catalog-types.ts'
import { DESCRIPTOR, nodeRecord, server, signer, SIGNERS, WALL } from '../../../support/catalog-fixtures.ts'

const SCOPE = { federation: 'fed', pool: 'root' }
const me = signer(0)
const other = signer(1)
const third = signer(2)

/** By default everybody is a member, and what follows from that is over. */
function setup(members = SIGNERS.map(({ peer }) => peer)) {
  let mono = 1_000
  const catalog = createCatalog({ ...SCOPE, self: me.peer, random: seededRandom(1), seal: (record) => sealRecord(record, me), open: openRecord })
  for (const peer of members) catalog.step({ type: 'member-up', peer }, { mono: 0, wall: WALL })
  catalog.step({ type: 'tick' }, { mono, wall: WALL + mono })
  return {
    catalog,
    pass: (ms: number) => void (mono += ms),
    step: (event: CatalogEvent) => catalog.step(event, { mono, wall: WALL + mono }),
    gossip(record: NodeRecord, by = other) {
      return this.step({ type: 'gossip', bytes: encodeGossip({ ...SCOPE, record: sealRecord(record, by) }), from: by.peer })
    }
  }
}
const results = (effects: CatalogEffect[]) => effects.flatMap((effect) => (effect.type === 'counted' ? [effect.result] : []))
const types = (effects: CatalogEffect[]) => effects.map(({ type }) => type)
function published(effects: CatalogEffect[]): NodeRecord {
  const effect = effects.find(({ type }) => type === 'publish') as { bytes: Uint8Array }
  return openRecord((decodeGossip(effect.bytes) as { record: Uint8Array }).record)
}
const local = (...names: string[]): CatalogEvent => ({ type: 'local', servers: names.map((name) => server(name, ['t'])), descriptor: DESCRIPTOR })

describe('the own record', () => {
  test('is published when it changes, and only then', () => {
    const { step } = setup()
    const record = published(step(local('a')))
    expect(record).toMatchObject({ peer: me.peer, sequence: WALL + 1_000, expires: WALL + 1_000 + RECORD_TTL, servers: [{ name: 'a' }] })
    expect(step(local('a'))).toEqual([])
    expect(published(step(local('b'))).sequence).toBe(record.sequence + 1)
  })

  test('is renewed at half its life', () => {
    const { step, pass } = setup()
    const first = published(step(local('a')))
    pass(RENEW_AFTER - 1)
    expect(types(step({ type: 'tick' }))).not.toContain('publish')
    pass(1)
    expect(published(step({ type: 'tick' })).expires).toBe(first.expires + RENEW_AFTER)
  })

  test('rises above one from before the node lost its memory, whoever sends it', () => {
    const s = setup()
    s.step(local('a'))
    const old = sealRecord(nodeRecord(me.peer, { sequence: WALL + 90_000_000, servers: [server('old', ['t'])] }), me)
    const effects = s.step({ type: 'push', push: { ...SCOPE, records: [old] }, from: other.peer })
    expect(published(effects)).toMatchObject({ sequence: WALL + 90_000_001, servers: [{ name: 'a' }] })
    expect(s.catalog.records()).toHaveLength(1)
  })

  test('too large for gossip is announced', () => {
    const { step } = setup()
    const tools = Array.from({ length: 1_500 }, (_, index) => `tool-with-a-long-name-${index}`)
    const [effect] = step({ type: 'local', servers: [server('big', tools)], descriptor: DESCRIPTOR })
    expect(decodeGossip((effect as { bytes: Uint8Array }).bytes)).toEqual({ ...SCOPE, peer: me.peer, sequence: WALL + 1_000 })
  })
})

describe('records of others', () => {
  test('new ones change the catalog and bring addresses; renewals do not', () => {
    const s = setup()
    expect(types(s.gossip(nodeRecord(other.peer)))).toEqual(['counted', 'changed'])
    expect(types(s.gossip(nodeRecord(other.peer, { sequence: WALL + 1, expires: WALL + 700_000 })))).toEqual(['counted'])
    expect(types(s.gossip(nodeRecord(other.peer, { sequence: WALL + 2, addresses: ['/ip4/192.0.2.2/tcp/1'] })))).toEqual(['counted', 'changed'])
  })

  test.each<[string, Partial<NodeRecord>, string]>([
    ['a lower sequence', { sequence: WALL - 1 }, 'old'],
    ['the same record', {}, 'same'],
    ['the same sequence with other content', { name: 'x' }, 'conflict'],
    ['an expired one', { sequence: WALL + 1, expires: WALL - CLOCK_SKEW }, 'expired'],
    ['one that asks to be kept for long', { sequence: WALL + 1, expires: WALL + 2 * MAX_LIFE }, 'expired'],
    ['one of another federation', { sequence: WALL + 1, federation: 'x' }, 'foreign'],
    ['one of another pool', { sequence: WALL + 1, pool: 'x' }, 'foreign']
  ])('%s is counted and changes nothing', (_, more, result) => {
    const s = setup()
    s.gossip(nodeRecord(other.peer))
    const effects = s.gossip(nodeRecord(other.peer, more))
    expect(results(effects)).toEqual([result])
    expect(types(effects)).toEqual(['counted'])
    expect(s.catalog.records()).toEqual([nodeRecord(other.peer)])
  })

  test('signed by somebody else, or garbage, are bad and never fatal', () => {
    const s = setup()
    expect(results(s.gossip(nodeRecord(other.peer), third))).toEqual(['bad'])
    expect(results(s.step({ type: 'gossip', bytes: Uint8Array.of(1, 2, 3), from: other.peer }))).toEqual(['bad'])
    const sealed = sealRecord(nodeRecord(other.peer), other)
    ;(sealed[40] as number)++
    expect(results(s.step({ type: 'push', push: { ...SCOPE, records: [sealed] }, from: third.peer }))).toEqual(['bad'])
    expect(s.catalog.records()).toEqual([])
  })

  test('are forgotten after they expired', () => {
    const s = setup()
    s.gossip(nodeRecord(other.peer))
    s.pass(600_000 + CLOCK_SKEW - 1_001)
    expect(types(s.step({ type: 'tick' }))).not.toContain('changed')
    s.pass(1)
    expect(types(s.step({ type: 'tick' }))).toContain('changed')
    expect(s.catalog.records()).toEqual([])
  })

  test('are bounded: what expires first goes, living nodes and ourselves last', () => {
    const records = createRecords({ ...SCOPE, self: 'me' })
    records.putOwn(nodeRecord('me', { expires: 1 }), new Uint8Array(1))
    const live = new Set(['p0'])
    for (let n = 0; n < MAX_RECORDS; n++) records.put(nodeRecord(`p${n}`, { expires: WALL + n }), new Uint8Array(1), live, WALL)
    expect(records.size).toBe(MAX_RECORDS)
    expect(['me', 'p0', 'p1', 'p2'].map((peer) => records.get(peer) !== undefined)).toEqual([true, true, false, true])
  })
})

describe('exchanges', () => {
  const up = { type: 'session-up', peer: other.peer } as const

  test('a digest goes out on connect, one at a time, and again after a failure', () => {
    const s = setup()
    s.step(local('a'))
    expect(s.step(up)).toEqual([{ type: 'changed' }, { type: 'digest', peer: other.peer, request: { ...SCOPE, entries: [{ peer: me.peer, sequence: WALL + 1_000 }] } }])
    expect(s.step(up)).toEqual([])
    s.step({ type: 'digest-failed', peer: other.peer })
    s.pass(999)
    expect(types(s.step({ type: 'tick' }))).toEqual([])
    s.pass(1)
    expect(types(s.step({ type: 'tick' }))).toEqual(['digest'])
  })

  test('an announcement asks its writer, or who passed it on', () => {
    const announce = encodeGossip({ ...SCOPE, peer: third.peer, sequence: 5 })
    const s = setup()
    expect(s.step({ type: 'gossip', bytes: announce, from: other.peer })).toEqual([])
    s.step(up)
    s.step({ type: 'answer', answer: { records: [], wanted: [], more: false }, from: other.peer })
    expect(s.step({ type: 'gossip', bytes: announce, from: other.peer })).toMatchObject([{ type: 'digest', peer: other.peer }])
  })

  test('an answer brings records, pushes what is wanted, and goes on while there is more', () => {
    const s = setup()
    s.step(local('a'))
    s.step(up)
    const records = [sealRecord(nodeRecord(third.peer), third)]
    const effects = s.step({ type: 'answer', answer: { records, wanted: [me.peer, third.peer, 'unknown'], more: true }, from: other.peer })
    expect(types(effects)).toEqual(['counted', 'changed', 'push', 'digest'])
    expect((effects[2] as { push: { records: unknown[] } }).push.records).toHaveLength(2)
    // Nothing new the second time: it stops.
    expect(types(s.step({ type: 'answer', answer: { records, wanted: [], more: true }, from: other.peer }))).toEqual(['counted'])
  })

  test('a digest is answered with what is newer and what is wanted, within one body', () => {
    const s = setup()
    s.step(local('a'))
    s.gossip(nodeRecord(other.peer))
    const entries = [{ peer: other.peer, sequence: WALL + 1 }, { peer: third.peer, sequence: 1 }]
    const answer = s.catalog.digest({ ...SCOPE, entries })
    expect(answer.records.map((bytes) => openRecord(bytes).peer)).toEqual([me.peer])
    expect(answer).toMatchObject({ wanted: [other.peer, third.peer], more: false })
    expect(s.catalog.digest({ federation: 'x', pool: 'root', entries })).toEqual({ records: [], wanted: [], more: false })
  })

  test('many large records come in several answers', () => {
    const s = setup()
    const tools = Array.from({ length: 2_000 }, (_, index) => `${'x'.repeat(60)}${index}`)
    for (const one of [1, 2, 3, 4, 5, 6, 7]) s.step({ type: 'push', push: { ...SCOPE, records: [sealRecord(nodeRecord(signer(one).peer, { servers: [server('big', tools)] }), signer(one))] }, from: other.peer })
    const answer = s.catalog.digest({ ...SCOPE, entries: [] })
    expect(answer.more).toBe(true)
    expect(answer.records.length).toBeGreaterThan(2)
    expect(answer.records.length).toBeLessThan(7)
  })

  test('a lost session ends its exchange and changes the offers', () => {
    const s = setup()
    s.step(up)
    expect(types(s.step({ type: 'session-down', peer: other.peer }))).toEqual(['changed'])
    expect(s.step({ type: 'digest-failed', peer: other.peer })).toEqual([])
    expect(s.catalog.live().size).toBe(0)
  })
})

describe('members', () => {
  const up = { type: 'member-up', peer: other.peer } as const
  const session = { type: 'session-up', peer: other.peer } as const
  const names = (s: ReturnType<typeof setup>) => s.catalog.records().map(({ peer }) => peer)

  test('the record of a stranger is not taken, whoever passes it on, and nobody is asked for it', () => {
    const s = setup([other.peer])
    const record = sealRecord(nodeRecord(third.peer), third)
    expect(results(s.gossip(nodeRecord(third.peer), third))).toEqual(['waiting'])
    expect(results(s.step({ type: 'push', push: { ...SCOPE, records: [record] }, from: other.peer }))).toEqual(['waiting'])
    s.step(session)
    expect(results(s.step({ type: 'answer', answer: { records: [record], wanted: [], more: false }, from: other.peer }))).toEqual(['waiting'])
    expect(s.step({ type: 'gossip', bytes: encodeGossip({ ...SCOPE, peer: third.peer, sequence: WALL + 9 }), from: other.peer })).toEqual([])
    expect(s.catalog.digest({ ...SCOPE, entries: [{ peer: third.peer, sequence: WALL }] }).wanted).toEqual([])
    expect(names(s)).toEqual([])
  })

  test('a record that came first waits for the news that its writer is a member, the newest of two', () => {
    const s = setup([])
    s.gossip(nodeRecord(other.peer, { sequence: WALL + 2, name: 'newer' }))
    s.gossip(nodeRecord(other.peer, { sequence: WALL + 1, name: 'older' }))
    const effects = s.step(up)
    expect(effects).toEqual([{ type: 'counted', source: 'waiting', result: 'new', from: other.peer }, { type: 'changed' }])
    expect(s.catalog.record(other.peer)?.name).toBe('newer')
  })

  test('what waited too long is forgotten', () => {
    const s = setup([])
    s.gossip(nodeRecord(other.peer))
    s.pass(MAX_WAIT)
    s.step({ type: 'tick' })
    s.step(up)
    expect(names(s)).toEqual([])
  })

  test('a new member whose record is not here makes us compare within a second', () => {
    const s = setup([third.peer])
    s.step({ type: 'session-up', peer: third.peer })
    s.step({ type: 'answer', answer: { records: [], wanted: [], more: false }, from: third.peer })
    s.step(up)
    s.pass(SYNC_SOON - 1)
    expect(types(s.step({ type: 'tick' }))).toEqual([])
    s.pass(1)
    expect(s.step({ type: 'tick' })).toMatchObject([{ type: 'digest', peer: third.peer }])
  })

  test.each(['member first', 'session first'])('is live with a session and membership, %s', (order) => {
    const s = setup([])
    const steps = order === 'member first' ? [up, session] : [session, up]
    expect(types(s.step(steps[0] as CatalogEvent))).not.toContain('changed')
    expect(types(s.step(steps[1] as CatalogEvent))).toContain('changed')
    expect([...s.catalog.live()]).toEqual([other.peer])
    expect(types(s.step({ type: 'member-down', peer: other.peer }))).toEqual(['changed'])
    expect(s.catalog.live().size).toBe(0)
    expect(types(s.step(up))).toContain('changed')
  })

  test('one that died keeps its claims: its record stays until it expires, but nothing newer of it is taken', () => {
    const s = setup([other.peer])
    s.gossip(nodeRecord(other.peer))
    s.step({ type: 'member-down', peer: other.peer })
    expect(results(s.gossip(nodeRecord(other.peer, { sequence: WALL + 1, name: 'ghost' })))).toEqual(['waiting'])
    expect(s.catalog.record(other.peer)?.name).toBe('node')
  })
})

test('the waiting room is bounded in records and bytes: the first goes first', () => {
  const room = createWaitingRoom()
  for (let n = 0; n < MAX_WAITING + 2; n++) room.put(`p${n}`, 1, Uint8Array.of(n), n)
  expect(room.size).toBe(MAX_WAITING)
  expect([room.take('p1'), room.take('p2')]).toEqual([undefined, Uint8Array.of(2)])
  room.put('large', 1, new Uint8Array(MAX_WAITING_BYTES), 0)
  expect(room.size).toBe(1)
  room.put('larger', 1, new Uint8Array(MAX_WAITING_BYTES + 1), 0)
  expect(room.size).toBe(0)
})

test('a record survives the wire', () => {
  const record = nodeRecord(other.peer, { coordinates: { latitude: -33.856784, longitude: 151.215297 }, region: 'eu', draining: true, servers: [server('a', ['x', 'y'], { stateless: true })] })
  expect(decodeRecord(encodeRecord(record))).toEqual(record)
})

test('a name of a server that looks like the key of a server with an owner is refused', () => {
  const record = nodeRecord(other.peer, { servers: [server(`a@${me.peer}`, ['x'], { stateless: true })] })
  expect(() => decodeRecord(encodeRecord(record))).toThrow(/record\.servers\[0\]\.name must not contain @/)
})

test.each([1_000, 30_000, 600_000])('compares with a random peer every %i ms, a quarter more or less', (syncEvery) => {
  const catalog = createCatalog({ ...SCOPE, self: me.peer, random: seededRandom(1), seal: (record) => sealRecord(record, me), open: openRecord, syncEvery })
  const at = (mono: number, event: CatalogEvent) => types(catalog.step(event, { mono, wall: WALL + mono }))
  const answer: CatalogEvent = { type: 'answer', answer: { records: [], wanted: [], more: false }, from: other.peer }
  at(0, { type: 'member-up', peer: other.peer })
  expect(at(0, { type: 'session-up', peer: other.peer })).toContain('digest')
  at(0, answer)
  at(0, { type: 'tick' })
  const times: number[] = []
  for (let mono = 0; mono <= 10 * syncEvery; mono += syncEvery / 20) {
    if (!at(mono, { type: 'tick' }).includes('digest')) continue
    times.push(mono)
    at(mono, answer)
  }
  expect(times.length).toBeGreaterThanOrEqual(8)
  expect(times.length).toBeLessThanOrEqual(13)
})
