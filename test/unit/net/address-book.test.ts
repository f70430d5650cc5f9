import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { createAddressBook } from '../../../src/net/discovery/address-book.ts'

const book = (maxPeers = 3) => createAddressBook({ maxPeers, staleAfter: 1_000, backoff: { base: 100, cap: 800 } }, seededRandom(1))
const candidate = (peer: string | undefined, address = `/ip4/10.0.0.1/tcp/${peer?.length ?? 1}`) => ({ peer, address })

describe('address book', () => {
  test('merges what several sources say of one peer', () => {
    const b = book()
    b.add(candidate('p', '/ip4/10.0.0.1/tcp/1'), 'ipfs_nodes', 0)
    b.add(candidate('p', '/ip4/10.0.0.1/tcp/2'), 'file_based', 5)
    b.add(candidate('p', '/ip4/10.0.0.1/tcp/2'), 'file_based', 6)
    expect(b.entries()).toMatchObject([{ key: 'p', addresses: ['/ip4/10.0.0.1/tcp/2', '/ip4/10.0.0.1/tcp/1'], seen: 6, source: 'ipfs_nodes' }])
  })

  test('is bounded: a new peer takes the place of a stale one, never of a fresh one', () => {
    const b = book(2)
    expect(b.add(candidate('a'), 'x', 0)).toBeDefined()
    expect(b.add(candidate('b'), 'x', 500)).toBeDefined()
    expect(b.add(candidate('c'), 'x', 900)).not.toBeDefined()
    expect(b.add(candidate('c'), 'x', 1_001)).toBeDefined()
    expect(b.entries().map((entry) => entry.key)).toEqual(['b', 'c'])
  })

  test('a failed dial waits longer each time, up to the cap, and never for ever', () => {
    const b = book()
    b.add(candidate('a'), 'x', 0)
    let now = 0
    const waits: number[] = []
    for (let attempt = 0; attempt < 8; attempt++) {
      const entry = b.due(now)[0]
      expect(entry).toBeDefined()
      b.failed(entry as never, 'refused', now)
      expect(b.due(now)).toEqual([])
      waits.push((entry as { notBefore: number }).notBefore - now)
      now += 800
    }
    expect(waits[0]).toBeLessThanOrEqual(100)
    expect(Math.max(...waits)).toBeLessThanOrEqual(800)
    expect(waits[7]).toBeGreaterThanOrEqual(400)
  })

  test('an entry found by address alone becomes the peer that answered there', () => {
    const b = book()
    b.add(candidate(undefined, '/ip4/10.0.0.1/tcp/1'), 'ipfs_nodes', 0)
    b.succeeded(b.due(0)[0] as never, 'p', 2)
    expect(b.entries()).toMatchObject([{ key: 'p', peer: 'p', attempts: 0 }])
  })

  test('dials the freshest first', () => {
    const b = book()
    b.add(candidate('old'), 'x', 0)
    b.add(candidate('new'), 'x', 9)
    expect(b.due(10).map((entry) => entry.key)).toEqual(['new', 'old'])
  })

  test('one that keeps failing gives way to a newcomer', () => {
    const b = book(2)
    b.add(candidate('dead'), 'x', 0)
    b.add(candidate('alive'), 'x', 0)
    for (let attempt = 0; attempt < 5; attempt++) b.failed(b.get('dead') as never, 'refused', 0)
    expect(b.add(candidate('new'), 'x', 10)).toBeDefined()
    expect(b.entries().map((entry) => entry.key)).toEqual(['alive', 'new'])
  })

  test('an address without a peer id is not dialled again while the peer that answered there is known', () => {
    const b = book()
    const address = '/dns4/seed.example/tcp/1'
    b.add(candidate(undefined, address), 'ipfs_nodes', 0)
    b.succeeded(b.due(0)[0] as never, 'p', 2)
    // The list is read again.
    expect(b.add(candidate(undefined, address), 'ipfs_nodes', 500)?.key).toBe('p')
    expect(b.entries()).toHaveLength(1)
    // Somebody else may live there after the peer is gone.
    b.failed(b.get('p') as never, 'another peer answered', 600)
    expect(b.add(candidate(undefined, address), 'ipfs_nodes', 700)?.key).toBe(address)
  })

  test('a peer that takes us and hangs up is not dialled again at once', () => {
    const b = book()
    b.add(candidate('p'), 'x', 0)
    b.succeeded(b.due(0)[0] as never, 'p', 10)
    expect(b.due(11)).toEqual([])
    expect(b.due(110)).toHaveLength(1)
  })
})
