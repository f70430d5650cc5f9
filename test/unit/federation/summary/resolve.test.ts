import { describe, expect, test } from 'vitest'
import { createMeter } from '../../../../src/base/meter.ts'
import { createSummaryMetrics } from '../../../../src/federation/summary/metrics.ts'
import type { SummaryWay } from '../../../../src/federation/summary/ports.ts'
import { createResolver, SHARE_FRESH, type ResolvePlaces } from '../../../../src/federation/summary/resolve.ts'
import { decodeResolveRequest, encodeResolveAnswer, MAX_RELAYS } from '../../../../src/wire/summary.ts'
import type { ResolvedProvider } from '../../../../src/wire/summary-types.ts'
import { nodeRecord, server, signer } from '../../../support/catalog-fixtures.ts'
import { createManualClock } from '../../../support/manual-clock.ts'
import { flush } from '../../../support/mcp-calls.ts'

const [self, asker, other, top, local, leaf] = [0, 1, 2, 3, 4, 5].map((seed) => signer(seed).peer) as [string, string, string, string, string, string]
const relayed = (...via: string[]): SummaryWay => ({ kind: 'relayed', via })
const direct: SummaryWay = { kind: 'direct', via: [] }
const far = (peer: string, ...via: string[]): ResolvedProvider => ({ peer, name: 'far', via, addresses: [], region: '' })

function setup(ways: Record<string, SummaryWay>, more: Partial<ResolvePlaces> = {}) {
  const clock = createManualClock()
  const asked: { peer: string; within: number; answer(...providers: ResolvedProvider[]): Promise<void> }[] = []
  const resolver = createResolver(
    {
      clock, self, metrics: createSummaryMetrics(createMeter()),
      call(peer, _, body) {
        const { promise, resolve } = Promise.withResolvers<Uint8Array>()
        asked.push({ peer, within: decodeResolveRequest(body).within, answer: (...providers) => (resolve(encodeResolveAnswer({ providers, partial: false })), flush()) })
        return promise
      }
    },
    { records: () => [], shared: () => [], members: () => new Set(), below: () => [], above: () => undefined, isHub: () => true, rtt: () => 10, way: (peer) => ways[peer], ...more }
  )
  const ask = (from: string | undefined, { fresh = false, timeout = 5_000 } = {}) =>
    resolver.resolve({ key: 'news', limit: 8, fresh, visited: [] }, { timeout, signal: new AbortController().signal, from })
  return { clock, asked, ask }
}
const recordOf = (peer: string) => nodeRecord(peer, { servers: [server('news', ['latest'], { stateless: true })] })

describe('a record is not a session', () => {
  test('others get the whole way to a member that is reached over relays, and nobody whom nothing leads to', async () => {
    const { ask } = setup({ [leaf]: relayed(top, other), [local]: direct }, { records: () => [recordOf(leaf), recordOf(local), recordOf(top)] })
    const found = async (from: string | undefined) => (await ask(from)).providers.map(({ peer, via }) => [peer, via])
    expect(await found(asker)).toEqual([[local, []], [leaf, [top, other]]])
    // This node itself finds the way of a member when it calls it.
    expect((await found(undefined)).every(([, via]) => via?.length === 0)).toBe(true)
  })

  test('a way is not cut at a member without a session, and begins with the relays to the hub that was asked', async () => {
    // The link between two regions is cut; both are in the pool of the top, and see each other's records.
    const { ask, asked } = setup({ [other]: relayed(top), [top]: direct }, { records: () => [recordOf(other), recordOf(top)].map((one) => ({ ...one, servers: [] })), below: () => [other] })
    const answer = ask(asker)
    await asked[0]?.answer(far(leaf, local))
    const { providers } = await answer
    expect(providers).toMatchObject([{ peer: leaf, via: [top, other, local] }])
    // A session with a later one on the way cuts it as before.
    const cut = setup({ [other]: relayed(top), [top]: direct, [local]: direct }, { records: () => [recordOf(local)].map((one) => ({ ...one, servers: [] })), below: () => [other] })
    const short = cut.ask(asker)
    await cut.asked[0]?.answer(far(leaf, local))
    expect((await short).providers).toMatchObject([{ peer: leaf, via: [local] }])
  })

  test('a way that has too many relays then is none', async () => {
    const { ask, asked } = setup({ [other]: relayed(top) }, { below: () => [other] })
    const answer = ask(asker)
    await asked[0]?.answer(far(leaf, ...Array.from({ length: MAX_RELAYS - 1 }, (_, index) => signer(10 + index).peer)))
    expect((await answer).providers).toEqual([])
  })
})

describe('questions are shared', () => {
  const places = { below: () => [other] }

  test('fresh ones too, for a quarter of a second; one that need not be fresh is not good enough', async () => {
    const { clock, asked, ask } = setup({ [other]: direct }, places)
    void ask(undefined)
    void ask(undefined, { fresh: true })
    expect(asked).toHaveLength(2)
    for (let n = 0; n < 100; n++) void ask(undefined, { fresh: true })
    clock.advance(SHARE_FRESH - 1)
    void ask(undefined, { fresh: true })
    expect(asked).toHaveLength(2)
    clock.advance(1)
    void ask(undefined, { fresh: true })
    expect(asked).toHaveLength(3)
  })

  test('not with somebody whose time is nearly over', async () => {
    const { clock, asked, ask } = setup({ [other]: direct }, places)
    const first = ask(undefined, { timeout: 1_000 })
    clock.advance(400)
    void ask(undefined, { timeout: 1_000 })
    expect(asked).toHaveLength(1)
    const late = ask(undefined, { timeout: 4_000 })
    expect(asked.map(({ within }) => within)).toEqual([900, 3_600])
    clock.advance(1_000)
    expect((await first).partial).toBe(true)
    await asked[1]?.answer(far(leaf))
    clock.advance(1_000)
    expect((await late).providers).toHaveLength(1)
  })
})
