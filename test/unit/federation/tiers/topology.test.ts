import { expect, test } from 'vitest'
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
