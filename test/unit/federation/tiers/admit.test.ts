import { describe, expect, test } from 'vitest'
import { decideAttach, type AdmitFacts, type OwnPool } from '../../../../src/federation/tiers/admit.ts'
import type { AttachRequest, HubInfo } from '../../../../src/wire/tiers-types.ts'

const LIMITS = { maxRegionalHubs: 10, maxChildHubs: 20, maxClusters: 100 }
const hub = (peer: string, tier: HubInfo['tier'], more: Partial<HubInfo> = {}): HubInfo => ({
  peer, name: peer, addresses: [], pool: `p-${peer}`, tier, region: '', hubRoom: tier === 'local' ? 0 : 5, leafRoom: 5, load: 0, ...more
})
const own = (info: HubInfo, has: string[] = []): OwnPool => ({ info, token: 7, contacts: [{ peer: info.peer, addresses: [] }], has: (peer) => has.includes(peer) })
const NONE: AdmitFacts = { own: [], others: [], flat: undefined }
const LEAF: AttachRequest = { as: 'leaf', tier: 'leaf', region: '', look: false }
const LOCAL: AttachRequest = { as: 'hub', pool: 'p-l', tier: 'local', region: '', look: false }
const ask = (request: AttachRequest, facts: Partial<AdmitFacts>) => decideAttach(request, 'asker', { ...NONE, ...facts }, LIMITS)

describe('who takes whom', () => {
  test('a hub with room takes a leaf, and names a sibling', () => {
    const answer = ask(LEAF, { own: [own(hub('l', 'local'))], others: [hub('m', 'local'), hub('r', 'regional')] })
    expect(answer.accept).toMatchObject({ pool: 'p-l', token: 7, hub: { peer: 'l' } })
    expect(answer.hubs.map(({ peer }) => peer)).toEqual(['m', 'r'])
  })

  test('a full one only names others, and none that is full', () => {
    const answer = ask(LEAF, { own: [own(hub('l', 'local', { leafRoom: 0 }))], others: [hub('m', 'local', { leafRoom: 0 }), hub('r', 'regional')] })
    expect(answer).toEqual({ hubs: [hub('r', 'regional')] })
  })

  test('who is in already has its place', () => {
    expect(ask(LEAF, { own: [own(hub('l', 'local', { leafRoom: 0 }), ['asker'])] }).accept?.pool).toBe('p-l')
    expect(ask({ ...LEAF, current: 'p-l' }, { own: [own(hub('l', 'local', { leafRoom: 0 }))] }).accept?.pool).toBe('p-l')
  })

  test('a hub is taken only by one of a higher tier', () => {
    expect(ask(LOCAL, { own: [own(hub('m', 'local'))] })).toEqual({ hubs: [] })
    expect(ask(LOCAL, { own: [own(hub('r', 'regional'))] }).accept?.pool).toBe('p-r')
    expect(ask({ ...LOCAL, tier: 'regional' }, { own: [own(hub('r', 'regional'))], others: [hub('g', 'global')] })).toEqual({ hubs: [hub('g', 'global')] })
  })

  test('nobody is below itself: the pool asked for is neither given nor named', () => {
    expect(ask({ ...LOCAL, pool: 'p-r' }, { own: [own(hub('r', 'regional'))], others: [hub('r', 'regional')] })).toEqual({ hubs: [] })
  })

  test('the hub of several pools takes it into the best', () => {
    expect(ask(LEAF, { own: [own(hub('x', 'regional', { pool: 'high' })), own(hub('x', 'local', { pool: 'low' }))] }).accept?.pool).toBe('low')
    expect(ask(LEAF, { own: [own(hub('x', 'regional', { pool: 'high' })), own(hub('x', 'local', { pool: 'low', leafRoom: 0 }))] }).accept?.pool).toBe('high')
  })

  test('a flat federation takes everybody', () => {
    const flat = { pool: 'root', tier: 'global' as const, contacts: [] }
    expect(ask(LEAF, { flat })).toEqual({ accept: flat, hubs: [] })
    expect(ask(LOCAL, { flat }).accept).toEqual(flat)
  })

  test('at most ten hubs, best first; the preferred one even if it is full', () => {
    const others = Array.from({ length: 20 }, (_, index) => hub(`h${index}`, 'local', { load: index / 20 }))
    const { hubs } = ask({ ...LEAF, prefer: 'h19' }, { others: [...others.slice(0, 19), { ...(others[19] as HubInfo), leafRoom: 0 }] })
    expect(hubs.map(({ peer }) => peer)).toEqual(['h19', 'h0', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'h7', 'h8'])
  })
})
