import { describe, expect, test } from 'vitest'
import { createManualClock } from '../../../support/manual-clock.ts'
import { createAudiences } from '../../../../src/federation/summary/audiences.ts'
import { createClaims } from '../../../../src/federation/summary/claims.ts'
import { createInterest } from '../../../../src/federation/summary/interest.ts'
import { createShelf } from '../../../../src/federation/summary/shelf.ts'
import { createSources } from '../../../../src/federation/summary/sources.ts'
import { inTurns, lineOf, weigh } from '../../../../src/federation/summary/turns.ts'
import { BUCKETS, type SummaryRow } from '../../../../src/wire/summary-row.ts'
import { nodeRecord, server, signer } from '../../../support/catalog-fixtures.ts'
import { rowOf } from '../../../support/summary-vectors.ts'

const digest = 'ab'.repeat(32)
const every = new Set(Array.from({ length: BUCKETS }, (_, index) => index))
const names = (count: number) => Array.from({ length: count }, (_, index) => `t${index}`)

function row(name: string, { hops = 1, tools = 1, providers = 1 } = {}): SummaryRow {
  return rowOf({ name, claimed: 1, providers, hops, tools: names(tools).map((tool) => ({ name: tool, digest, repeatable: true, providers })) })
}

const many = (prefix: string, count: number, more: { hops?: number; tools?: number } = {}) => Array.from({ length: count }, (_, index) => row(`${prefix}${String(index).padStart(4, '0')}`, more))

describe('places in turns', () => {
  /** In the order in which they are offered, all of them with a place. */
  function order(lines: readonly SummaryRow[][], rows: readonly SummaryRow[] = lines.flat()): string {
    const taken: string[] = []
    inTurns(new Map(rows.map((each) => [each.body.key, each])).values(), lines.map((line) => lineOf('below', line)), ({ body }) => taken.push(body.key) > 0)
    return taken.join(' ')
  }

  test('go to the source that has the fewest tools; of equals the nearest, then by key', () => {
    expect(order([[row('a'), row('b'), row('c')], [row('x', { hops: 3 }), row('y', { hops: 3 })]])).toBe('a x b y c')
    expect(order([[row('a', { hops: 2 }), row('z')], [row('x')]])).toBe('x z a')
    // Two servers with a tool each while the other has one with two.
    expect(order([[row('a', { tools: 2 }), row('b', { tools: 2 })], [row('x'), row('y'), row('z')]])).toBe('x a y z b')
    expect(order([[], []])).toBe('')
  })

  test('a server in several lines counts for the one whose turn comes first, whichever stands first', () => {
    const both = row('m')
    const lines = [[row('a'), row('b'), both], [both, row('x')]]
    expect(order(lines)).toBe('a m b x')
    expect(order(lines.toReversed())).toBe('a m b x')
  })

  test('whoever makes a server of another source heavy does not use up its share, and what none tells the half of comes last', () => {
    const honest = [row('a'), row('b'), row('c')]
    const heavy = row('a', { tools: 90 })
    expect(order([honest, [heavy], [row('x'), row('y')]], [heavy, ...honest.slice(1), row('x'), row('y')])).toBe('b x c y a')
    expect(order([honest, [row('x')]], [heavy, ...honest.slice(1), row('x')])).toBe('b x c a')
  })

  test('go first to own pools, then below, then above, whatever each says how near it is', () => {
    const lines = [lineOf('above', [row('a')]), lineOf('below', [row('b', { hops: 5 }), row('e')]), lineOf('own', [row('c', { hops: 0 }), row('d', { hops: 0 })])]
    const taken: string[] = []
    inTurns(['a', 'b', 'c', 'd', 'e'].map((name) => row(name)), lines, ({ body }) => taken.push(body.key) > 0)
    expect(taken.join(' ')).toBe('c d e b a')
  })

  test('one that gets no place costs its source nothing', () => {
    const taken: string[] = []
    const lines = [[row('a', { tools: 50 }), row('b')], [row('x'), row('y')]]
    inTurns(lines.flat(), lines.map((line) => lineOf('below', line)), (each) => weigh(each) < 10 && taken.push(each.body.key) > 0)
    expect(taken).toEqual(['x', 'y', 'b'])
  })

  test('without lines: the nearest first, then by key', () => {
    expect(order([], [row('c'), row('b', { hops: 2 }), row('a', { hops: 2 }), row('d')])).toBe('c d a b')
  })
})

describe('a hub whose children tell more than fits', () => {
  const [north, south, liar, leaf, other] = [1, 2, 3, 4, 5].map((seed) => signer(seed).peer) as [string, string, string, string, string]

  function setup(tables: Readonly<Record<string, readonly SummaryRow[]>>, limit = 100, own: string[] = []) {
    const sources = createSources()
    const claims = createClaims()
    const dirty = new Set<string>()
    const edges = { up: undefined, hubOf: [{ pool: 'root', token: 1, children: [{ peer: leaf }, ...Object.keys(tables).map((peer) => ({ peer, hub: { pool: `p-${peer}`, token: 1 } }))] }] }
    sources.edges(edges, 0, 'self')
    for (const source of sources.below()) sources.replace(source, every, tables[source.peer as string] ?? [], dirty)
    const record = nodeRecord(other, { pool: 'q', servers: own.map((name) => server(name, ['t'], { stateless: true })) })
    claims.update(['q'], () => [record], dirty)
    let looked = 0
    const counted = { ...claims, lines: (notIn: string) => (looked++, claims.lines(notIn)) }
    const audiences = createAudiences({ claims: counted, sources, interest: createInterest(createManualClock()), self: 'self' }, limit)
    audiences.edges(edges)
    const shown = (reader: string) => (audiences.find('down', 'root', reader)?.table.ofBuckets(every) ?? []).map(({ body }) => body.key)
    const of = (reader: string, prefix: string) => shown(reader).filter((key) => key.startsWith(prefix)).length
    const put = (peer: string, changed: SummaryRow, whole: boolean) => {
      const source = [...sources.below()].find((one) => one.peer === peer)
      if (source === undefined) throw new Error('no source')
      const keys = new Set<string>()
      const { hash } = source.table.get(changed.body.key) ?? { hash: 0 }
      const after = (source.table.hash() + 2 ** 48 - hash + changed.hash) % 2 ** 48
      expect(sources.apply(source, { direction: 'up', pool: source.pool, token: 1, before: source.table.hash(), after, rows: [changed], removed: [], numbers: [] }, keys)).toBe(true)
      return audiences.refresh(keys, whole)
    }
    return { of, shown, put, looked: () => looked }
  }

  test('one that lies about thousands takes its share, and no more, of every list', () => {
    const { of } = setup({ [north]: many('l', 30, { hops: 2 }), [south]: many('m', 20, { hops: 3 }), [liar]: many('a', 3_000) }, 100, ['own-1', 'own-2'])
    expect([of(leaf, 'l'), of(leaf, 'm'), of(leaf, 'own'), of(leaf, 'a')]).toEqual([30, 20, 2, 48])
    // A child does not get back what it told; the others get their share of what it leaves.
    expect([of(north, 'l'), of(north, 'm'), of(north, 'own'), of(north, 'a')]).toEqual([0, 20, 2, 78])
    expect([of(liar, 'l'), of(liar, 'm'), of(liar, 'a')]).toEqual([30, 20, 0])
  })

  test('few and large servers are no more than many small ones', () => {
    const { of } = setup({ [north]: many('l', 30, { hops: 2 }), [south]: many('m', 30, { hops: 3 }), [liar]: many('a', 3_000, { tools: 40 }) })
    expect([of(leaf, 'l'), of(leaf, 'm'), of(leaf, 'a')]).toEqual([30, 30, 1])
  })

  test('a region with a hundred servers whose names come first leaves the others theirs', () => {
    const { of } = setup({ [north]: many('a', 100), [south]: many('s', 30), [liar]: many('t', 40, { hops: 2 }) }, 90)
    expect([of(leaf, 'a'), of(leaf, 's'), of(leaf, 't')]).toEqual([30, 30, 30])
  })

  test('who says of the servers of others that they are its own, and nearer, takes nothing from them', () => {
    const honest = many('l', 30, { hops: 2 })
    const { of } = setup({ [north]: honest, [south]: many('m', 30, { hops: 3 }), [liar]: [...many('l', 30, { tools: 3 }), ...many('z', 3_000)] })
    expect(of(leaf, 'm')).toBe(30)
    expect(of(leaf, 'l') * 3 + of(leaf, 'm') + of(leaf, 'z')).toBeLessThanOrEqual(100)
  })

  test('everything is shown as long as it fits, whoever tells it', () => {
    const { shown } = setup({ [north]: many('l', 30, { hops: 2 }), [liar]: many('a', 60) })
    expect(shown(leaf)).toHaveLength(90)
  })

  test('is the same at every hub, in whatever order it heard of them', () => {
    const tables: [string, SummaryRow[]][] = [[north, many('l', 70, { tools: 2 })], [south, [...many('m', 50), ...many('l', 10, { tools: 2 })]], [liar, many('a', 500)]]
    const lists = [tables, tables.toReversed()].map((each) => setup(Object.fromEntries(each)).shown(leaf))
    expect(lists[0]).toEqual(lists[1])
  })

  test('of twenty thousand servers, a change of numbers or one that can wait sorts nothing; a cut sorts once for all who read', () => {
    const { put, looked, of } = setup({ [north]: many('l', 10_000), [south]: many('m', 10_000), [liar]: many('a', 10) })
    const before = looked()
    put(north, row('l0003', { providers: 7 }), true)
    put(north, row('l0004', { tools: 2 }), false)
    expect(looked() - before).toBe(0)
    put(north, row('l0004', { tools: 3 }), true)
    expect(looked() - before).toBe(1)
    expect([of(leaf, 'l'), of(leaf, 'm'), of(leaf, 'a')].map((count) => count > 0)).toEqual([true, true, true])
  })
})

test('a shelf asks who tells what only when it is cut', () => {
  let asked = 0
  const rows = many('s', 20_000)
  const shelf = createShelf(1_000, () => (asked++, [lineOf('below', rows)]))
  for (const each of rows) shelf.put(each.body.key, each)
  shelf.settle()
  expect([asked, shelf.table.rows.size, shelf.hidden]).toEqual([1, 1_000, 19_000])
  shelf.put('s0007', row('s0007', { providers: 3 }))
  expect([...shelf.settle().keys()]).toEqual(['s0007'])
  shelf.put('s9999', row('s9999', { tools: 2 }))
  shelf.settle(false)
  expect(asked).toBe(1)
})
