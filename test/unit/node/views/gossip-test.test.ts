import { describe, expect, test } from 'vitest'
import type { SkeinError } from '../../../../src/base/errors.ts'
import { silentLogger } from '../../../../src/base/logger.ts'
import { seededRandom } from '../../../../src/base/random.ts'
import { ANSWER_EVERY, createGossipTest, pathTo, TEST_EVERY } from '../../../../src/node/views/gossip-test.ts'
import type { ServerExchange } from '../../../../src/rpc/types.ts'
import { decodeGossipTest, decodeGossipTestReport, encodeGossipTest, encodeGossipTestReport } from '../../../../src/wire/gossip-test.ts'
import { METHOD } from '../../../../src/wire/protocols.ts'
import { createManualClock } from '../../../support/manual-clock.ts'
import { testSigner } from '../../../support/security-world.ts'

type State = 'alive' | 'suspect' | 'dead' | 'left'
const SCOPE = { federation: 'f', pool: 'root' }
const [SELF, B, C, D] = [1, 2, 3, 4].map((seed) => testSigner(seed).peer) as [string, string, string, string]
const NAMES: Record<string, string> = { [SELF]: 'a', [B]: 'b', [C]: 'c', [D]: 'd' }

async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve()
}

/** One node; the others are what the test says for them. */
function setup(states: Record<string, State>) {
  const clock = createManualClock()
  const known = new Map<string, State>(Object.entries({ [SELF]: 'alive', ...states }))
  const published: Uint8Array[] = []
  const told: { peer: string; method: number; body: Uint8Array }[] = []
  let onMessage: (bytes: Uint8Array, from: string, via: string) => void = () => {}
  let handler: (exchange: ServerExchange) => void = () => {}
  const memberOf = (peer: string) => ({ peer, name: NAMES[peer] ?? '', state: known.get(peer) as State })
  const test = createGossipTest({
    ...SCOPE, clock, random: seededRandom(1), logger: silentLogger, self: SELF,
    network: {
      publish: async (_topic, bytes) => void published.push(bytes),
      subscribe: (_topic, listener) => void (onMessage = listener)
    },
    rpc: {
      handle: (_method, next) => void (handler = next),
      async call(peer, method, body) {
        told.push({ peer, method, body })
        return { body: new Uint8Array(), load: 0 }
      }
    },
    members: () => [...known.keys()].map(memberOf),
    member: (peer) => (known.has(peer) ? memberOf(peer) : undefined)
  })
  const answer = (peer: string, via: string, id = decodeGossipTest(published.at(-1) as Uint8Array).id) => {
    const ended: Uint8Array[] = []
    handler({ peer, body: encodeGossipTestReport({ ...SCOPE, id, via, at: 1 }), end: (body: Uint8Array) => ended.push(body) } as unknown as ServerExchange)
    expect(ended).toEqual([new Uint8Array()])
  }
  const handle = (exchange: Partial<ServerExchange>) => handler(exchange as ServerExchange)
  const run = (options: { within?: number; signal?: AbortSignal } = {}) => test.run({ signal: new AbortController().signal, ...options })
  return { clock, published, told, answer, handle, run, known, receive: (bytes: Uint8Array, from: string, via: string) => onMessage(bytes, from, via) }
}

describe('a test message of this node', () => {
  test('ends when all living members have answered, with the path of each', async () => {
    const { run, answer, clock } = setup({ [B]: 'alive', [C]: 'suspect' })
    const result = run()
    await settle()
    clock.advance(5)
    answer(C, B)
    clock.advance(5)
    answer(B, SELF)
    expect(await result).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{32}$/), sent: expect.any(Number), ms: 10,
      reached: [
        { peer: C, name: 'c', via: B, ms: 5, path: [SELF, B, C] },
        { peer: B, name: 'b', via: SELF, ms: 10, path: [SELF, B] }
      ],
      missing: []
    })
  })

  test('tells who did not answer, dead ones included and those that left not', async () => {
    const { run, answer, clock } = setup({ [B]: 'alive', [C]: 'alive', [D]: 'dead', left: 'left' })
    const result = run({ within: 300 })
    await settle()
    answer(B, C)
    clock.advance(299)
    await settle()
    clock.advance(1)
    // Whoever handed it to b did not answer: the path is not known.
    expect(await result).toMatchObject({ ms: 300, reached: [{ peer: B, via: C }], missing: [{ peer: C, name: 'c', state: 'alive' }, { peer: D, name: 'd', state: 'dead' }] })
    expect((await result).reached[0]).not.toHaveProperty('path')
  })

  test('waits for nobody when all others are dead, or there are none', async () => {
    expect(await setup({ [B]: 'dead' }).run()).toMatchObject({ reached: [], missing: [{ peer: B }], ms: 0 })
    expect(await setup({}).run()).toMatchObject({ reached: [], missing: [], ms: 0 })
  })

  test('one that dies meanwhile is not waited for once somebody else has answered', async () => {
    const { run, answer, known } = setup({ [B]: 'alive', [C]: 'alive' })
    const result = run()
    await settle()
    known.set(C, 'dead')
    answer(B, SELF)
    expect(await result).toMatchObject({ reached: [{ peer: B }], missing: [{ peer: C, state: 'dead' }] })
  })

  test('counts a member once, and nobody who is none, nor answers to another message', async () => {
    const { run, answer, clock } = setup({ [B]: 'alive', [C]: 'alive', [D]: 'left' })
    const result = run()
    await settle()
    answer(B, SELF)
    answer(B, C)
    answer(D, SELF)
    answer('stranger', SELF)
    answer(SELF, SELF)
    answer(C, SELF, new Uint8Array(16).fill(9))
    clock.advance(2_000)
    expect((await result).reached).toEqual([{ peer: B, name: 'b', via: SELF, ms: 0, path: [SELF, B] }])
  })

  test('one at a time and one a second', async () => {
    const { run, clock } = setup({ [B]: 'alive' })
    const busy = expect.objectContaining({ code: 'SKEIN_BUSY' })
    const first = run({ within: TEST_EVERY * 2 })
    await settle()
    clock.advance(TEST_EVERY + 1)
    await expect(run()).rejects.toEqual(busy)
    clock.advance(TEST_EVERY)
    await first
    const second = run({ within: 50 })
    await settle()
    clock.advance(50)
    await second
    await expect(run()).rejects.toEqual(busy)
    clock.advance(TEST_EVERY - 50)
    const third = run({ within: 50 })
    await settle()
    clock.advance(50)
    expect(await third).toMatchObject({ missing: [{ peer: B }] })
  })

  test('a report that cannot be read is refused', () => {
    const failed: SkeinError[] = []
    setup({}).handle({ peer: B, body: new Uint8Array(9), fail: (error) => failed.push(error) })
    expect(failed).toMatchObject([{ code: 'SKEIN_PROTOCOL' }])
  })

  test('gives up with its signal, and leaves no timer', async () => {
    const { run, clock } = setup({ [B]: 'alive' })
    const controller = new AbortController()
    const result = run({ signal: controller.signal })
    await settle()
    controller.abort(new Error('gone'))
    await expect(result).rejects.toThrow('gone')
    expect(clock.pending).toBe(0)
  })
})

describe('a test message of another member', () => {
  const bytes = encodeGossipTest({ ...SCOPE, id: new Uint8Array(16).fill(7) })

  test('is answered to its sender: over whom, and when', () => {
    const { receive, told, clock } = setup({ [B]: 'alive', [C]: 'alive' })
    receive(bytes, B, C)
    expect(told).toMatchObject([{ peer: B, method: METHOD.GOSSIP_TEST }])
    expect(decodeGossipTestReport((told[0] as { body: Uint8Array }).body)).toEqual({ ...SCOPE, id: new Uint8Array(16).fill(7), via: C, at: Math.floor(clock.wall()) })
  })

  test('only now and then, for each sender by itself', () => {
    const { receive, told, clock } = setup({ [B]: 'alive', [C]: 'alive' })
    for (let n = 0; n < 10; n++) receive(bytes, B, B)
    receive(bytes, C, C)
    expect(told.map(({ peer }) => peer)).toEqual([B, C])
    clock.advance(ANSWER_EVERY)
    receive(bytes, B, B)
    expect(told).toHaveLength(3)
  })

  test.each([
    ['a stranger', bytes, D],
    ['one that left', bytes, C],
    ['this node', bytes, SELF],
    ['another federation', encodeGossipTest({ ...SCOPE, federation: 'other', id: new Uint8Array(16) }), B],
    ['another pool', encodeGossipTest({ ...SCOPE, pool: 'other', id: new Uint8Array(16) }), B],
    ['a fool', new Uint8Array(20), B]
  ])('is not answered when it is of %s', (_what, message, from) => {
    const { receive, told } = setup({ [B]: 'alive', [C]: 'left' })
    receive(message, from, B)
    expect(told).toEqual([])
  })
})

test.each([
  ['direct', { b: 'a' }, 'b', ['a', 'b']],
  ['over two', { b: 'a', c: 'b', d: 'c' }, 'd', ['a', 'b', 'c', 'd']],
  ['over one that did not say', { c: 'b' }, 'c', undefined],
  ['in a circle', { b: 'c', c: 'b' }, 'c', undefined],
  ['over itself', { b: 'b' }, 'b', undefined]
])('the path %s', (_what, via, peer, path) => {
  expect(pathTo('a', peer, (at) => (via as Record<string, string>)[at])).toEqual(path)
})
