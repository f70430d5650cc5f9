import { describe, expect, test } from 'vitest'
import { decodeCbor, encodeCbor } from '../../../../src/wire/cbor.ts'
import { decodeAttachAnswer, decodeLease, encodeAttachAnswer, encodeLease, MAX_LEASE_BYTES } from '../../../../src/wire/tiers.ts'
import { decodeTopology, encodeTopology, MAX_TOPOLOGY_BYTES, MAX_TOPOLOGY_NODES } from '../../../../src/wire/tiers-topology.ts'
import type { TopologyNode } from '../../../../src/wire/tiers-types.ts'
import { testSigner } from '../../../support/security-world.ts'
import { encodeTiersVector, readTiersVectors, TIERS_DECODERS, TIERS_VECTORS } from '../../../support/tiers-vectors.ts'

const open = (hex: string) => decodeCbor(new Uint8Array(Buffer.from(hex, 'hex')), { max: 1 << 20, what: 'the vector' }) as Record<string, unknown>
const PROTOCOL = (path: RegExp) => expect.objectContaining({ code: 'SKEIN_PROTOCOL', message: expect.stringMatching(path) as string })

describe('golden leases, TIER_ATTACH and TIER_TOPOLOGY bodies', () => {
  const vectors = readTiersVectors()
  test('none is missing', () => expect(vectors).toEqual(TIERS_VECTORS.map((each) => ({ ...each, hex: expect.any(String) as string }))))
  test.each(vectors)('$kind: $name', (vector) => {
    expect(TIERS_DECODERS[vector.kind](new Uint8Array(Buffer.from(vector.hex, 'hex')))).toEqual(vector.value)
    expect(Buffer.from(encodeTiersVector(vector)).toString('hex')).toBe(vector.hex)
  })
  test.each(vectors)('$kind: $name, of a later version that says more', (vector) => {
    const later = encodeCbor({ ...open(vector.hex), later: 1 })
    expect(TIERS_DECODERS[vector.kind](later)).toEqual(vector.value)
  })
})

describe('what is refused', () => {
  const lease = TIERS_VECTORS[1] as Extract<(typeof TIERS_VECTORS)[number], { kind: 'lease' }>
  test.each<[string, Record<string, unknown>, RegExp]>([
    ['a fencing number of 0', { token: 0 }, /lease\.token/],
    ['no peer id', { holder: 'x' }, /lease\.holder/],
    ['an unknown tier', { tier: 'galactic' }, /lease\.tier/],
    ['five contacts', { contacts: Array.from({ length: 5 }, () => ({ peer: testSigner(1).peer, addresses: [] })) }, /contacts has 5 items/],
    ['an address that is none', { contacts: [{ peer: testSigner(1).peer, addresses: ['x'] }] }, /contacts\[0\]\.addresses\[0\] must be a multiaddr/],
    ['a pool with a line break', { parent: 'a\nb' }, /parent/]
  ])('%s in a lease', (_, change, path) => {
    const bytes = encodeCbor({ ...open(Buffer.from(encodeLease(lease.value)).toString('hex')), ...change })
    expect(() => decodeLease(bytes)).toThrow(PROTOCOL(path))
  })
  test('a lease that is too large, before it is read', () => {
    expect(() => decodeLease(new Uint8Array(MAX_LEASE_BYTES + 1))).toThrow(PROTOCOL(/at most 4096/))
  })
  test('more than ten hubs, a load over 1', () => {
    const { value } = TIERS_VECTORS[5] as Extract<(typeof TIERS_VECTORS)[number], { kind: 'answer' }>
    const body = decodeCbor(encodeAttachAnswer(value), { max: 1 << 20, what: 'it' }) as { hubs: Record<string, unknown>[] }
    expect(() => decodeAttachAnswer(encodeCbor({ ...body, hubs: Array.from({ length: 11 }, () => body.hubs[0]) }))).toThrow(PROTOCOL(/hubs has 11 items/))
    expect(() => decodeAttachAnswer(encodeCbor({ ...body, hubs: [{ ...body.hubs[0], load: 5 }] }))).toThrow(PROTOCOL(/load must be from 0 to 4/))
  })
})

describe('the tree', () => {
  const node = (children: TopologyNode[] = []): TopologyNode => ({
    peer: testSigner(1).peer, name: 'n'.repeat(128), tier: 'leaf', region: 'r'.repeat(128), role: 'member', pool: 'p'.repeat(64), alive: true, draining: false, load: 1, rtt: 60_000, servers: 64, children
  })
  test('of a thousand nodes with the longest names fits, and more are cut off', () => {
    const bytes = encodeTopology(node(Array.from({ length: 2_000 }, () => node())))
    expect(bytes.length).toBeLessThan(MAX_TOPOLOGY_BYTES)
    expect(decodeTopology(bytes).children).toHaveLength(MAX_TOPOLOGY_NODES - 1)
  })
  test('a row whose parent comes later is refused, and a tree without rows', () => {
    const row = (parent: number) => [parent, testSigner(1).peer, '', 0, '', 2, 0, 0, 0, '', 0]
    expect(() => decodeTopology(encodeCbor({ rows: [row(0), row(1)] }))).toThrow(PROTOCOL(/rows\[1\]\[0\]/))
    expect(() => decodeTopology(encodeCbor({ rows: [] }))).toThrow(PROTOCOL(/no rows/))
  })
})
