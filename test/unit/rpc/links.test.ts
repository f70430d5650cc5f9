import { describe, expect, test } from 'vitest'
import { chooseSession } from '../../../src/rpc/choose-session.ts'
import { createRpcNet } from '../../support/rpc-net.ts'
import { createStreamPair } from '../../support/stream-pair.ts'

const body = new Uint8Array(1)

describe('who opens', () => {
  test('the lower peer id at once, the other after a second without a session', async () => {
    const net = createRpcNet()
    const a = net.node('a')
    const b = net.node('b')
    b.rpc.peerUp('a')
    await net.advance(980)
    expect(net.pairs).toHaveLength(0)
    await net.advance(40)
    expect(net.pairs.map((pair) => pair.from)).toEqual(['b'])
    a.rpc.peerUp('b')
    await net.run()
    expect(net.pairs).toHaveLength(1)
    expect([a.events, b.events].map((events) => events.map((event) => event.type))).toEqual([['up'], ['up']])
  })

  test('openings that fail are repeated, ever slower, while the peer is up', async () => {
    const net = createRpcNet()
    const a = net.node('a')
    net.node('b')
    net.refuse = true
    a.rpc.peerUp('b')
    await net.advance(20_000)
    expect(a.rpc.sessions()).toHaveLength(0)
    net.refuse = false
    await net.advance(20_000)
    expect(a.rpc.sessions()).toHaveLength(1)
    a.rpc.peerDown('b')
    await net.advance(60_000)
    expect(net.pairs).toHaveLength(1)
    expect(a.events.map((event) => event.type)).toEqual(['up', 'down'])
  })

  test('a session that breaks is opened again', async () => {
    const net = createRpcNet()
    const [a, b] = [net.node('a'), net.node('b')]
    a.rpc.peerUp('b')
    b.rpc.peerUp('a')
    await net.run()
    net.pairs[0]!.pair.cut()
    await net.advance(3_000)
    expect(a.rpc.sessions()).toHaveLength(1)
    expect(a.events.map((event) => event.type)).toEqual(['up', 'down', 'up'])
  })
})

describe('two sessions to one peer', () => {
  test('the rule: newer boot, then lower opener, then lower nonce of the opener', () => {
    const hello = (boot: bigint, nonce: bigint) => ({ boot, nonce, version: 1, maxFrame: 0, window: 0, maxConcurrent: 0, maxBody: 0, federation: '' })
    const mine = { peer: 'b', opener: true, nonce: 5n, hello: hello(1n, 9n) }
    const theirs = { peer: 'b', opener: false, nonce: 1n, hello: hello(1n, 1n) }
    expect(chooseSession('a', mine, theirs)).toBe(mine)
    expect(chooseSession('a', theirs, mine)).toBe(mine)
    expect(chooseSession('c', { ...mine }, theirs)).toBe(theirs)
    const newer = { ...theirs, hello: hello(2n, 1n) }
    expect(chooseSession('a', mine, newer)).toBe(newer)
    const later = { ...mine, nonce: 4n }
    expect(chooseSession('a', mine, later)).toBe(later)
    expect(chooseSession('a', theirs, { ...theirs, hello: hello(1n, 2n) })).toBe(theirs)
  })

  test('both open at once: the lower opener wins at both ends, what runs on the other finishes', async () => {
    const net = createRpcNet()
    const [a, b] = [net.node('a'), net.node('b')]
    const served: (() => void)[] = []
    a.rpc.handle(1, (exchange) => served.push(() => exchange.end(body)))
    b.rpc.handle(1, (exchange) => exchange.end(body))
    let open = () => {}
    net.gate = new Promise((resolve) => {
      open = resolve
    })
    b.rpc.peerUp('a')
    a.rpc.peerUp('b')
    await net.advance(1_100)
    open()
    for (let hop = 0; hop < 8; hop++) await Promise.resolve()
    expect(net.pairs.map((opened) => opened.from).toSorted()).toEqual(['a', 'b'])
    const [first, second] = net.pairs[0]!.from === 'b' ? [net.pairs[0]!, net.pairs[1]!] : [net.pairs[1]!, net.pairs[0]!]
    second.pair.a.stalled = second.pair.b.stalled = true
    await net.run()
    // Only b's stream works so far.
    const running = b.rpc.call('a', 1, body, { timeout: 10_000 })
    await net.run()
    second.pair.a.stalled = second.pair.b.stalled = false
    await net.run()
    expect(first.pair.a.closed).toBe(false)
    const other = a.rpc.call('b', 1, body, { timeout: 10_000 })
    await net.run()
    expect((await other).body).toHaveLength(1)
    served[0]!()
    await net.run()
    expect((await running).body).toHaveLength(1)
    expect([first.pair.a.closed, second.pair.a.closed]).toEqual([true, false])
    expect([a.events, b.events].map((events) => events.map((event) => event.type))).toEqual([['up'], ['up']])
  })

  test('a restarted peer replaces its old session at once; what ran there has an unknown outcome', async () => {
    const net = createRpcNet()
    const a = net.node('a')
    const b = net.node('b', { boot: 1n })
    b.rpc.handle(1, () => {})
    a.rpc.peerUp('b')
    await net.run()
    const result = a.rpc.call('b', 1, body, { timeout: 100_000 }).catch((error: { code: string }) => error.code)
    await net.run()
    // The old process is gone without a word; the new one comes by another connection.
    net.pairs[0]!.pair.a.stalled = net.pairs[0]!.pair.b.stalled = true
    const again = net.node('b', { boot: 2n })
    again.rpc.peerUp('a')
    await net.advance(1_100)
    expect(await result).toBe('SKEIN_OUTCOME_UNKNOWN')
    expect(a.rpc.sessions()).toHaveLength(1)
    again.rpc.handle(1, (exchange) => exchange.end(exchange.body))
    const answer = a.rpc.call('b', 1, body, { timeout: 1_000 })
    await net.run()
    expect((await answer).body).toHaveLength(1)
  })

  test('more streams of one peer than four are refused', async () => {
    const net = createRpcNet()
    const a = net.node('a')
    const ends = Array.from({ length: 6 }, () => createStreamPair())
    for (const pair of ends) a.rpc.accept('z', pair.b)
    expect(ends.map((pair) => pair.b.closed)).toEqual([false, false, false, false, true, true])
    // Nobody says HELLO: nothing stays.
    await net.advance(5_100)
    expect(ends.every((pair) => pair.b.closed)).toBe(true)
    expect(a.rpc.sessions()).toHaveLength(0)
  })
})

test('close ends everything; foreign federations get no session', async () => {
  const net = createRpcNet()
  const a = net.node('a')
  net.node('b', { federation: 'other' })
  a.rpc.peerUp('b')
  await net.run()
  expect(a.rpc.sessions()).toHaveLength(0)
  a.rpc.close()
  await net.advance(60_000)
  expect(net.clock.pending).toBeLessThan(4)
})
