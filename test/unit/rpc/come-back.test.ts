import { describe, expect, test } from 'vitest'
import { createConnected } from '../../support/rpc-net.ts'
import type { ServerExchange } from '../../../src/rpc/types.ts'

const ECHO = 1
const KEEP = 2
const body = (size: number) => new Uint8Array(size)
const codeOf = (promise: Promise<unknown>) => promise.then(() => 'ok', (error: { code?: string }) => error.code)

async function connected(options: Parameters<typeof createConnected>[0] = {}) {
  const all = await createConnected(options)
  const kept: ServerExchange[] = []
  for (const node of [all.a, all.b]) {
    node.rpc.handle(ECHO, (exchange) => exchange.end(exchange.body))
    node.rpc.handle(KEEP, (exchange) => kept.push(exchange))
  }
  return { ...all, kept }
}

describe('a node that comes back after GOAWAY', () => {
  // `a` has the lower id and so opened the first session; `b` waits for it to open, but for this.
  test.each([['a'], ['b']] as const)('%s: new requests go through at once on a new session, without a gap in between', async (who) => {
    const { net, ...nodes } = await connected()
    const other = who === 'a' ? 'b' : 'a'
    const asking = nodes[other].rpc
    nodes[who].rpc.goaway('draining')
    await net.run()
    const refused = codeOf(asking.call(who, ECHO, body(1), { timeout: 1_000 }))
    expect(await refused).toBe('SKEIN_GOAWAY')
    expect(nodes[who].rpc.welcoming).toBe(false)

    nodes[who].rpc.comeBack()
    expect(nodes[who].rpc.welcoming).toBe(false)
    await net.run()
    expect(nodes[who].rpc.welcoming).toBe(true)
    const answer = codeOf(asking.call(who, ECHO, body(1), { timeout: 1_000 }))
    await net.run()
    expect(await answer).toBe('ok')
    expect(net.pairs.map(({ from }) => from)).toEqual(['a', who])
    // Neither side took the other for gone meanwhile.
    expect([nodes.a.events, nodes.b.events].map((events) => events.map(({ type }) => type))).toEqual([['up'], ['up']])
    expect([nodes.a.rpc.sessions(), nodes.b.rpc.sessions()].map((sessions) => sessions.map(({ draining }) => draining))).toEqual([[false], [false]])
  })

  test('what ran before goes on where it began, and that session ends with it', async () => {
    const { net, a, b, kept, pair } = await connected()
    const running = a.rpc.call('b', KEEP, body(1), { timeout: 60_000 })
    await net.run()
    b.rpc.goaway('draining')
    await net.run()
    b.rpc.comeBack()
    await net.run()
    expect(b.rpc.running).toBe(1)
    expect(pair.a.closed).toBe(false)
    kept[0]!.end(body(7))
    await net.run()
    expect((await running).body).toHaveLength(7)
    expect(pair.a.closed).toBe(true)
    expect(b.rpc.running).toBe(0)
    await net.advance(5_000)
    expect(net.pairs).toHaveLength(2)
  })

  test('again and again', async () => {
    const { net, a, b } = await connected()
    for (let time = 0; time < 5; time++) {
      b.rpc.goaway('draining')
      await net.run()
      b.rpc.comeBack()
      await net.run()
      const answer = codeOf(a.rpc.call('b', ECHO, body(1), { timeout: 1_000 }))
      await net.run()
      expect(await answer).toBe('ok')
    }
    expect(net.pairs.filter(({ pair }) => !pair.a.closed)).toHaveLength(1)
  })

  test('both at the same time', async () => {
    const { net, a, b } = await connected()
    a.rpc.goaway('draining')
    b.rpc.goaway('draining')
    await net.run()
    a.rpc.comeBack()
    await net.run()
    b.rpc.comeBack()
    await net.run()
    const answers = [codeOf(a.rpc.call('b', ECHO, body(1), { timeout: 1_000 })), codeOf(b.rpc.call('a', ECHO, body(1), { timeout: 1_000 }))]
    await net.run()
    expect(await Promise.all(answers)).toEqual(['ok', 'ok'])
  })

  test('a node that never left has nothing to do', async () => {
    const { net, a } = await connected()
    a.rpc.comeBack()
    await net.advance(2_000)
    expect(net.pairs).toHaveLength(1)
    expect(a.rpc.welcoming).toBe(true)
  })
})

test('idle waits until a large answer has left, not only until it was made', async () => {
  const { net, a, b, kept } = await connected({ a: { limits: { window: 65_536 } } })
  const exchange = a.rpc.open('b', KEEP, body(1), { timeout: 60_000 })
  exchange.pause()
  await net.run()
  let idle = false
  void b.rpc.idle().then(() => (idle = true))
  // One message that is held back keeps credit, and so the answer behind it.
  kept[0]!.send(body(60_000))
  kept[0]!.end(body(1_000_000))
  await net.run()
  expect([b.rpc.running, idle]).toEqual([0, false])
  exchange.resume()
  await net.run()
  expect((await exchange.answer).body).toHaveLength(1_000_000)
  expect(idle).toBe(true)
})
