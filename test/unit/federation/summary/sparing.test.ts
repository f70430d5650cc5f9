import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../../../src/base/logger.ts'
import { createMeter } from '../../../../src/base/meter.ts'
import { randomInt, seededRandom } from '../../../../src/base/random.ts'
import type { Audience } from '../../../../src/federation/summary/audiences.ts'
import { createSummary } from '../../../../src/federation/summary/driver.ts'
import { createLater, LATER_AFTER } from '../../../../src/federation/summary/later.ts'
import { createSummaryMetrics } from '../../../../src/federation/summary/metrics.ts'
import { viewOf } from '../../../../src/federation/summary/overlay.ts'
import { QUIET_EVERY, SYNC_EVERY } from '../../../../src/federation/summary/reader.ts'
import { createDerivedShelf, createShelf } from '../../../../src/federation/summary/shelf.ts'
import { createSources } from '../../../../src/federation/summary/sources.ts'
import { createTeller } from '../../../../src/federation/summary/teller.ts'
import { METHOD } from '../../../../src/wire/protocols.ts'
import { decodeChanged, decodeSyncRequest, encodeChanged, encodeSyncAnswer, encodeTaken, type Changed } from '../../../../src/wire/summary.ts'
import type { SummaryRow } from '../../../../src/wire/summary-row.ts'
import { signer } from '../../../support/catalog-fixtures.ts'
import { createManualClock } from '../../../support/manual-clock.ts'
import { flush } from '../../../support/mcp-calls.ts'
import { rowOf } from '../../../support/summary-vectors.ts'

const child = signer(3).peer
const digest = (of: string) => Buffer.from(of.padEnd(32, '.')).toString('hex')

function row(name: string, { providers = 1, hops = 1, tools = 2, version = '' } = {}): SummaryRow {
  return rowOf({ name, claimed: 1_000, providers, hops, tools: Array.from({ length: tools }, (_, index) => ({ name: `t${index}`, digest: digest(`${name}${index}${version}`), repeatable: true, providers })) })
}

describe('what a hub keeps for one child', () => {
  test.each([1, 2, 3, 4])('is what a shelf of its own would show, whatever changes, seed %i', (seed) => {
    const random = seededRandom(seed)
    const [base, own] = [createShelf(20), createShelf(20)]
    base.put('s0', row('s0'))
    own.put('s0', row('s0'))
    const derived = createDerivedShelf(base, 20)
    for (const shelf of [base, own, derived]) shelf.settle()
    const change = (key: string, common: SummaryRow | undefined, mine: SummaryRow | undefined) => {
      const before = base.get(key)
      base.put(key, common)
      derived.put(key, mine, before)
      own.put(key, mine)
    }
    const any = (key: string) => (randomInt(random, 4) === 0 ? undefined : row(key, { providers: 1 + randomInt(random, 5), hops: 1 + randomInt(random, 3), tools: 1 + randomInt(random, 3) }))
    for (let step = 0; step < 600; step++) {
      const key = `s${randomInt(random, 30)}`
      const common = any(key)
      // Some of what all see comes from the child.
      change(key, common, randomInt(random, 3) === 0 ? any(key) : common)
      const [asked, limit] = [`s${randomInt(random, 30)}`, 10 + randomInt(random, 30)]
      if (randomInt(random, 40) === 0) for (const shelf of [own, derived]) shelf.ask(new Set([asked]))
      if (randomInt(random, 60) === 0) for (const shelf of [own, derived]) shelf.setLimit(limit)
      if (randomInt(random, 3) > 0) continue
      const [cuts, mine, its] = [randomInt(random, 2) === 0, own, derived]
      base.settle(cuts)
      expect([...its.settle(cuts).keys()].toSorted()).toEqual([...mine.settle(cuts).keys()].toSorted())
      expect([its.table.hash(), its.hidden, its.size(), its.waiting]).toEqual([mine.table.hash(), mine.hidden, mine.size(), mine.waiting])
    }
  })

  test('a full table is cut anew when it is time; what somebody asked for is shown at once, and what is gone is gone', () => {
    const shelf = createShelf(4)
    for (const name of ['b', 'c']) shelf.put(name, row(name))
    shelf.settle()
    shelf.put('a', row('a'))
    expect([[...shelf.settle(false).keys()], shelf.waiting]).toEqual([[], true])
    shelf.put('b', undefined)
    expect([...shelf.settle(false).keys()]).toEqual(['b'])
    shelf.ask(new Set(['z']))
    shelf.settle(false)
    shelf.put('z', row('z', { hops: 3 }))
    expect([...shelf.settle(false).keys()]).toEqual(['z'])
    shelf.settle()
    expect([[...shelf.table.rows.keys()].toSorted(), shelf.waiting]).toEqual([['a', 'c', 'z'], false])
  })
})

describe('numbers without their rows', () => {
  function setup() {
    const sources = createSources()
    const [source] = sources.edges({ up: undefined, hubOf: [{ pool: 'root', token: 1, children: [{ peer: child, hub: { pool: 'p', token: 1 } }] }] }, 0, 'self')
    if (source === undefined) throw new Error('no source')
    sources.apply(source, { direction: 'up', pool: 'p', token: 1, before: 0, after: row('x').hash, rows: [row('x')], removed: [], numbers: [] }, new Set())
    const apply = (after: number, numbers: Changed['numbers']) => sources.apply(source, { direction: 'up', pool: 'p', token: 1, before: source.table.hash(), after, rows: [], removed: [], numbers }, new Set())
    return { source, apply }
  }
  const { claimed } = row('x')

  test('go with the body that is there', () => {
    const { source, apply } = setup()
    expect(apply(row('x', { providers: 7, hops: 2 }).hash, [{ key: 'x', claimed, providers: 7, hops: 2 }])).toBe(true)
    expect(source.table.get('x')).toMatchObject({ providers: 7, hops: 2 })
  })

  test.each([
    ['of a row that is not there', { key: 'y', claimed, providers: 7, hops: 2 }],
    ['with a count too few', { key: 'x', claimed, providers: 7, hops: 2, counts: [7] }]
  ])('%s: the reader compares', (_, numbers) => {
    const { source, apply } = setup()
    expect(apply(5, [numbers])).toBe(false)
    expect(source.table.get('x')?.providers).toBe(1)
  })
})

describe('a teller', () => {
  function setup(...members: string[]) {
    const clock = createManualClock()
    const shelf = createShelf(10)
    const audience: Audience = { direction: 'down', pool: 'p', token: 1, notIn: 'p', without: undefined, table: viewOf(shelf), pending: new Map(), told: 0 }
    const said: Changed[] = []
    const teller = createTeller({
      clock, metrics: createSummaryMetrics(createMeter()), ready: () => true,
      audiences: { find: (_: string, __: string, peer: string) => (members.includes(peer) ? audience : undefined), all: () => [audience], readers: () => members.map((peer) => ({ direction: 'down', pool: 'p', peer })) } as never,
      call(_, __, body) {
        said.push(decodeChanged(body))
        return Promise.resolve(encodeTaken())
      }
    })
    const change = (key: string, next: SummaryRow | undefined) => {
      shelf.put(key, next)
      for (const [changed, before] of shelf.settle()) if (!audience.pending.has(changed)) audience.pending.set(changed, before)
      teller.tell()
    }
    const pass = async (ms: number) => {
      clock.advance(ms)
      for (let turn = 0; turn < 5; turn++) await flush()
    }
    teller.start()
    return { clock, teller, said, change, pass, audience, members }
  }

  test('sends a row once, then only what changed of it, and the row again when it has other tools', async () => {
    const { teller, said, change, pass } = setup(child)
    teller.reads('down', 'p', child)
    change('x', row('x'))
    await pass(0)
    change('x', row('x', { providers: 3 }))
    await pass(0)
    change('x', row('x', { providers: 3, version: '2' }))
    await pass(0)
    change('x', undefined)
    await pass(0)
    expect(said.map(({ rows, numbers, removed }) => [rows.length, numbers.length, removed.length])).toEqual([[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]])
    expect(said[1]?.numbers).toEqual([{ key: 'x', claimed: 1_000, providers: 3, hops: 1 }])
  })

  test('tells the hash to whoever does not compare by itself, and every change from then on', async () => {
    const { clock, teller, said, change, pass, audience } = setup(child)
    change('x', row('x'))
    expect(said).toEqual([])
    await pass(15_000)
    expect(said.map(({ before, after, rows }) => [before, after, rows.length])).toEqual([[audience.told, audience.told, 0]])
    change('y', row('y'))
    expect(said[1]?.rows).toHaveLength(1)
    teller.stop()
    expect(clock.pending).toBe(0)
  })

  test('who has compared, left and come back is told the hash', async () => {
    const { teller, said, pass, members } = setup(child)
    teller.reads('down', 'p', child)
    members.length = 0
    teller.tidy()
    await pass(20_000)
    members.push(child)
    teller.tidy()
    expect(said).toEqual([])
    await pass(15_000)
    expect(said).toHaveLength(1)
  })
})

test('what can wait is told together', () => {
  const clock = createManualClock()
  let due = 0
  const later = createLater(clock, () => due++)
  later.start()
  later.add({ keys: new Set(['a']), cuts: false })
  clock.advance(LATER_AFTER - 1)
  later.add({ keys: new Set(['b']), cuts: true })
  expect([due, later.take()]).toEqual([0, undefined])
  clock.advance(1)
  expect([due, later.take(), later.take()]).toEqual([1, new Set(['a', 'b']), undefined])
  clock.advance(LATER_AFTER)
  expect(due).toBe(1)
  later.add({ keys: new Set(), cuts: true })
  later.stop()
  expect(clock.pending).toBe(0)
  later.start()
  clock.advance(LATER_AFTER)
  expect([due, later.take()]).toEqual([2, new Set()])
})

test('a reader that agrees with its hub asks rarely, and as often as before while it is interested in something', async () => {
  const clock = createManualClock()
  const hub = signer(4).peer
  const asked: string[][] = []
  const summary = createSummary(
    {
      clock, random: seededRandom(1), meter: createMeter(), logger: silentLogger, records: () => [], rtt: () => 1,
      call(_, method, body) {
        if (method === METHOD.SUMMARY_SYNC) asked.push([...decodeSyncRequest(body).interest])
        return Promise.resolve(encodeSyncAnswer({ state: 'same', hash: 0 }))
      }
    },
    { self: 'self', maxTools: 100 }
  )
  const pass = async (seconds: number) => {
    for (let second = 0; second < seconds; second++) {
      clock.advance(1_000)
      for (let turn = 0; turn < 3; turn++) await flush()
    }
  }
  summary.start()
  summary.setEdges({ up: { peer: hub, token: 1, pool: 'p' }, hubOf: [] })
  await pass(5)
  const one = row('x')
  await summary.answer(METHOD.SUMMARY_CHANGED, encodeChanged({ direction: 'down', pool: 'p', token: 1, before: 0, after: one.hash, rows: [one], removed: [], numbers: [] }), hub)
  await pass((0.75 * QUIET_EVERY) / 1_000 - 10)
  expect([asked.length, summary.distant().length]).toEqual([1, 1])
  summary.interest('x')
  await pass(SYNC_EVERY / 1_000 + 1)
  expect(asked).toEqual([[], ['x']])
  await pass((2 * 1.25 * SYNC_EVERY) / 1_000 + 1)
  expect(asked.length).toBeGreaterThanOrEqual(4)
  summary.stop()
})
