import { describe, expect, test } from 'vitest'
import { isPreferred, limitsOf, preferredPeer, scoreHub, valueOf, type Asker } from '../../../../src/federation/tiers/score.ts'
import type { HubInfo } from '../../../../src/wire/tiers-types.ts'

const LIMITS = { maxRegionalHubs: 10, maxChildHubs: 20, maxClusters: 100 }
const HUB: HubInfo = { peer: 'h', name: 'hub', addresses: [], pool: 'p', tier: 'local', region: 'eu', hubRoom: 0, leafRoom: 100, load: 0 }
const LEAF: Asker = { as: 'leaf', tier: 'leaf', region: 'eu' }
const BERLIN = { latitude: 52.52, longitude: 13.405 }
const PARIS = { latitude: 48.8566, longitude: 2.3522 }

describe('score', () => {
  test.each<[string, Asker, Partial<HubInfo>, number | undefined, number]>([
    ['near, idle and empty', LEAF, {}, undefined, 1],
    ['another region', LEAF, { region: 'us' }, undefined, 0.8],
    ['busy', LEAF, { load: 1 }, undefined, 0.7],
    ['half full', LEAF, { leafRoom: 50 }, undefined, 0.85],
    ['full', LEAF, { leafRoom: 0 }, undefined, 0.7],
    ['10 ms away, whatever the region says', LEAF, {}, 10, 0.8],
    ['Berlin to Paris: 877 km', { ...LEAF, coordinates: BERLIN }, { coordinates: PARIS }, undefined, 0.4 / 1.8774 + 0.6],
    ['measured beats geography', { ...LEAF, coordinates: BERLIN }, { coordinates: PARIS }, 0, 1],
    ['a hub below a regional one', { as: 'hub', tier: 'local', region: 'eu' }, { tier: 'regional', hubRoom: 10 }, undefined, 0.85]
  ])('%s', (_, asker, hub, rtt, score) => {
    expect(scoreHub(asker, { ...HUB, ...hub }, LIMITS, rtt)).toBeCloseTo(score, 3)
  })

  test('limits by the tier of the pool', () => {
    expect([limitsOf('global', LIMITS), limitsOf('regional', LIMITS), limitsOf('local', LIMITS)]).toEqual([{ hubs: 10, leaves: 100 }, { hubs: 20, leaves: 100 }, { hubs: 0, leaves: 100 }])
  })
})

describe('value', () => {
  const value = (hub: Partial<HubInfo>, asker: Partial<Asker> = {}) => valueOf({ ...LEAF, ...asker }, { ...HUB, ...hub }, LIMITS) ?? -Infinity

  test('the tier just above first, then the region', () => {
    const order = [value({}), value({ leafRoom: 1 }), value({ tier: 'regional' }), value({ region: 'us' }), value({ tier: 'global' }), value({ tier: 'global', region: 'us' })]
    expect(order[0]).toBe(Math.max(...order))
    // A nearly full local hub is as good as an empty regional one: it is left at no gain.
    expect((order[1] as number) + 0.1).toBeGreaterThan(order[2] as number)
    expect(order[2]).toBeGreaterThan(order[3] as number)
    expect(order[4]).toBeGreaterThan(order[5] as number)
  })

  test('never the own tier or one below', () => {
    expect(valueOf({ as: 'hub', tier: 'local', region: 'eu' }, HUB, LIMITS)).toBeUndefined()
    expect(valueOf({ as: 'hub', tier: 'regional', region: 'eu' }, HUB, LIMITS)).toBeUndefined()
  })

  test('the preferred one above all', () => {
    const peer = `12D3Koo${'W'.repeat(45)}`
    expect(value({ name: 'x', region: 'us', load: 1 }, { prefer: 'x' })).toBeGreaterThan(value({}))
    expect(isPreferred(`/ip4/192.0.2.1/tcp/4001/p2p/${peer}`, { peer, name: '' })).toBe(true)
    expect(preferredPeer(`/ip4/192.0.2.1/tcp/4001/p2p/${peer}`)).toEqual({ peer, addresses: ['/ip4/192.0.2.1/tcp/4001'] })
    expect(preferredPeer(peer)).toEqual({ peer, addresses: [] })
    expect(preferredPeer('hub-1')).toBeUndefined()
  })
})
