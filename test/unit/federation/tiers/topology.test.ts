import { describe, expect, test } from 'vitest'
import { SkeinError } from '../../../../src/base/errors.ts'
import { createTopology, type TopologyContext } from '../../../../src/federation/tiers/topology.ts'
import { decodeTopology, decodeTopologyRequest, encodeTopology, encodeTopologyRequest, MAX_TOPOLOGY_HOPS } from '../../../../src/wire/tiers-topology.ts'
import type { TopologyRequest } from '../../../../src/wire/tiers-types.ts'
import { createManualClock } from '../../../support/manual-clock.ts'
import { testSigner } from '../../../support/security-world.ts'

const HUB = testSigner(1).peer
const CHILD = testSigner(2).peer
const MEMBER = testSigner(3).peer
const QUESTION: TopologyRequest = { up: true, depth: 6, max: 1_000, within: 8_000 }
const signal = new AbortController().signal

/** Two hubs that take each other for the one above: each passes the question to the other. */
function circle() {
  const clock = createManualClock()
  const passed: TopologyRequest[] = []
  const nodes: Record<string, ReturnType<typeof createTopology>> = {}
  for (const [self, up] of [[HUB, CHILD], [CHILD, HUB]] as const) {
    nodes[self] = createTopology({
      deps: {
        clock, members: {}, catalog: {},
        async ask(_peer: string, _method: string, body: Uint8Array) {
          const request = decodeTopologyRequest(body)
          passed.push(request)
          await nodes[up]?.answer(request, self, signal)
          return new Uint8Array()
        }
      },
      options: { self }, view: { isThere: () => true }, keepers: new Map([['root', {}]]),
      edges: () => ({ up: { peer: up, token: 1, pool: 'root' }, hubOf: [] }), home: () => 'root'
    } as unknown as TopologyContext)
  }
  return { passed, ask: (request: Partial<TopologyRequest>) => nodes[HUB]?.answer({ ...QUESTION, ...request }, MEMBER, signal) }
}

test('a question that goes round between two hubs ends at once', async () => {
  const { passed, ask } = circle()
  await expect(ask({})).rejects.toMatchObject({ code: 'SKEIN_HOPS' })
  expect(passed.length).toBeLessThanOrEqual(1)
})

test('it is passed on eight times at most, and not with too little time', async () => {
  const { ask, passed } = circle()
  await expect(ask({ hops: MAX_TOPOLOGY_HOPS })).rejects.toMatchObject({ code: 'SKEIN_HOPS' })
  await expect(ask({ within: 105, depth: 1 })).rejects.toMatchObject({ code: 'SKEIN_DEADLINE' })
  expect(passed).toEqual([])
})

test('hops travel, and more than eight are refused', () => {
  expect(decodeTopologyRequest(encodeTopologyRequest({ ...QUESTION, hops: 3 }))).toEqual({ ...QUESTION, hops: 3 })
  expect(() => decodeTopologyRequest(encodeTopologyRequest({ ...QUESTION, hops: 9 }))).toThrow(/hops/)
})

/** A member of the pool of HUB, which answers with `failure`. */
function below(failure: Error | undefined) {
  const own = { peer: MEMBER, state: 'alive', name: 'other', addresses: [], tier: 'leaf', region: '', since: 0 }
  return createTopology({
    deps: {
      clock: createManualClock(), load: () => 0, rtt: () => undefined, members: { members: () => [own] }, catalog: { records: () => [{ peer: MEMBER, tier: 'local', region: 'us', servers: [] }] },
      ask: () => Promise.reject(failure ?? new Error('not to be asked'))
    },
    options: { self: CHILD, name: 'child', tier: 'leaf', region: '' }, view: { isThere: () => true }, keepers: new Map([[HUB, {}]]),
    edges: () => ({ up: failure === undefined ? undefined : { peer: HUB, token: 1, pool: HUB }, hubOf: [] }), home: () => HUB
  } as unknown as TopologyContext)
}

test.each([
  ['falls silent', new SkeinError('SKEIN_DEADLINE', 'no answer')],
  ['dies while it is asked', new SkeinError('SKEIN_OUTCOME_UNKNOWN', 'the session ended')]
])('when the hub above %s, what is known below is told, and that it is only that', async (_what, failure) => {
  const tree = await below(failure).tree({ signal, timeout: 8_000, depth: 6 })
  expect(tree).toMatchObject({ peer: CHILD, above: HUB, children: [{ peer: MEMBER, tier: 'local', region: 'us' }] })
  expect(decodeTopology(encodeTopology(tree))).toMatchObject({ peer: CHILD, above: HUB })
})

test('a node that knows no hub above says so; what a hub refuses is passed on', async () => {
  const tree = await below(undefined).tree({ signal, timeout: 8_000, depth: 6 })
  expect(tree).toMatchObject({ peer: CHILD, above: '' })
  expect(decodeTopology(encodeTopology(tree)).above).toBe('')
  await expect(below(new SkeinError('SKEIN_HOPS', 'hubs are changing')).tree({ signal, timeout: 8_000, depth: 6 })).rejects.toMatchObject({ code: 'SKEIN_HOPS' })
})

describe('several that say to be hub of one pool', () => {
  const LIAR = testSigner(4).peer
  const ROOT = testSigner(5).peer
  const leaf = (peer: string) => ({ peer, name: peer.slice(-4), tier: 'leaf', region: '', role: 'member' as const, alive: true, draining: false, load: 0, servers: 0, children: [] })

  /** The top, with both below it; only those in `answering` tell their pool. */
  async function shown(claims: readonly { peer: string; token: number; alive?: boolean }[], answering: readonly string[], depth = 6) {
    const members = claims.map(({ peer, alive }) => ({ peer, state: alive === false ? 'dead' : 'alive', name: peer.slice(-4), addresses: [], tier: 'leaf', region: '', since: 0 }))
    const records = claims.map(({ peer, token }) => ({ peer, tier: 'local', region: '', servers: [], hub: { pool: 'p', token, children: 90_000, load: 1 } }))
    const { tree } = createTopology({
      deps: {
        clock: createManualClock(), load: () => 0, rtt: () => undefined, members: { members: () => members }, catalog: { records: () => records },
        ask: (peer: string) => (answering.includes(peer) ? Promise.resolve(encodeTopology({ ...leaf(peer), tier: 'local', role: 'hub', pool: 'p', children: [leaf(MEMBER)] } as never)) : Promise.reject(new Error('no answer')))
      },
      options: { self: ROOT, name: 'top', tier: 'global', region: '' }, view: { isThere: () => true }, keepers: new Map([['root', {}]]),
      edges: () => ({ up: undefined, hubOf: [{ pool: 'root', token: 1, children: [] }] }), home: () => 'root'
    } as unknown as TopologyContext)
    const { children } = await tree({ signal, timeout: 8_000, depth })
    return children.map(({ peer, role, pool, more, children: below }) => [peer, role, pool, more, below.length])
  }

  test('whoever tells what is below it is; the others are members, however many children they speak of', async () => {
    expect(await shown([{ peer: LIAR, token: 4 }, { peer: HUB, token: 3 }], [HUB])).toEqual([[LIAR, 'member', undefined, undefined, 0], [HUB, 'hub', 'p', undefined, 1]])
    expect(await shown([{ peer: LIAR, token: 4, alive: false }, { peer: HUB, token: 3 }], [HUB])).toEqual([[LIAR, 'member', undefined, undefined, 0], [HUB, 'hub', 'p', undefined, 1]])
  })

  test('if none does, or none is asked, it is the one with the newest lease that can be', async () => {
    const claims = [{ peer: LIAR, token: 70_000 }, { peer: HUB, token: 4 }, { peer: CHILD, token: 3 }]
    const expected = [[LIAR, 'member', undefined, undefined, 0], [HUB, 'hub', 'p', 90_000, 0], [CHILD, 'member', undefined, undefined, 0]]
    expect(await shown(claims, [])).toEqual(expected)
    expect(await shown(claims, [HUB], 1)).toEqual(expected)
    expect(await shown([{ peer: LIAR, token: 5, alive: false }, { peer: HUB, token: 4 }], [])).toEqual(expected.slice(0, 2))
  })

  test('one alone is shown as hub, also when it is dead', async () => {
    expect(await shown([{ peer: HUB, token: 3, alive: false }], [])).toEqual([[HUB, 'hub', 'p', undefined, 0]])
  })
})
