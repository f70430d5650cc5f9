import { describe, expect, test } from 'vitest'
import { createAudiences } from '../../../../src/federation/summary/audiences.ts'
import { createClaims } from '../../../../src/federation/summary/claims.ts'
import { createInterest } from '../../../../src/federation/summary/interest.ts'
import { createOverlay } from '../../../../src/federation/summary/overlay.ts'
import { createShare, SHARE_ROWS } from '../../../../src/federation/summary/share.ts'
import { createShelf } from '../../../../src/federation/summary/shelf.ts'
import { createSources, MAX_TABLE_BYTES } from '../../../../src/federation/summary/sources.ts'
import { createTable } from '../../../../src/federation/summary/table.ts'
import { BUCKETS, MAX_SERVER_BYTES, rowBytes, type SummaryRow } from '../../../../src/wire/summary-row.ts'
import { signer } from '../../../support/catalog-fixtures.ts'
import { createManualClock } from '../../../support/manual-clock.ts'
import { rowOf } from '../../../support/summary-vectors.ts'

const row = (name: string, providers = 1, tools = 1, width = 1): SummaryRow =>
  rowOf({ name, claimed: 1, providers, hops: 1, tools: Array.from({ length: tools }, (_, n) => ({ name: String(n).padStart(width, 'x'), digest: '0'.repeat(64), repeatable: true, providers })) })
const every = new Set(Array.from({ length: BUCKETS }, (_, index) => index))
const [child, sibling] = [signer(1).peer, signer(2).peer]

describe('asked rows over a shelf that many share', () => {
  const filled = () => {
    const shelf = createShelf(3)
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) shelf.put(name, row(name))
    shelf.settle()
    return shelf
  }

  test('look like a table of their own', () => {
    const shelf = filled()
    const { table, ask } = createOverlay(shelf)
    expect([...ask(new Set(['b', 'e', 'f', 'nothing']))].sort()).toEqual(['e', 'f'])
    const own = createTable()
    for (const name of ['a', 'b', 'c', 'e', 'f']) own.set(name, row(name))
    expect([table.hash(), table.buckets(), table.ofBuckets(every), table.size, table.bytes]).toEqual([own.hash(), own.buckets(), own.ofBuckets(every), 5, own.bytes])
    for (const { body } of own.ofBuckets(every)) expect(table.ofBuckets(every, body.key)).toEqual(own.ofBuckets(every, body.key))
    expect([table.get('e'), table.get('d')]).toEqual([row('e'), undefined])
    expect([...ask(new Set())].sort()).toEqual(['e', 'f'])
    expect(table.hash()).toBe(shelf.table.hash())
  })

  test('follow what changes before the cut and behind it', () => {
    const shelf = filled()
    const { table, ask, follow } = createOverlay(shelf)
    ask(new Set(['e']))
    shelf.put('e', row('e', 7))
    shelf.put('f', row('f', 7))
    expect([...follow(shelf.settle()).keys()]).toEqual(['e'])
    expect(table.get('e')?.providers).toBe(7)
    shelf.put('a', undefined)
    shelf.put('b', undefined)
    shelf.put('c', undefined)
    follow(shelf.settle())
    expect([table.ofBuckets(every).filter(({ body }) => body.key === 'e').length, table.size]).toEqual([1, shelf.table.rows.size + (shelf.table.get('e') === undefined ? 1 : 0)])
    shelf.put('e', undefined)
    expect([...follow(shelf.settle()).keys()]).toContain('e')
    expect(table.get('e')).toBeUndefined()
  })

  test('cost a hub with a hundred children that call one far server each the rows of these, not a hundred shelves', () => {
    const claims = createClaims()
    const sources = createSources()
    const interest = createInterest(createManualClock())
    const leaves = Array.from({ length: 100 }, (_, index) => `leaf-${index}`)
    const hub = signer(3).peer
    sources.edges({ up: { peer: hub, token: 1, pool: 'root' }, hubOf: [] }, 0, 'self')
    const down = sources.down()
    if (down === undefined) throw new Error('no source')
    sources.replace(down, every, Array.from({ length: 500 }, (_, n) => row(`s${n}`)), new Set())
    const audiences = createAudiences({ claims, sources, interest, self: 'self' }, 10)
    const edges = { up: { peer: hub, token: 1, pool: 'root' }, hubOf: [{ pool: 'p', token: 1, children: leaves.map((peer) => ({ peer })) }] }
    let reads = 0
    const { get } = down.table
    down.table.get = (key) => (reads++, get(key))
    audiences.edges(edges)
    for (const [index, peer] of leaves.entries()) {
      interest.ofChild(peer, [`s${300 + index}`])
      audiences.interested('p', peer)
    }
    const tables = leaves.map((peer) => audiences.find('down', 'p', peer)?.table)
    expect(tables.map((table) => table?.size)).toEqual(leaves.map(() => 11))
    expect(new Set(tables).size).toBe(100)
    // Two tables in all: the one upward, and that of the pool.
    expect(reads).toBeLessThanOrEqual(2 * 500)
    const kept = [...audiences.all()].filter((audience) => 'shelf' in audience)
    expect(kept).toHaveLength(2)
  })
})

describe('one child cannot fill the tables of others', () => {
  test('a share: those that came first, as long as they fit; whoever waits comes in when there is room', () => {
    const share = createShare(3, 100)
    expect([share.set('a', 40), share.set('b', 40), share.set('c', 40)]).toEqual([['a'], ['b'], []])
    expect([share.has('c'), share.waiting]).toEqual([false, 1])
    expect(share.set('a', undefined).sort()).toEqual(['a', 'c'])
    expect([share.set('d', 10), share.set('e', 1)]).toEqual([['d'], []])
    // One that grows beyond what is left gives up its place.
    expect(share.set('d', 50).sort()).toEqual(['d', 'e'])
    expect([share.has('d'), share.has('e'), share.waiting]).toEqual([false, true, 1])
    expect(share.set('d', undefined)).toEqual([])
  })

  test('beyond its share nothing of it is told upward', () => {
    const claims = createClaims()
    const sources = createSources()
    const edges = { up: { peer: sibling, token: 1, pool: 'root' }, hubOf: [{ pool: 'p', token: 1, children: [{ peer: child, hub: { pool: 'q', token: 1 } }] }] }
    const below = sources.edges(edges, 0, 'self').find(({ direction }) => direction === 'up')
    if (below === undefined) throw new Error('no source')
    const body = row('x')
    const rows = Array.from({ length: SHARE_ROWS + 10 }, (_, n) => ({ ...body, hash: n + 1, body: { ...body.body, key: `s${n}`, name: `s${n}` } }))
    sources.replace(below, every, rows, new Set())
    const audiences = createAudiences({ claims, sources, interest: createInterest(createManualClock()), self: 'self' }, 10)
    audiences.edges(edges)
    expect([audiences.find('up', 'p', sibling)?.table.size, below.share.waiting]).toEqual([SHARE_ROWS, 10])
  })

  test('a table is bounded by what it weighs, however it comes', () => {
    const sources = createSources()
    const [source] = sources.edges({ up: undefined, hubOf: [{ pool: 'root', token: 1, children: [{ peer: child, hub: { pool: 'p', token: 1 } }] }] }, 0, 'self')
    if (source === undefined) throw new Error('no source')
    const heavy = row('x', 1, 5_000, 100)
    expect(rowBytes(heavy)).toBeLessThan(MAX_SERVER_BYTES)
    const fits = Math.floor(MAX_TABLE_BYTES / rowBytes(heavy))
    const rows = Array.from({ length: fits + 5 }, (_, n) => ({ ...heavy, hash: n + 1, body: { ...heavy.body, key: `s${n}` } }))
    sources.replace(source, every, rows.slice(0, fits), new Set())
    expect(source.table.rows.size).toBe(fits)
    sources.replace(source, new Set(), [], new Set())
    expect(sources.apply(source, { direction: 'up', pool: 'p', token: 1, before: source.table.hash(), after: 1, rows: rows.slice(fits), removed: [], numbers: [] }, new Set())).toBe(false)
    expect(source.table.bytes).toBeLessThanOrEqual(MAX_TABLE_BYTES)
    const changed = { ...heavy, hash: 9_999, body: { ...heavy.body, key: 's0' } }
    const dirty = new Set<string>()
    sources.apply(source, { direction: 'up', pool: 'p', token: 1, before: source.table.hash(), after: 2, rows: [changed], removed: [], numbers: [] }, dirty)
    expect([...dirty]).toEqual(['s0'])
  })
})
