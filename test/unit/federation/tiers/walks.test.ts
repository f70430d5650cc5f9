import { describe, expect, test } from 'vitest'
import { createWalks, cut } from '../../../../src/federation/tiers/walks.ts'
import type { TopologyNode, TopologyRequest } from '../../../../src/wire/tiers-types.ts'
import { createManualClock } from '../../../support/manual-clock.ts'
import { flush } from '../../../support/mcp-calls.ts'

const node = (peer: string, children: TopologyNode[] = []): TopologyNode => ({
  peer, name: '', tier: 'leaf', region: '', role: 'member', alive: true, draining: false, load: 0, servers: 0, children
})
const TREE = node('top', [node('a', [node('a1'), node('a2')]), node('b', [node('b1')])])
const REQUEST: TopologyRequest = { up: true, depth: 6, max: 1_000, within: 8_000 }

function world() {
  const clock = createManualClock()
  const begun: { request: TopologyRequest; signal: AbortSignal; end(tree: TopologyNode): void; fail(error: Error): void }[] = []
  const walk = createWalks(clock, (request, _end, signal) => {
    const { promise, resolve, reject } = Promise.withResolvers<TopologyNode>()
    signal.addEventListener('abort', () => reject(signal.reason as Error))
    begun.push({ request, signal, end: resolve, fail: reject })
    return promise
  })
  function ask(change: Partial<TopologyRequest> = {}, signal = new AbortController().signal) {
    const asked: { tree?: TopologyNode; error?: { code?: string } } = {}
    walk({ ...REQUEST, ...change }, signal).then((tree) => (asked.tree = tree), (error: unknown) => (asked.error = error as { code: string }))
    return asked
  }
  return { clock, begun, ask }
}

describe('questions for the tree', () => {
  test('many at the same time are one walk; a second later it is another one', async () => {
    const w = world()
    const all = Array.from({ length: 100 }, () => w.ask())
    expect(w.begun).toHaveLength(1)
    w.begun[0]?.end(TREE)
    await flush()
    expect(all.every(({ tree }) => tree?.peer === 'top')).toBe(true)
    w.clock.advance(900)
    const late = w.ask()
    await flush()
    expect([late.tree?.peer, w.begun.length]).toEqual(['top', 1])
    w.clock.advance(200)
    w.ask()
    expect(w.begun).toHaveLength(2)
  })

  test('other depths and pools are other walks; more than eight at a time are refused', async () => {
    const w = world()
    for (let depth = 0; depth <= 6; depth++) w.ask({ depth })
    w.ask({ up: false, pool: 'p' })
    const ninth = w.ask({ up: false, pool: 'q' })
    await flush()
    expect([w.begun.length, ninth.error?.code]).toEqual([8, 'SKEIN_BUSY'])
    w.begun[0]?.end(TREE)
    await flush()
    expect(w.ask({ up: false, pool: 'q' }).error).toBeUndefined()
    expect(w.begun).toHaveLength(9)
  })

  test('who wants fewer nodes is given the upper part, who wants more another walk', async () => {
    const w = world()
    w.ask({ max: 100 })
    const few = w.ask({ max: 3 })
    w.ask({ max: 1_000 })
    expect(w.begun.map(({ request }) => request.max)).toEqual([100, 1_000])
    w.begun[0]?.end(TREE)
    await flush()
    expect(few.tree?.children.map(({ peer, more }) => [peer, more])).toEqual([['a', 2], ['b', 1]])
  })

  test('one that ends too soon is not waited for by who has time', () => {
    const w = world()
    w.ask({ within: 200 })
    w.ask({ within: 8_000 })
    expect(w.begun).toHaveLength(2)
  })

  test('each waits as long as it said; the walk ends when nobody waits any more', async () => {
    const w = world()
    const controller = new AbortController()
    const short = w.ask({ within: 4_500 })
    const long = w.ask({ within: 8_000 }, controller.signal)
    w.clock.advance(4_500)
    await flush()
    expect([short.error?.code, w.begun.length, w.begun[0]?.signal.aborted]).toEqual(['SKEIN_DEADLINE', 1, false])
    controller.abort(new Error('gone'))
    await flush()
    expect([long.error, w.begun[0]?.signal.aborted]).toEqual([new Error('gone'), true])
    expect(w.clock.pending).toBe(0)
  })

  test('a failure is told to all and not kept', async () => {
    const w = world()
    const both = [w.ask(), w.ask()]
    w.begun[0]?.fail(new Error('no way up'))
    await flush()
    expect(both.map(({ error }) => error)).toEqual([new Error('no way up'), new Error('no way up')])
    w.ask()
    expect(w.begun).toHaveLength(2)
  })
})

test('a tree is cut level by level, and what is missing is counted', () => {
  expect(cut(TREE, 6)).toBe(TREE)
  expect(cut(TREE, 1)).toEqual({ ...node('top'), more: 5 })
  expect(cut(TREE, 4)).toEqual(node('top', [{ ...node('a', [node('a1')]), more: 1 }, { ...node('b'), more: 1 }]))
})
