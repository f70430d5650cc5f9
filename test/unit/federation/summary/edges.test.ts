import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../../../src/base/logger.ts'
import { createMeter } from '../../../../src/base/meter.ts'
import { seededRandom } from '../../../../src/base/random.ts'
import { MAX_TOKEN_JUMP } from '../../../../src/federation/hub-claims.ts'
import type { Audience } from '../../../../src/federation/summary/audiences.ts'
import { createSummary } from '../../../../src/federation/summary/driver.ts'
import { CHILD_INTEREST_FOR } from '../../../../src/federation/summary/interest.ts'
import { createSummaryMetrics } from '../../../../src/federation/summary/metrics.ts'
import { viewOf } from '../../../../src/federation/summary/overlay.ts'
import { createShelf } from '../../../../src/federation/summary/shelf.ts'
import { createSources, KEEP_LOST } from '../../../../src/federation/summary/sources.ts'
import { createTeller } from '../../../../src/federation/summary/teller.ts'
import { METHOD } from '../../../../src/wire/protocols.ts'
import { decodeSyncAnswer, encodeSyncAnswer, encodeSyncRequest } from '../../../../src/wire/summary.ts'
import { BUCKETS } from '../../../../src/wire/summary-row.ts'
import { nodeRecord, server, signer } from '../../../support/catalog-fixtures.ts'
import { createManualClock } from '../../../support/manual-clock.ts'
import { flush } from '../../../support/mcp-calls.ts'
import { rowOf } from '../../../support/summary-vectors.ts'

const [real, liar, successor] = [signer(5).peer, signer(1).peer, signer(2).peer]
const every = Array.from({ length: BUCKETS }, (_, index) => index)
const row = (name: string) => rowOf({ name, claimed: 1, providers: 1, hops: 1, tools: [] })

describe('who is hub of a pool below', () => {
  function setup() {
    const implausible: string[] = []
    const sources = createSources((pool, { peer }) => void implausible.push(`${pool} ${peer}`))
    const tell = (now: number, ...hubs: [string, number][]) =>
      sources.edges({ up: undefined, hubOf: [{ pool: 'root', token: 1, children: hubs.map(([peer, token]) => ({ peer, hub: { pool: 'p', token } })) }] }, now, 'self')
    const hub = () => [...sources.below()].map(({ peer }) => peer)
    return { sources, implausible, tell, hub }
  }

  test('whoever is keeps it while it lives and its table is here, whatever others write into their records', () => {
    const { sources, tell, hub } = setup()
    const [source] = tell(0, [real, 3])
    if (source === undefined) throw new Error('no source')
    source.synced = true
    sources.replace(source, new Set(every), [row('x')], new Set())
    // The hub is asked whether that is right, once for each who says so.
    expect([tell(1, [liar, 4], [real, 3]), tell(1, [liar, 4], [real, 3])]).toEqual([[source], []])
    expect([hub(), sources.find('up', 'p', liar), source.token]).toEqual([[real], undefined, 3])
    // A lease of its own that is newer is taken at once.
    expect(tell(2, [liar, 4], [real, 5])).toEqual([source])
    expect([hub(), source.token]).toEqual([[real], 5])
  })

  test.each([
    ['is dead or has left', [[successor, 4]]],
    ['says no more that it is hub', [[successor, 4], [real, undefined]]]
  ])('a successor is taken at once when the hub %s', (_, claims) => {
    const { sources, tell, hub } = setup()
    const [source] = tell(0, [real, 3])
    if (source === undefined) throw new Error('no source')
    source.synced = true
    const hubs = claims.filter((claim): claim is [string, number] => claim[1] !== undefined)
    expect(tell(1, ...hubs)).toEqual([source])
    expect([hub(), sources.find('up', 'p', successor)]).toEqual([[successor], source])
  })

  test('a successor is taken as soon as the hub itself says that it is none any more, before its record does', () => {
    const { sources, tell, hub } = setup()
    const [source] = tell(0, [real, 3])
    if (source === undefined) throw new Error('no source')
    source.synced = true
    expect(tell(2, [real, 3], [successor, 4])).toEqual([source])
    expect(hub()).toEqual([real])
    expect(sources.denied(source, 3)).toBe(true)
    expect(tell(3, [real, 3], [successor, 4])).toEqual([source])
    expect(hub()).toEqual([successor])
  })

  test('one that says so while nobody else is there is asked on, its table kept for fifteen seconds; who comes then is taken at once', () => {
    const { sources, tell, hub } = setup()
    const [source] = tell(0, [real, 3])
    if (source === undefined) throw new Error('no source')
    source.synced = true
    expect([sources.denied(source, 1_000), sources.denied(source, 9_000)]).toEqual([false, false])
    expect([hub(), source.synced, source.since]).toEqual([[real], false, 1_000])
    expect(tell(9_000, [real, 3], [successor, 4])).toEqual([source])
    expect(hub()).toEqual([successor])
    expect(source.denied).toBe(false)
  })

  test('one that has told nothing yet gives way to a higher token', () => {
    const { tell, hub } = setup()
    tell(0, [liar, 3])
    tell(1, [liar, 3], [real, 4])
    expect(hub()).toEqual([real])
  })

  test('a token that jumps is not believed, before anybody is known and after', () => {
    const { implausible, tell, hub, sources } = setup()
    tell(0, [liar, Number.MAX_SAFE_INTEGER], [real, 70_000])
    expect([hub(), implausible]).toEqual([[real], [`p ${liar}`]])
    tell(1, [liar, 70_001 + MAX_TOKEN_JUMP], [real, 70_000])
    expect(hub()).toEqual([real])
    tell(2, [liar, 70_001 + MAX_TOKEN_JUMP])
    expect(hub()).toEqual([undefined])
    // Whoever is hub after that is taken at once.
    tell(3, [liar, 70_001 + MAX_TOKEN_JUMP], [successor, 70_001])
    expect(hub()).toEqual([successor])
    expect(sources.find('up', 'p', liar)).toBeUndefined()
  })
})

describe('a hub whose older lease was not believed', () => {
  test('is asked as soon as that of the other is forgotten, without another change', async () => {
    const clock = createManualClock()
    const asked: string[] = []
    const summary = createSummary(
      {
        clock, random: seededRandom(1), meter: createMeter(), logger: silentLogger, records: () => [], rtt: () => 1,
        call(peer, method) {
          if (method === METHOD.SUMMARY_SYNC) asked.push(peer)
          return Promise.resolve(encodeSyncAnswer({ state: 'same', hash: 0 }))
        }
      },
      { self: 'self', maxTools: 10 }
    )
    const edges = (...hubs: [string, number][]) => summary.setEdges({ up: undefined, hubOf: [{ pool: 'root', token: 1, children: hubs.map(([peer, token]) => ({ peer, hub: { pool: 'p', token } })) }] })
    summary.start()
    edges([liar, 9])
    clock.advance(500)
    await flush()
    edges([real, 3])
    clock.advance(KEEP_LOST - 1)
    expect(asked).toEqual([liar])
    clock.advance(1_000)
    expect(asked).toEqual([liar, real])
    summary.stop()
  })
})

describe('a hub whose successor is known before its own record says anything', () => {
  test('is asked, and once it denies, its successor is', async () => {
    const clock = createManualClock()
    const asked: string[] = []
    let hub = real
    const summary = createSummary(
      {
        clock, random: seededRandom(1), meter: createMeter(), logger: silentLogger, records: () => [], rtt: () => 1,
        call: (peer) => (asked.push(peer), Promise.resolve(encodeSyncAnswer({ state: peer === hub ? 'same' : 'not-mine', hash: 0 })))
      },
      { self: 'self', maxTools: 10 }
    )
    const edges = (...hubs: [string, number][]) => summary.setEdges({ up: undefined, hubOf: [{ pool: 'root', token: 1, children: hubs.map(([peer, token]) => ({ peer, hub: { pool: 'p', token } })) }] })
    const run = async () => {
      for (let n = 0; n < 10; n++) {
        await flush()
        clock.advance(100)
      }
    }
    summary.start()
    edges([real, 3])
    await run()
    edges([real, 3], [liar, 4])
    await run()
    expect(asked).toEqual([real, real])
    hub = successor
    edges([real, 3], [liar, 4], [successor, 5])
    await run()
    expect(asked).toEqual([real, real, real, successor])
    summary.stop()
  })
})

describe('a hub of two pools', () => {
  test('forgets what members of either no longer want', async () => {
    const clock = createManualClock()
    const servers = ['a', 'b', 'c'].map((name) => server(name, ['t'], { stateless: true }))
    const far = nodeRecord(signer(9).peer, { pool: 'top', servers })
    const summary = createSummary(
      {
        clock, random: seededRandom(1), meter: createMeter(), logger: silentLogger, rtt: () => 1,
        records: (pool) => (pool === 'top' ? [far] : []), call: () => Promise.reject(new Error('nobody'))
      },
      { self: 'self', maxTools: 1 }
    )
    const [one, two] = [signer(7).peer, signer(8).peer]
    summary.start()
    summary.setEdges({ up: undefined, hubOf: [{ pool: 'p', token: 1, children: [{ peer: one }] }, { pool: 'q', token: 1, children: [{ peer: two }] }], pools: ['top'] })
    clock.advance(20_000)
    const ask = async (pool: string, peer: string, more: object) =>
      decodeSyncAnswer(await summary.answer(METHOD.SUMMARY_SYNC, encodeSyncRequest({ direction: 'down', pool, token: 1, hash: 0, interest: [], ...more }), peer))
    const shown = async (pool: string, peer: string) => {
      const answer = await ask(pool, peer, { want: every })
      return answer.state === 'rows' ? answer.rows.length : answer.state
    }
    await ask('p', one, { interest: ['c'] })
    await ask('q', two, { interest: ['c'] })
    expect([await shown('p', one), await shown('q', two)]).toEqual([2, 2])
    clock.advance(CHILD_INTEREST_FOR + 60_000)
    expect([await shown('p', one), await shown('q', two)]).toEqual([1, 1])
    summary.stop()
  })
})

describe('a hub that lives and leads no more', () => {
  /** The hub of `p`, which knows a server in `top`, and a member of `p`. */
  function setup() {
    const clock = createManualClock()
    const records = { top: [nodeRecord(signer(9).peer, { pool: 'top', servers: [server('far', ['t'], { stateless: true })] })], p: [nodeRecord(real), nodeRecord(liar)] }
    const asked: number[] = []
    const make = (self: string, pools: readonly (keyof typeof records)[], to: () => ReturnType<typeof createSummary>) =>
      createSummary(
        {
          clock, random: seededRandom(1), meter: createMeter(), logger: silentLogger, rtt: () => 1,
          records: (pool) => (pools.includes(pool as keyof typeof records) ? records[pool as keyof typeof records] : []),
          call(_, method, body) {
            if (self === liar) asked.push(clock.now())
            return to().answer(method, body, self)
          }
        },
        { self, maxTools: 10 }
      )
    const hub: ReturnType<typeof createSummary> = make(real, ['top', 'p'], () => member)
    const member: ReturnType<typeof createSummary> = make(liar, ['p'], () => hub)
    const leads = (does: boolean) => hub.setEdges({ up: undefined, hubOf: [{ pool: 'top', token: 1, children: [] }, ...(does ? [{ pool: 'p', token: 1, children: [{ peer: liar }] }] : [])], pools: ['p'] })
    async function run(ms: number) {
      for (let at = 0; at < ms; at += 100) {
        await flush()
        clock.advance(100)
      }
      await flush()
    }
    hub.start()
    member.start()
    leads(true)
    member.setEdges({ up: { peer: real, token: 1, pool: 'p' }, hubOf: [] })
    return { hub, member, leads, run, asked, clock, stop: () => [hub, member].forEach((one) => one.stop()) }
  }

  test('says so; its tables are kept for fifteen seconds, it is asked on, and read again when it leads again', async () => {
    const w = setup()
    const far = () => w.member.distant().map(({ name }) => name)
    await w.run(30_000)
    expect([far(), w.member.complete('p')]).toEqual([['far'], true])
    w.leads(false)
    await w.run(1_000)
    expect([far(), w.member.complete('p'), w.member.disowned('p')]).toEqual([['far'], false, false])
    await w.run(KEEP_LOST)
    expect([far(), w.member.disowned('p')]).toEqual([[], true])
    const asked = w.asked.length
    await w.run(60_000)
    // Every five seconds or so, not every second: it may be long.
    expect(w.asked.length - asked).toBeGreaterThanOrEqual(8)
    expect(w.asked.length - asked).toBeLessThanOrEqual(16)
    w.leads(true)
    await w.run(20_000)
    expect([far(), w.member.complete('p'), w.member.disowned('p')]).toEqual([['far'], true, false])
    w.stop()
  })
})

describe('telling', () => {
  test('ends with the node, even while a telling is under way, and begins again with it', async () => {
    const clock = createManualClock()
    const shelf = createShelf(10)
    const audience: Audience = { direction: 'down', pool: 'p', token: 1, notIn: 'p', without: undefined, table: viewOf(shelf), pending: new Map(), told: 0 }
    const change = (name: string) => {
      shelf.put(name, row(name))
      for (const [key, before] of shelf.settle()) audience.pending.set(key, before)
    }
    let calls = 0
    const teller = createTeller({
      clock, metrics: createSummaryMetrics(createMeter()), ready: () => true,
      audiences: { find: () => audience, all: () => [audience], readers: () => [] } as never,
      call: (_, __, ___, { signal }) => (calls++, new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))))
    })
    teller.start()
    teller.reads('down', 'p', real)
    change('a')
    teller.tell()
    expect(calls).toBe(1)
    teller.stop()
    for (let n = 0; n < 40; n++) {
      await flush()
      clock.advance(1_000)
    }
    expect([calls, clock.pending]).toEqual([1, 0])
    teller.start()
    teller.reads('down', 'p', real)
    change('b')
    teller.tell()
    expect(calls).toBe(2)
    teller.stop()
  })
})
