import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../../../src/base/logger.ts'
import { createMeter } from '../../../../src/base/meter.ts'
import { seededRandom } from '../../../../src/base/random.ts'
import { HUB_REST, RECORD_TTL } from '../../../../src/federation/catalog/catalog.ts'
import { createCatalogDriver } from '../../../../src/federation/catalog/driver.ts'
import { MAX_FORMER, createFormerClaims } from '../../../../src/federation/catalog/former-claims.ts'
import { openRecord, sealRecord } from '../../../../src/wire/catalog-record.ts'
import type { HubFacts, NodeRecord } from '../../../../src/wire/catalog-types.ts'
import { decodeDigestAnswer, decodeDigestRequest, decodeGossip, encodeDigestAnswer, encodeDigestRequest, encodeGossip, encodePush } from '../../../../src/wire/catalog.ts'
import { encodeCbor } from '../../../../src/wire/cbor.ts'
import type { DistantServer } from '../../../../src/wire/summary-types.ts'
import { DESCRIPTOR, localServer, nodeRecord, server, signer, WALL } from '../../../support/catalog-fixtures.ts'
import { createManualClock } from '../../../support/manual-clock.ts'

const me = signer(0)
const other = signer(1)
const third = signer(2)
const HUB: HubFacts = { pool: me.peer, tier: 'local', token: 3, children: 2, hubRoom: 0, leafRoom: 5, load: 0.25 }

function setup() {
  const clock = createManualClock(0, WALL)
  const meter = createMeter()
  const published: { pool: string; record: NodeRecord }[] = []
  const digests: { peer: string; pool: string }[] = []
  const pushed: string[] = []
  const opened: string[] = []
  const network = {
    publish: (pool: string, bytes: Uint8Array) => void published.push({ pool, record: openRecord((decodeGossip(bytes) as { record: Uint8Array }).record) }),
    request: async (peer: string, kind: string, body: Uint8Array) => {
      if (kind === 'push') {
        pushed.push(peer)
        return encodeCbor({})
      }
      digests.push({ peer, pool: decodeDigestRequest(body).pool })
      return encodeDigestAnswer({ records: [], wanted: [], more: false })
    }
  }
  const driver = createCatalogDriver({ clock, random: seededRandom(1), meter, logger: silentLogger, network }, { federation: 'fed', self: me.peer, signer: me })
  driver.onPool((pool, open) => void opened.push(`${open ? '+' : '-'}${pool} after ${published.length}`))
  const gossip = (pool: string, by: typeof other, more: Partial<NodeRecord>) => driver.onGossip(pool, encodeGossip({ federation: 'fed', pool, record: sealRecord(nodeRecord(by.peer, { pool, ...more }), by) }), by.peer)
  const names = () => driver.offers().servers.map(({ advertised }) => advertised)
  return { clock, driver, published, digests, pushed, opened, gossip, names }
}

describe('several pools', () => {
  test('the node describes itself in each, signed for it, and as hub where it is known as one', () => {
    const s = setup()
    s.driver.openPool('home')
    s.driver.setLocal([localServer('files', ['a'])], DESCRIPTOR, (pool) => (pool === 'up' ? HUB : undefined))
    s.driver.openPool('up')
    s.driver.openPool('up')
    expect(s.published.map(({ pool, record }) => [pool, record.pool, record.hub])).toEqual([['home', 'home', undefined], ['up', 'up', HUB]])
    expect(s.opened).toEqual(['+home after 0', '+up after 1'])
    expect(s.driver.pools()).toEqual(['home', 'up'])
    expect(s.driver.published()).toMatchObject([{ name: 'files' }])
    s.driver.closePool('home')
    expect([s.driver.pools(), s.opened.at(-1)]).toEqual([['up'], '-home after 2'])
  })

  test('digests are compared in the pools of which the other one is a member, and in no other', () => {
    const s = setup()
    for (const pool of ['home', 'up']) s.driver.openPool(pool)
    s.driver.sessionUp(other.peer)
    expect(s.digests).toEqual([])
    s.driver.memberUp('up', other.peer)
    expect(s.digests).toEqual([{ peer: other.peer, pool: 'up' }])
    expect([s.driver.live('up').has(other.peer), s.driver.live('home').has(other.peer)]).toEqual([true, false])
    s.driver.openPool('third')
    s.driver.memberUp('third', other.peer)
    expect(s.digests.at(-1)).toEqual({ peer: other.peer, pool: 'third' })
  })

  test('a node of two pools counts once, with its newest record, and is there as long as one pool has it', () => {
    const s = setup()
    for (const pool of ['home', 'up']) {
      s.driver.openPool(pool)
      s.driver.memberUp(pool, other.peer)
    }
    s.driver.sessionUp(other.peer)
    s.gossip('home', other, { sequence: WALL + 5, servers: [server('newer', ['t'])] })
    s.gossip('up', other, { sequence: WALL + 1, servers: [server('older', ['t'])] })
    expect(s.names()).toEqual(['newer'])
    expect(s.driver.records().map(({ peer }) => peer)).toEqual([other.peer])
    expect([s.driver.record(other.peer)?.sequence, s.driver.record(other.peer, 'up')?.sequence]).toEqual([WALL + 5, WALL + 1])
    s.driver.memberDown('home', other.peer)
    expect(s.names()).toEqual(['newer'])
    s.driver.memberDown('up', other.peer)
    expect(s.names()).toEqual([])
  })

  test('a message belongs to its pool', () => {
    const s = setup()
    for (const pool of ['home', 'up']) {
      s.driver.openPool(pool)
      for (const { peer } of [other, third]) s.driver.memberUp(pool, peer)
    }
    s.gossip('home', other, { sequence: WALL + 1 })
    const record = sealRecord(nodeRecord(third.peer, { pool: 'up' }), third)
    s.driver.answer('push', encodePush({ federation: 'fed', pool: 'up', records: [record] }), third.peer)
    s.driver.answer('push', encodePush({ federation: 'fed', pool: 'none', records: [record] }), third.peer)
    expect([s.driver.records('home').map(({ peer }) => peer), s.driver.records('up').map(({ peer }) => peer)]).toEqual([[other.peer], [third.peer]])
    const compare = (pool: string) => decodeDigestAnswer(s.driver.answer('digest', encodeDigestRequest({ federation: 'fed', pool, entries: [] }), third.peer) as Uint8Array).records.length
    expect([compare('home'), compare('up'), compare('none')]).toEqual([1, 1, 0])
  })

  test('all members of all pools are told when it drains, each counted once', async () => {
    const s = setup()
    for (const pool of ['home', 'up']) s.driver.openPool(pool)
    s.driver.setLocal([], DESCRIPTOR)
    s.driver.memberUp('home', other.peer)
    for (const { peer } of [other, third]) s.driver.memberUp('up', peer)
    for (const { peer } of [other, third]) s.driver.sessionUp(peer)
    expect(await s.driver.announce(500)).toEqual({ told: 2, missed: 0 })
    expect(s.pushed.toSorted()).toEqual([other.peer, other.peer, third.peer].toSorted())
  })

  test('what was only known from a pool goes with it, but its names stay claimed until its records would have expired', () => {
    const s = setup()
    s.driver.openPool('home')
    s.driver.openPool('up')
    s.driver.start()
    s.driver.setLocal([localServer('files', ['a'], { claimed: WALL + 9 })], DESCRIPTOR)
    s.driver.memberUp('up', other.peer)
    s.driver.sessionUp(other.peer)
    s.gossip('up', other, { servers: [server('files', ['t'])] })
    const long = `files-${me.peer.slice(-8)}`
    expect(s.names()).toEqual(['files', long])
    s.driver.closePool('up')
    expect(s.names()).toEqual([long])
    s.clock.advance(RECORD_TTL + 1_000)
    expect(s.names()).toEqual(['files'])
    s.driver.stop()
  })

  test('nor does a name move while the hub above is another one', () => {
    const s = setup()
    s.driver.openPool('home')
    s.driver.start()
    s.driver.setLocal([localServer('files', ['a'], { claimed: WALL + 9 })], DESCRIPTOR)
    const distant: DistantServer[] = [{ name: 'files', owner: other.peer, node: 'far', claimed: WALL, providers: 1, hops: 1, tools: [], key: `files@${other.peer}`, from: [third.peer] }]
    s.driver.setDistant(distant)
    const long = `files-${me.peer.slice(-8)}`
    expect(s.names()).toEqual(['files', long])
    s.driver.setDistant([])
    expect(s.names()).toEqual([long])
    s.driver.setDistant([...distant])
    expect(s.names()).toEqual(['files', long])
    s.driver.setDistant([])
    s.clock.advance(RECORD_TTL + 1_000)
    expect(s.names()).toEqual(['files'])
    s.driver.stop()
  })

  test('figures of a hub wait a little, what others must know at once does not', () => {
    const s = setup()
    s.driver.openPool('up')
    s.driver.start()
    const describe = (hub: Partial<HubFacts>) => s.driver.setLocal([], DESCRIPTOR, () => ({ ...HUB, ...hub }))
    describe({})
    for (let children = 3; children < 9; children++) describe({ children, leafRoom: 12 - children })
    expect(s.published).toHaveLength(1)
    s.clock.advance(HUB_REST)
    expect(s.published.map(({ record }) => record.hub?.children)).toEqual([2, 8])
    describe({ children: 8, leafRoom: 4, token: 4 })
    describe({ children: 8, leafRoom: 0, token: 4 })
    s.driver.setLocal([], DESCRIPTOR)
    expect(s.published.slice(2).map(({ record }) => [record.hub?.token, record.hub?.leafRoom])).toEqual([[4, 4], [4, 0], [undefined, undefined]])
    s.driver.stop()
  })
})

test('former claims are bounded: the oldest go first', () => {
  const former = createFormerClaims()
  for (let n = 0; n <= MAX_FORMER; n++) former.add([{ name: `s${n}`, owner: 'o', claimed: n }, { name: `r${n}`, claimed: n }], 10)
  expect(former.list()).toHaveLength(MAX_FORMER)
  expect(former.list()[0]?.name).toBe('s1')
  expect([former.expire(9), former.expire(10), former.list().length]).toEqual([false, true, 0])
})
