import { describe, expect, test } from 'vitest'
import { createMeter } from '../../../../src/base/meter.ts'
import type { Offers } from '../../../../src/federation/catalog/offers.ts'
import { gossipView, valuesOf } from '../../../../src/node/views/gossip-view.ts'
import { missingDigests, registryView } from '../../../../src/node/views/registry-view.ts'
import type { NodeRecord } from '../../../../src/wire/catalog-types.ts'
import { catalogTopic, gossipTestTopic } from '../../../../src/wire/protocols.ts'
import { createManualClock } from '../../../support/manual-clock.ts'

const WALL = 1_700_000_000_000
const tool = (digest: string) => ({ tool: digest, digest, repeatable: false, providers: ['b'] })
const offers: Offers = {
  notices: [],
  taken: new Set(),
  servers: [
    { advertised: 's', server: 's', stateless: false, about: 'about', providers: ['b'], tools: [tool('d1'), tool('d2')] },
    { advertised: 't', server: 't', stateless: false, providers: ['b'], tools: [tool('d2')] }
  ]
}
const record = (peer: string, change: Partial<NodeRecord> = {}): NodeRecord => ({
  federation: 'f', pool: 'root', peer, sequence: WALL - 5_000, expires: WALL + 600_000, name: `node ${peer}`, region: '', tier: 'leaf', addresses: [], draining: false, servers: [], ...change
})

describe('the registry', () => {
  test('has every record with its age, its way and its tools, by name; and what is missing', () => {
    const servers = [{ name: 's', claimed: 1, stateless: false, tools: [{ name: 'x', digest: 'd1', repeatable: false }, { name: 'y', digest: 'd2', repeatable: false }] }]
    const view = registryView({
      federation: 'f', pool: 'root', self: 'a', clock: createManualClock(0, WALL),
      catalog: {
        // A clock that is ahead writes in our future.
        records: () => [record('c', { sequence: WALL + 9_000, draining: true }), record('b', { servers }), record('a'), record('d', { name: 'node b' })],
        offers: () => offers,
        definition: (digest) => (digest === 'd1' ? {} : undefined),
        lastSync: () => ({ peer: 'b', at: WALL - 1, pool: 'root' })
      },
      path: (peer) => (peer === 'b' ? 'relayed' : peer === 'c' ? 'direct' : undefined),
      nameOf: (peer) => `node ${peer}`
    })
    expect(view).toEqual({
      peer: 'a', federation: 'f', pool: 'root',
      records: [
        { peer: 'a', name: 'node a', self: true, sequence: WALL - 5_000, ageSeconds: 5, expires: WALL + 600_000, draining: false, path: 'self', servers: [], tools: 0 },
        { peer: 'b', name: 'node b', self: false, sequence: WALL - 5_000, ageSeconds: 5, expires: WALL + 600_000, draining: false, path: 'relayed', servers: ['s'], tools: 2 },
        { peer: 'd', name: 'node b', self: false, sequence: WALL - 5_000, ageSeconds: 5, expires: WALL + 600_000, draining: false, path: 'none', servers: [], tools: 0 },
        { peer: 'c', name: 'node c', self: false, sequence: WALL + 9_000, ageSeconds: 0, expires: WALL + 600_000, draining: true, path: 'direct', servers: [], tools: 0 }
      ],
      missing: { total: 2, digests: ['about', 'd2'] },
      lastSync: { peer: 'b', name: 'node b', at: WALL - 1 }
    })
  })

  test('names at most 100 missing digests and counts all', () => {
    const tools = Array.from({ length: 250 }, (_, index) => tool(`d${index}`))
    const catalog = { records: () => [], offers: () => ({ notices: [], taken: new Set<string>(), servers: [{ advertised: 's', server: 's', stateless: false, providers: ['b'], tools }] }), definition: () => undefined, lastSync: () => undefined }
    const view = registryView({ federation: 'f', pool: 'root', self: 'a', clock: createManualClock(), catalog, path: () => undefined, nameOf: () => '' })
    expect([view.missing.total, view.missing.digests.length, view.lastSync]).toEqual([250, 100, null])
    expect(missingDigests(catalog)).toHaveLength(250)
  })
})

describe('gossip', () => {
  test('topics by what they are for, and the messages of the membership from its metrics', () => {
    const meter = createMeter()
    const sent = meter.counter('skein_membership_sent_total', 'x', ['kind'])
    sent.with('ping').inc(3)
    sent.with('ack').inc(2)
    const counts = { subscribers: 1, meshPeers: ['b'], published: 0, sentCopies: 0, sentBytes: 0, forwarded: 0, forwardedCopies: 0, receivedCopies: 0, received: 0, receivedBytes: 0, duplicates: 0, invalid: 0 }
    const topics = [catalogTopic('f', 'root'), gossipTestTopic('f', 'root'), ''].map((topic) => ({ topic, ...counts }))
    const frames = { peers: 2, sentFrames: 1, sentBytes: 2, receivedFrames: 3, receivedBytes: 4 }
    const view = gossipView({
      host: { gossip: () => ({ ...frames, topics }) },
      membership: { stats: () => ({ queued: 5, queuedBytes: 6, health: 0, suspicions: 1, links: 2 }) as never },
      metrics: () => meter.snapshot(), federation: 'f', pool: 'root'
    })
    expect(view.gossipsub).toEqual({ ...frames, topics: topics.map((topic, index) => ({ ...topic, about: ['catalog', 'test', 'other'][index] })) })
    expect(view.swim).toEqual({ queued: 5, queuedBytes: 6, health: 0, suspicions: 1, links: 2, sent: { ping: 3, ack: 2 }, sentBytes: {}, received: {}, receivedBytes: {}, held: {} })
    expect(valuesOf(meter.snapshot(), 'skein_nothing_total')).toEqual({})
  })
})
