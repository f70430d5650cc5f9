import { describe, expect, test } from 'vitest'
import { createClaims } from '../../../../src/federation/summary/claims.ts'
import { mergeParts } from '../../../../src/federation/summary/merge.ts'
import { searchRows } from '../../../../src/federation/summary/search.ts'
import { createShelf } from '../../../../src/federation/summary/shelf.ts'
import { createSources, KEEP_LOST } from '../../../../src/federation/summary/sources.ts'
import { createTable } from '../../../../src/federation/summary/table.ts'
import type { NodeRecord } from '../../../../src/wire/catalog-types.ts'
import { MAX_TABLE_HOPS, serverOf, type SummaryRow } from '../../../../src/wire/summary-row.ts'
import type { SummaryServer } from '../../../../src/wire/summary-types.ts'
import { nodeRecord, server, signer } from '../../../support/catalog-fixtures.ts'
import { rowOf } from '../../../support/summary-vectors.ts'

const digest = (of: string) => Buffer.from(of.padEnd(32, '.')).toString('hex')
const tools = (names: readonly string[], providers: number, version = '') => names.map((name) => ({ name, digest: digest(name + version), repeatable: true, providers }))

function row(name: string, more: Partial<SummaryServer> = {}): SummaryRow {
  const providers = more.providers ?? 1
  return rowOf({ name, claimed: 1_000, providers, hops: 1, tools: tools(['a', 'b'], providers), ...more })
}

describe('a shelf', () => {
  test('is cut anew when its limit changes, down and up again, and tells what changed', () => {
    const shelf = createShelf(10)
    for (const name of ['a', 'b', 'c', 'd']) shelf.put(name, row(name))
    expect([...shelf.settle().keys()]).toEqual(['a', 'b', 'c', 'd'])
    shelf.setLimit(5)
    expect([...shelf.settle().keys()].sort()).toEqual(['c', 'd'])
    expect([[...shelf.table.rows.keys()], shelf.hidden]).toEqual([['a', 'b'], 2])
    shelf.setLimit(5)
    expect(shelf.settle().size).toBe(0)
    shelf.setLimit(100)
    expect([...shelf.settle().keys()].sort()).toEqual(['c', 'd'])
    expect(shelf.hidden).toBe(0)
  })
})

describe('merging what several sources say', () => {
  test('replicas: summed up, the earliest claim, the nearest', () => {
    const merged = mergeParts([row('x', { providers: 3, hops: 2, claimed: 7 }), row('x', { providers: 2, hops: 4, claimed: 5 })], 1)
    expect(serverOf(merged as SummaryRow)).toMatchObject({ providers: 5, hops: 3, claimed: 5, tools: [{ providers: 5 }, { providers: 5 }] })
  })

  test('the larger group of a tool counts, ties go to the lower digest; the longest silence and the lowest about are told', () => {
    const old = row('x', { providers: 2, tools: tools(['a', 'b'], 2, '1'), timeout: 5, about: digest('y') })
    const fresh = row('x', { providers: 2, tools: [...tools(['a'], 2, '0'), { name: 'b', digest: digest('b0'), repeatable: false, providers: 1 }], timeout: 9, about: digest('z') })
    expect(serverOf(mergeParts([old, fresh], 0) as SummaryRow)).toMatchObject({
      providers: 4, timeout: 9, about: digest('y'), tools: [{ name: 'a', digest: digest('a0'), providers: 2 }, { name: 'b', digest: digest('b1'), providers: 2, repeatable: true }]
    })
  })

  test('a tool is repeatable only if all of its group say so', () => {
    const careful = row('x', { tools: tools(['a'], 1).map((tool) => ({ ...tool, repeatable: false })) })
    expect(serverOf(mergeParts([row('x', { tools: tools(['a'], 1) }), careful], 0) as SummaryRow).tools).toMatchObject([{ repeatable: false, providers: 2 }])
  })

  test('the order of sources does not matter', () => {
    const parts = [row('x', { tools: tools(['a'], 1, '1') }), row('x', { tools: tools(['b', 'a'], 1, '2') }), row('x', { providers: 2, tools: tools(['a'], 2) })]
    const hashes = [parts, parts.toReversed(), [parts[1], parts[2], parts[0]] as SummaryRow[]].map((each) => mergeParts(each, 1)?.hash)
    expect(new Set(hashes).size).toBe(1)
  })

  test('what one owner has is not summed up: the nearest is right', () => {
    const owner = signer(0).peer
    const merged = mergeParts([row('x', { owner, hops: 4 }), row('x', { owner, hops: 2, tools: tools(['c'], 1) })], 0)
    expect(serverOf(merged as SummaryRow)).toMatchObject({ providers: 1, hops: 2, tools: [{ name: 'c' }] })
  })

  test('nobody, too far, and untouched', () => {
    const far = row('x', { hops: MAX_TABLE_HOPS })
    expect(mergeParts([], 0)).toBeUndefined()
    expect(mergeParts([far], 1)).toBeUndefined()
    expect(mergeParts([far, far], 1)).toBeUndefined()
    expect(mergeParts([far], 0)).toBe(far)
  })
})

describe('a table', () => {
  test('its hashes do not depend on the order, and go back', () => {
    const rows = Array.from({ length: 50 }, (_, index) => row(`s${index}`))
    const [one, two] = [createTable(), createTable()]
    for (const each of rows) one.set(each.body.key, each)
    for (const each of rows.toReversed()) two.set(each.body.key, each)
    expect([one.hash(), one.buckets()]).toEqual([two.hash(), two.buckets()])
    const before = two.hash()
    expect(two.set('s7', row('s7', { providers: 9 }))).toBe(true)
    expect(two.hash()).not.toBe(before)
    expect(two.buckets().filter((hash, index) => hash !== one.buckets()[index])).toHaveLength(1)
    expect(two.set('s7', row('s7'))).toBe(true)
    expect(two.set('s7', row('s7'))).toBe(false)
    expect([two.hash(), two.tools, two.bytes]).toEqual([before, 100, one.bytes])
    for (const each of rows) two.set(each.body.key, undefined)
    expect([two.hash(), two.tools, two.bytes]).toEqual([0, 0, 0])
  })

  test('pages follow each other without a gap', () => {
    const table = createTable()
    for (let index = 0; index < 300; index++) table.set(`s${index}`, row(`s${index}`))
    const all = table.ofBuckets(new Set(Array.from({ length: 256 }, (_, index) => index)))
    expect(all).toHaveLength(300)
    const buckets = new Set(all.map(({ body }) => body.bucket))
    expect(table.ofBuckets(buckets, all[99]?.body.key)).toEqual(all.slice(100))
  })
})

describe('the cut', () => {
  const fill = (limit: number, rows: readonly SummaryRow[]) => {
    const shelf = createShelf(limit)
    for (const each of rows) shelf.put(each.body.key, each)
    shelf.settle()
    return { shelf, shown: [...shelf.table.rows.keys()].sort() }
  }
  const many = (count: number, prefix = 's', more: Partial<SummaryServer> = {}) => Array.from({ length: count }, (_, index) => row(`${prefix}${String(index).padStart(3, '0')}`, more))

  test('whole servers, the nearest first, then by name', () => {
    const { shelf, shown } = fill(5, [row('c', { hops: 2 }), row('b'), row('d'), row('a', { hops: 2 })])
    expect(shown).toEqual(['b', 'd'])
    expect([shelf.table.tools, shelf.hidden]).toEqual([4, 2])
    expect(shelf.get('a')).toBeDefined()
  })

  test('changes near the cut move one server, not many, and none that only change their numbers', () => {
    const { shelf } = fill(100, many(60, 's', { hops: 2 }))
    expect(shelf.table.rows.size).toBe(50)
    for (const each of many(60, 's', { hops: 2, providers: 7 })) shelf.put(each.body.key, each)
    expect(shelf.settle().size).toBe(50)
    shelf.put('near', row('near'))
    expect([...shelf.settle().keys()].sort()).toEqual(['near', 's049'])
    shelf.put('near', undefined)
    // Its place is not given to a newcomer at once: the next one near needs it.
    expect([...shelf.settle().keys()]).toEqual(['near'])
    shelf.put('near', row('near'))
    expect([...shelf.settle().keys()]).toEqual(['near'])
  })

  test('what is asked for is shown beside the others, and goes when it is not any more', () => {
    const { shelf } = fill(10, many(20))
    shelf.ask(new Set(['s019', 'nothing']))
    expect([...shelf.settle().keys()]).toEqual(['s019'])
    expect(shelf.table.tools).toBe(12)
    shelf.ask(new Set())
    expect([...shelf.settle().keys()]).toEqual(['s019'])
    shelf.put('s000', undefined)
    shelf.put('s001', undefined)
    shelf.settle()
    expect(shelf.table.tools).toBeLessThanOrEqual(10)
  })

  test('when all fit again, all are shown; a server without tools takes a place too', () => {
    const { shelf } = fill(10, many(6))
    shelf.put('s000', undefined)
    shelf.put('s001', undefined)
    shelf.settle()
    expect([shelf.table.rows.size, shelf.hidden]).toEqual([4, 0])
    expect(fill(3, many(5, 'e', { tools: [] })).shelf.table.rows.size).toBe(3)
  })
})

describe('tables of others', () => {
  const [hub, successor] = [signer(1).peer, signer(2).peer]
  const edges = (peer: string | undefined, token = 1) => ({ up: undefined, hubOf: [{ pool: 'root', token: 1, children: peer === undefined ? [] : [{ peer, hub: { pool: 'p', token } }] }] })

  test('belong to a pool: a successor takes over the table, and a lost one stays for its time', () => {
    const sources = createSources()
    const [source] = sources.edges(edges(hub), 0, 'self')
    if (source === undefined) throw new Error('no source')
    source.synced = true
    const dirty = new Set<string>()
    sources.replace(source, new Set([row('x').body.bucket]), [row('x')], dirty)
    expect([...dirty]).toEqual(['x'])
    expect(sources.edges(edges(undefined), 1_000, 'self')).toEqual([])
    sources.expire(1_000 + KEEP_LOST - 1, dirty)
    expect(source.table.rows.size).toBe(1)
    expect(sources.edges(edges(successor, 2), 2_000, 'self')).toEqual([source])
    expect([source.synced, source.table.rows.size, sources.find('up', 'p', hub), sources.find('up', 'p', successor)]).toEqual([false, 1, undefined, source])
    // The old hub comes back with its old lease.
    expect(sources.edges(edges(hub, 1), 3_000, 'self')).toEqual([])
    expect(sources.find('up', 'p', hub)).toBeUndefined()
    dirty.clear()
    sources.expire(3_000 + KEEP_LOST, dirty)
    expect([[...dirty], [...sources.all()]]).toEqual([['x'], []])
  })

  test('a change that does not fit onto what is there is refused', () => {
    const sources = createSources()
    const [source] = sources.edges(edges(hub), 0, 'self')
    if (source === undefined) throw new Error('no source')
    const change = (before: number, after: number, rows: SummaryRow[], removed: string[] = []) =>
      sources.apply(source, { direction: 'up', pool: 'p', token: 1, before, after, rows, removed, numbers: [] }, new Set())
    const [x, y] = [row('x'), row('y')]
    expect(change(0, x.hash, [x])).toBe(true)
    expect(change(0, x.hash, [x])).toBe(true)
    expect(change(5, 6, [y])).toBe(false)
    expect(change(x.hash, 5, [y])).toBe(false)
    expect(change(source.table.hash(), 0, [], ['x', 'y'])).toBe(true)
  })

  test('a hub of two pools reads nothing from itself', () => {
    const own = { up: undefined, hubOf: [{ pool: 'p', token: 1, children: [] }, { pool: 'root', token: 1, children: [{ peer: 'self', hub: { pool: 'p', token: 1 } }, { peer: hub, hub: { pool: 'p', token: 1 } }] }] }
    expect(createSources().edges(own, 0, 'self')).toEqual([])
  })
})

describe('what the records of own pools say', () => {
  const records = (all: Record<string, NodeRecord[]>) => (pool: string) => all[pool] ?? []
  const [a, b] = [signer(0).peer, signer(1).peer]

  test('only what changed is looked at again; a node in two pools counts once', () => {
    const claims = createClaims()
    const dirty = new Set<string>()
    const update = (all: Record<string, NodeRecord[]>) => {
      dirty.clear()
      claims.update(['p', 'root'], records(all), dirty)
      return [...dirty].sort()
    }
    const one = nodeRecord(a, { pool: 'p', servers: [server('x', ['t'], { stateless: true }), server('y', ['t'])] })
    const two = nodeRecord(b, { pool: 'p', servers: [server('x', ['t'], { stateless: true })] })
    expect(update({ p: [one, two] })).toEqual(['x', `y@${a}`].sort())
    expect(update({ p: [one, two] })).toEqual([])
    expect(claims.parts('x', '')).toHaveLength(2)
    // The same body for both.
    expect(new Set(claims.parts('x', '').map(({ body }) => body)).size).toBe(1)
    expect(update({ p: [one, two], root: [{ ...one, pool: 'root' }] })).toEqual(['x', `y@${a}`].sort())
    expect([claims.parts('x', ''), claims.parts('x', 'root'), claims.parts('x', 'p')].map((parts) => parts.length)).toEqual([2, 1, 0])
    // Whoever is in the pool above too is on the way from one to the other; only the hub itself is there to stay.
    const below = (self: string, ...pools: string[]) => claims.parts('x', 'root', { pools: new Set(pools), self }).length
    expect([below('hub', 'p'), below(a, 'p'), below('hub', 'q')]).toEqual([2, 1, 0])
    expect(update({ p: [two] })).toEqual(['x', `y@${a}`].sort())
    expect(update({ p: [{ ...two, sequence: two.sequence + 1, servers: [] }] })).toEqual(['x'])
    expect([...claims.keys()]).toEqual([])
  })
})

describe('search by words', () => {
  const rows = [
    row('weather', { tools: tools(['getForecast', 'get_alerts', 'forecasting'], 1) }),
    row('files', { tools: tools(['read', 'weather_report'], 1) }),
    row('HTTPServer', { tools: tools(['list'], 1) })
  ]
  const found = (query: string, limit = 10) => searchRows(rows, query, limit).map(({ server: name, tool }) => `${name}.${tool}`)

  test('all words must occur; words of the tool before words of its server, whole ones before beginnings', () => {
    expect(found('forecast')).toEqual(['weather.getForecast', 'weather.forecasting'])
    expect(found('weather')[0]).toBe('files.weather_report')
    expect(found('weather alerts')).toEqual(['weather.get_alerts'])
    expect(found('weather read')).toEqual([])
    expect(found('http list')).toEqual(['HTTPServer.list'])
    expect(found('cast', 1)).toHaveLength(1)
    expect(found(' .,- ')).toEqual([])
  })
})
