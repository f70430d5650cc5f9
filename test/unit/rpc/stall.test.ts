import { describe, expect, test } from 'vitest'
import { createConnected } from '../../support/rpc-net.ts'

const KEEP = 2
const body = new Uint8Array(8)

/** Node `a` with a request that `b` keeps. */
async function waiting(timeout = 60_000) {
  const world = await createConnected()
  const conditions: string[] = []
  world.a.rpc.onCondition((peer) => conditions.push(`${peer} ${String(world.a.rpc.session(peer)?.stalled)}`))
  world.b.rpc.handle(KEEP, () => {})
  // The first pings are over.
  await world.net.advance(8_000)
  const ask = () => world.a.rpc.call('b', KEEP, body, { timeout }).catch(() => {})
  const block = (on: boolean) => {
    world.pair.a.stalled = world.pair.b.stalled = on
  }
  const isStalled = () => world.a.rpc.session('b')?.stalled
  return { ...world, conditions, ask, block, isStalled }
}

describe('a session that gives no sign of life', () => {
  test('while a request waits: stalled after 300 ms of silence and 500 ms without PONG; whatever comes ends it', async () => {
    const { net, ask, block, isStalled, conditions } = await waiting()
    block(true)
    void ask()
    await net.advance(780)
    expect(isStalled()).toBe(false)
    await net.advance(340)
    expect(isStalled()).toBe(true)
    block(false)
    await net.run()
    expect(isStalled()).toBe(false)
    expect(conditions).toEqual(['b true', 'b false'])
  })

  test('is not judged while nothing waits', async () => {
    const { net, block, isStalled } = await waiting()
    block(true)
    await net.advance(9_000)
    expect(isStalled()).toBe(false)
  })

  test('unless there is doubt', async () => {
    const { net, a, block, isStalled } = await waiting()
    await net.advance(1_000)
    block(true)
    a.rpc.doubt('b')
    await net.advance(480)
    expect(isStalled()).toBe(false)
    await net.advance(300)
    expect(isStalled()).toBe(true)
  })

  test('doubt about one that answers changes nothing and ends', async () => {
    const { net, a, isStalled, pair } = await waiting()
    await net.advance(1_000)
    a.rpc.doubt('b')
    await net.advance(1_000)
    expect(isStalled()).toBe(false)
    const { sends } = pair.a
    await net.advance(1_000)
    expect(pair.a.sends - sends).toBeLessThanOrEqual(1)
  })

  test('a call of a minute costs a PING now and then, and is not stalled', async () => {
    const { net, ask, isStalled, pair } = await waiting()
    void ask()
    await net.advance(2_000)
    const { sends } = pair.a
    await net.advance(30_000)
    expect(isStalled()).toBe(false)
    expect(pair.a.sends - sends).toBeGreaterThan(10)
    expect(pair.a.sends - sends).toBeLessThan(25)
  })

  test('a process that stood still itself does not blame the other', async () => {
    const { net, ask, isStalled } = await waiting()
    void ask()
    await net.advance(360)
    net.clock.jump(5_000)
    expect(isStalled()).toBe(false)
    await net.advance(2_000)
    expect(isStalled()).toBe(false)
  })

  test('what is on its way may keep the PONG back: a slow line is not a dead one', async () => {
    const { net, a, block, isStalled } = await waiting()
    block(true)
    void a.rpc.call('b', KEEP, new Uint8Array(200_000), { timeout: 60_000 }).catch(() => {})
    await net.advance(1_400)
    expect(isStalled()).toBe(false)
    await net.advance(1_800)
    expect(isStalled()).toBe(true)
  })

  test('it closes nothing: the request is answered when the way is good again', async () => {
    const { net, a, b, block, isStalled } = await waiting()
    b.rpc.handle(3, (exchange) => exchange.end(exchange.body))
    block(true)
    const answer = a.rpc.call('b', 3, body, { timeout: 60_000 })
    await net.advance(5_000)
    expect(isStalled()).toBe(true)
    block(false)
    await net.run()
    expect((await answer).body.length).toBe(body.length)
  })

  test('a stalled session gives way to a new one, also where the rule of two sessions says otherwise', async () => {
    const { net, a, b, pair } = await waiting()
    // `a` opened the first: the lower one, which wins over any stream of `b`.
    await net.advance(1_000)
    pair.a.stalled = pair.b.stalled = true
    a.rpc.doubt('b')
    await net.advance(1_000)
    expect(a.rpc.session('b')?.stalled).toBe(true)
    // `b` has lost the connection and dials anew.
    b.rpc.peerDown('a')
    b.rpc.peerUp('a')
    await net.advance(3_000)
    expect(net.pairs).toHaveLength(2)
    expect(a.rpc.session('b')?.stalled).toBe(false)
    b.rpc.handle(3, (exchange) => exchange.end(exchange.body))
    const answer = a.rpc.call('b', 3, body, { timeout: 1_000 })
    await net.run()
    expect((await answer).body.length).toBe(body.length)
  })
})

describe('asking for a sign of life', () => {
  test('a young one is taken as it is, an old one is asked for, none is none', async () => {
    const { net, a, block } = await waiting()
    await net.advance(2_000)
    const seen: unknown[] = []
    const check = (fresh: number) => void a.rpc.check('b', { fresh, within: 1_000 }).then((sign) => seen.push(sign?.age))
    check(10_000)
    await net.run()
    expect(seen[0]).toBeGreaterThan(0)
    check(100)
    await net.run()
    expect(seen[1]).toBe(0)
    block(true)
    await net.advance(500)
    check(100)
    await net.advance(960)
    expect(seen).toHaveLength(2)
    await net.advance(100)
    expect(seen[2]).toBeUndefined()
    expect(seen).toHaveLength(3)
    // Who does not answer when asked is stalled, although nothing waits.
    expect(a.rpc.session('b')?.stalled).toBe(true)
    void a.rpc.check('nobody', { fresh: 1, within: 1 }).then((sign) => seen.push(sign))
    await net.run()
    expect(seen[3]).toBeUndefined()
  })
})
