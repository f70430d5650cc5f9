import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../../../src/base/logger.ts'
import { createMeter } from '../../../../src/base/meter.ts'
import { createDistant, type DistantDeps } from '../../../../src/node/distant/distant.ts'
import { createDistantMetrics } from '../../../../src/node/distant/metrics.ts'
import type { ReachPath } from '../../../../src/rpc/reach/types.ts'
import type { ResolvedProvider } from '../../../../src/wire/summary-types.ts'
import { createManualClock } from '../../../support/manual-clock.ts'
import { flush } from '../../../support/mcp-calls.ts'

const provider = (peer: string, more: Partial<ResolvedProvider> = {}): ResolvedProvider => ({ peer, name: `name of ${peer}`, via: ['hub'], addresses: ['/ip4/10.0.0.1/tcp/1'], region: 'eu', ...more })

function world(longTail?: DistantDeps['longTail']) {
  const clock = createManualClock(1_000)
  const asked: { key: string; tool: string | undefined; fresh: boolean; answer(...providers: ResolvedProvider[]): Promise<void>; fail(): Promise<void>; signal: AbortSignal }[] = []
  const suggested: string[] = []
  const paths = new Map<string, ReachPath>()
  const called: string[] = []
  const meter = createMeter()
  const resolve: DistantDeps['resolve'] = (key, { tool, fresh = false, signal }) => {
    const { promise, resolve: settle, reject } = Promise.withResolvers<readonly ResolvedProvider[]>()
    const then = (act: () => void) => (act(), flush())
    asked.push({ key, tool, fresh, signal, answer: (...providers) => then(() => settle(providers)), fail: () => then(() => reject(new Error('nobody answers'))) })
    return promise
  }
  const distant = createDistant({
    self: 'self', clock, logger: silentLogger, metrics: createDistantMetrics(meter), resolve, longTail,
    reach: {
      path: (peer) => paths.get(peer),
      suggest(peer, { via }) {
        suggested.push(peer)
        paths.set(peer, { kind: 'relayed', via })
      }
    },
    links: { called: (peer, addresses) => void called.push(`${peer} ${addresses.join()}`), keeps: () => false }
  })
  const found = async (want: Parameters<typeof distant.find>[0], since?: number) => {
    const result: { providers?: readonly string[] } = {}
    void distant.find(want, { within: 5_000, since }).then((providers) => (result.providers = providers))
    await flush()
    return result
  }
  const resolved = (result: string) => meter.snapshot().find(({ name }) => name === 'skein_calls_distant_resolves_total')?.samples.find(({ labels }) => labels[0] === result)?.value
  return { clock, asked, suggested, paths, called, distant, found, resolved }
}
const want = { distant: 'files', tool: 'read' }

describe('a search for distant providers', () => {
  test('asks once for all who search, suggests the ways, and remembers for half a minute', async () => {
    const w = world()
    const first = await w.found(want)
    const second = await w.found(want)
    expect(w.asked).toMatchObject([{ key: 'files', tool: 'read', fresh: false }])
    await w.asked[0]?.answer(provider('P-near', { capacity: 3 }), provider('P-far'), provider('self'))
    expect([first.providers, second.providers]).toEqual([['P-near', 'P-far'], ['P-near', 'P-far']])
    // The newest way is kept longest.
    expect(w.suggested).toEqual(['P-far', 'P-near'])
    expect(w.distant.known(want)).toEqual(['P-near', 'P-far'])
    expect(w.distant.provider('P-near')).toMatchObject({ capacity: 3, name: 'name of P-near' })
    expect((await w.found(want)).providers).toEqual(['P-near', 'P-far'])
    w.clock.advance(30_001)
    expect(w.distant.known(want)).toEqual([])
    await w.found(want)
    expect(w.asked).toHaveLength(2)
    expect(w.resolved('found')).toBe(1)
  })

  test('what belongs to one node is asked of that node alone, whoever else a hub names', async () => {
    const w = world()
    const mine = { distant: 'files@P-owner', tool: 'read' }
    const lied = await w.found(mine)
    await w.asked[0]?.answer(provider('P-liar'))
    expect([lied.providers, w.suggested]).toEqual([[], []])
    const found = await w.found(mine)
    await w.asked[1]?.answer(provider('P-liar'), provider('P-owner'))
    expect([found.providers, w.suggested]).toEqual([['P-owner'], ['P-owner']])
  })

  test('knows only those that a way leads to now, and asks anew for fresh ones without any', async () => {
    const w = world()
    await w.found(want)
    await w.asked[0]?.answer(provider('P-a'), provider('P-b'))
    w.paths.delete('P-a')
    expect(w.distant.known(want)).toEqual(['P-b'])
    w.paths.delete('P-b')
    const again = await w.found(want)
    expect(w.asked[1]).toMatchObject({ fresh: true })
    await w.asked[1]?.answer(provider('P-b', { via: ['other'] }))
    expect(again.providers).toEqual(['P-b'])
  })

  test('after a failure what was asked before counts no more, whether it is answered or not', async () => {
    const w = world()
    const old = await w.found(want)
    w.clock.advance(10)
    const fresh = await w.found(want, w.clock.now())
    const same = await w.found(want, w.clock.now())
    expect(w.asked.map((one) => one.fresh)).toEqual([false, true])
    await w.asked[1]?.answer(provider('P-new'))
    // The older answer comes later, and does not count.
    await w.asked[0]?.answer(provider('P-old'))
    expect([old.providers, fresh.providers, same.providers]).toEqual([['P-new'], ['P-new'], ['P-new']])
  })

  test('nobody has it, nobody answers, or not in time: nobody', async () => {
    const w = world()
    const none = await w.found(want)
    await w.asked[0]?.answer()
    const failed = await w.found(want)
    await w.asked[1]?.fail()
    const late = await w.found(want)
    w.clock.advance(5_000)
    await flush()
    expect([none.providers, failed.providers, late.providers]).toEqual([[], [], []])
    expect((await w.found({ tool: 'read' })).providers).toEqual([])
    expect(w.asked).toHaveLength(3)
    expect([w.resolved('none'), w.resolved('failed')]).toEqual([1, 1])
    w.distant.stop()
    expect(w.asked[0]?.signal.aborted).toBe(true)
    await w.found({ distant: 'other' })
    expect(w.asked).toHaveLength(3)
  })

  test('those with the definition that the caller listed come alone, unless there are none', async () => {
    const w = world()
    await w.found(want)
    await w.asked[0]?.answer(provider('P-a', { digest: 'old' }), provider('P-b', { digest: 'new' }), provider('P-c'))
    expect(w.distant.known({ ...want, digest: 'new' })).toEqual(['P-b', 'P-c'])
    await w.found({ distant: 's', tool: 't' })
    await w.asked[1]?.answer(provider('P-a', { digest: 'old' }))
    expect(w.distant.known({ distant: 's', tool: 't', digest: 'new' })).toEqual(['P-a'])
  })

  test('one that is wanted alone is found though the answer names others, for its way is remembered', async () => {
    const w = world()
    await w.found(want)
    await w.asked[0]?.answer(provider('P-a', { via: ['h1', 'h2'] }))
    w.paths.clear()
    const result = await w.found({ ...want, only: 'P-a' })
    await w.asked[1]?.answer(provider('P-b'))
    expect(result.providers).toEqual(['P-a'])
    expect(w.paths.get('P-a')?.via).toEqual(['h1', 'h2'])
    const other = await w.found({ ...want, only: 'P-c' })
    await w.asked[2]?.answer(provider('P-b'))
    expect(other.providers).toEqual([])
  })

  test('the DHT is asked only when no hub names anybody, and not waited for', async () => {
    const files = { distant: 'files', tool: 'read' }
    const searched: string[] = []
    const tail: ResolvedProvider[] = []
    const w = world({ known: () => tail, search: (key) => void searched.push(key) })
    await w.found(files)
    await w.asked[0]?.answer(provider('P-a'))
    expect(searched).toEqual([])
    const fresh = w.clock.now() + 1
    w.clock.advance(1)
    const none = await w.found(files, fresh)
    await w.asked[1]?.answer()
    expect([none.providers, searched]).toEqual([[], ['files']])
    tail.push(provider('P-x', { via: [], name: '' }))
    w.paths.set('P-x', { kind: 'direct', via: [] })
    const found = await w.found(files, fresh)
    await w.asked[2]?.answer()
    expect(found.providers).toEqual(['P-x'])
    expect(w.suggested).toEqual(['P-a'])
    w.distant.called('P-x')
    expect(w.called).toEqual(['P-x /ip4/10.0.0.1/tcp/1'])
    // Also when the hub does not answer; a hub that knows better is heard again.
    w.clock.advance(30_001)
    const failed = await w.found(files)
    await w.asked[3]?.fail()
    expect(failed.providers).toEqual(['P-x'])
    w.clock.advance(30_001)
    const better = await w.found(files)
    await w.asked[4]?.answer(provider('P-a'))
    expect(better.providers).toEqual(['P-a'])
    expect(searched).toHaveLength(3)
  })

  test('no more than so many questions are under way', async () => {
    const w = world()
    for (let n = 0; n < 300; n++) void w.distant.find({ distant: `s${n}` }, { within: 1_000 })
    expect(w.asked).toHaveLength(256)
    expect((await w.found({ distant: 'one more' })).providers).toEqual([])
  })
})

test('the way to a provider is asked for by what it was found for, at most once at a time', async () => {
  const w = world()
  await w.distant.again('P-a', 1_000)
  expect(w.asked).toEqual([])
  await w.found(want)
  await w.asked[0]?.answer(provider('P-a'))
  const done: number[] = []
  for (const n of [1, 2]) void w.distant.again('P-a', 1_000).then(() => done.push(n))
  await flush()
  expect(w.asked).toHaveLength(2)
  expect(w.asked[1]).toMatchObject({ key: 'files', tool: 'read', fresh: true })
  w.clock.advance(1_000)
  await flush()
  expect(done).toEqual([1, 2])
})

test('a call is told with the addresses of its provider', async () => {
  const w = world()
  w.distant.called('P-a')
  await w.found(want)
  await w.asked[0]?.answer(provider('P-a'))
  w.distant.called('P-a')
  expect(w.called).toEqual(['P-a /ip4/10.0.0.1/tcp/1'])
})
