import { describe, expect, test } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { createConnected } from '../../support/rpc-net.ts'
import type { ServerExchange } from '../../../src/rpc/types.ts'

const ECHO = 1
const KEEP = 2
const bytes = (size: number, seed = 0) => Uint8Array.from({ length: size }, (_, index) => (index * 31 + seed) & 0xff)
const settled = async (promise: Promise<unknown>): Promise<{ value?: unknown; error?: SkeinError }> =>
  promise.then(
    (value) => ({ value }),
    (error: SkeinError) => ({ error })
  )

async function connected(options: Parameters<typeof createConnected>[0] = {}) {
  const all = await createConnected(options)
  const kept: ServerExchange[] = []
  for (const node of [all.a, all.b]) {
    node.rpc.handle(ECHO, (exchange) => exchange.end(exchange.body))
    node.rpc.handle(KEEP, (exchange) => kept.push(exchange))
  }
  return { ...all, kept }
}

describe('an exchange', () => {
  test.each([
    ['whole', {}],
    ['one byte at a time', { fragment: 1 }],
    ['seven bytes at a time, a stream that is often full', { fragment: 7, capacity: 64 }]
  ])('carries body, header and load: %s', async (_, options) => {
    const { net, a, b } = await connected(options)
    let seen: ServerExchange | undefined
    b.rpc.handle(9, (exchange) => {
      seen = exchange
      exchange.end(bytes(5))
    })
    const trace = { traceId: bytes(16, 1), spanId: bytes(8, 2), flags: 1 }
    const answer = a.rpc.call('b', 9, bytes(100), { timeout: 1000, header: { trace, hops: 3, attributes: new Map([[2, bytes(7)]]) } })
    await net.run()
    const { body, load } = await answer
    expect(new Uint8Array(body)).toEqual(bytes(5))
    expect(load).toBe(0)
    expect(new Uint8Array(seen!.body)).toEqual(bytes(100))
    expect(seen!.header.trace).toEqual(trace)
    expect(seen!.header.hops).toBe(3)
    expect(new Uint8Array(seen!.header.attributes!.get(2)!)).toEqual(bytes(7))
    expect(seen!.peer).toBe('a')
  })

  test('goes either way over the one stream', async () => {
    const { net, a, b } = await connected()
    const answers = [a.rpc.call('b', ECHO, bytes(3), { timeout: 1000 }), b.rpc.call('a', ECHO, bytes(4), { timeout: 1000 })]
    await net.run()
    expect((await Promise.all(answers)).map((answer) => answer.body.length)).toEqual([3, 4])
    expect(net.pairs).toHaveLength(1)
  })

  test('frames of one tick leave in one write', async () => {
    const { net, a, pair } = await connected()
    const before = pair.a.sends
    const answers = Array.from({ length: 100 }, () => a.rpc.call('b', ECHO, bytes(128), { timeout: 1000 }))
    await net.run()
    await Promise.all(answers)
    expect(pair.a.sends - before).toBe(1)
  })

  test.each([16_000, 20_000, 65_536, 65_537, 300_000, 5_000_000])('a body of %i bytes arrives both ways', async (size) => {
    const { net, a } = await connected({ capacity: 100_000, fragment: 30_000 })
    const body = bytes(size)
    const answer = a.rpc.call('b', ECHO, body, { timeout: 1000 })
    await net.run()
    expect(Buffer.compare((await answer).body, body)).toBe(0)
    expect(a.rpc.sessions()[0]?.queueBytes).toBe(0)
  })

  test('messages go both ways in order, before the answer', async () => {
    const { net, a, kept } = await connected()
    const got: number[] = []
    const exchange = a.rpc.open('b', KEEP, bytes(1), { timeout: 1000, onMessage: (body) => got.push(body.length) })
    exchange.send(bytes(11))
    exchange.send(bytes(100_000))
    exchange.send(bytes(13))
    await net.run()
    const server = kept[0]!
    const served: number[] = []
    server.onMessage((body) => served.push(body.length))
    await net.run()
    server.send(bytes(21))
    server.send(bytes(200_000))
    server.send(bytes(22))
    server.end(bytes(2))
    await net.run()
    expect(served).toEqual([11, 100_000, 13])
    expect(got).toEqual([21, 200_000, 22])
    expect((await exchange.answer).body).toHaveLength(2)
  })

  test('an error keeps code, message and data, after what was sent before it', async () => {
    const { net, a, kept } = await connected({ capacity: 10 })
    const got: number[] = []
    const { answer } = a.rpc.open('b', KEEP, bytes(1), { timeout: 1000, onMessage: (body) => got.push(body.length) })
    const result = settled(answer)
    await net.run()
    kept[0]!.send(bytes(90_000))
    kept[0]!.fail(new SkeinError('SKEIN_UPSTREAM_DOWN', 'the server is down: start it', { data: { server: 'x' } }))
    await net.run()
    const { error } = await result
    expect([error?.code, error?.message, error?.data]).toEqual(['SKEIN_UPSTREAM_DOWN', 'the server is down: start it', { server: 'x' }])
    expect(got).toEqual([90_000])
  })

  test('a handler that throws answers SKEIN_INTERNAL; an unknown method SKEIN_NOT_FOUND', async () => {
    const { net, a, b } = await connected()
    b.rpc.handle(9, () => {
      throw new Error('oh')
    })
    const results = [settled(a.rpc.call('b', 9, bytes(1), { timeout: 1000 })), settled(a.rpc.call('b', 77, bytes(1), { timeout: 1000 }))]
    await net.run()
    expect((await Promise.all(results)).map((result) => result.error?.code)).toEqual(['SKEIN_INTERNAL', 'SKEIN_NOT_FOUND'])
    expect(b.rpc.sessions()[0]?.inService).toBe(0)
  })
})

describe('deadline and cancel', () => {
  test('the client rejects at its deadline and the handler is told', async () => {
    const { net, a, kept } = await connected()
    const result = settled(a.rpc.call('b', KEEP, bytes(1), { timeout: 500 }))
    await net.run()
    const reasons: string[] = []
    kept[0]!.onCancel((reason) => reasons.push(reason.code))
    await net.advance(480)
    expect(reasons).toEqual([])
    await net.advance(60)
    expect((await result).error?.code).toBe('SKEIN_DEADLINE')
    expect(reasons).toEqual(['SKEIN_DEADLINE'])
  })

  test('the server ends what is over time on its own when CANCEL cannot reach it', async () => {
    const { net, a, kept, pair } = await connected()
    void settled(a.rpc.call('b', KEEP, bytes(1), { timeout: 500 }))
    await net.run()
    pair.a.stalled = true
    let reason: SkeinError | undefined
    kept[0]!.onCancel((why) => {
      reason = why
    })
    await net.advance(600)
    expect(reason?.code).toBe('SKEIN_DEADLINE')
  })

  test('progress with renew restarts the deadline at both ends', async () => {
    const { net, a, kept } = await connected()
    const { answer } = a.rpc.open('b', KEEP, bytes(1), { timeout: 500 })
    await net.run()
    for (let round = 0; round < 4; round++) {
      await net.advance(400)
      kept[0]!.send(bytes(1), { renew: true })
    }
    await net.advance(400)
    kept[0]!.end(bytes(1))
    await net.run()
    expect((await answer).body).toHaveLength(1)
  })

  test('an abort signal cancels, the server knows, and no listener stays', async () => {
    const { net, a, kept } = await connected()
    const controller = new AbortController()
    let listeners = 0
    const { signal } = controller
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    signal.addEventListener = (...args: any[]) => (listeners++, (add as any)(...args))
    signal.removeEventListener = (...args: any[]) => (listeners--, (remove as any)(...args))
    const fine = a.rpc.call('b', ECHO, bytes(1), { timeout: 500, signal })
    const result = settled(a.rpc.call('b', KEEP, bytes(1), { timeout: 500, signal }))
    await net.run()
    await fine
    expect(listeners).toBe(1)
    controller.abort()
    await net.run()
    let told: SkeinError | undefined
    kept[0]!.onCancel((reason) => {
      told = reason
    })
    expect((await result).error?.code).toBe('SKEIN_CANCELLED')
    expect(told?.code).toBe('SKEIN_CANCELLED')
    expect(listeners).toBe(0)
    expect((await settled(a.rpc.call('b', ECHO, bytes(1), { timeout: 500, signal }))).error?.code).toBe('SKEIN_CANCELLED')
  })

  test('a cancelled handler counts as in service until it ends, or for its grace', async () => {
    const { net, a, b, kept } = await connected()
    for (let index = 0; index < 2; index++) {
      const exchange = a.rpc.open('b', KEEP, bytes(1), { timeout: 500 })
      await net.run()
      exchange.cancel()
    }
    await net.run()
    expect(b.rpc.sessions()[0]?.inService).toBe(2)
    kept[0]!.end(bytes(1))
    expect(b.rpc.sessions()[0]?.inService).toBe(1)
    await net.advance(30_100)
    expect(b.rpc.sessions()[0]?.inService).toBe(0)
    await b.rpc.idle()
  })
})

describe('limits', () => {
  test('a small call waits for a few chunks of a large body, not for all of it', async () => {
    const { net, a, pair } = await connected({ capacity: 262_144, fragment: 65_536 })
    const large = a.rpc.call('b', ECHO, bytes(10 * 1_048_576), { timeout: 100_000 })
    for (let index = 0; index < 20; index++) await Promise.resolve()
    // Let the large body fill the stream, then ask.
    net.clock.advance(0)
    let done = false
    let bytesAtDone = 0
    const started = pair.a.sentBytes
    const small = a.rpc.call('b', ECHO, bytes(100), { timeout: 100_000 }).then(() => {
      done = true
      bytesAtDone = pair.a.sentBytes - started
    })
    await net.run()
    await small
    await large
    expect(done).toBe(true)
    expect(bytesAtDone).toBeLessThan(10 * 65_536)
  })

  test('a small call goes ahead of many large bodies on a stream that is full after every chunk', async () => {
    const { net, a, b } = await connected({ capacity: 65_536, fragment: 65_536 })
    const order: string[] = []
    const ask = (rpc: typeof a.rpc, to: string, size: number, name: string) => rpc.call(to, ECHO, bytes(size), { timeout: 100_000 }).then(() => order.push(name))
    // So many that the credit of one never leaves the line of large ones empty.
    const work = Array.from({ length: 16 }, () => [ask(a.rpc, 'b', 1_048_576, 'large'), ask(b.rpc, 'a', 1_048_576, 'large')]).flat()
    work.push(ask(a.rpc, 'b', 100, 'small'))
    await net.run()
    await Promise.all(work)
    expect(order[0]).toBe('small')
  })

  test('many small calls and a large body share: neither starves', async () => {
    const { net, a } = await connected({ capacity: 65_536, fragment: 16_384 })
    const order: string[] = []
    const work = [a.rpc.call('b', ECHO, bytes(1_000_000), { timeout: 100_000 }).then(() => order.push('large'))]
    for (let index = 0; index < 1000; index++) work.push(a.rpc.call('b', ECHO, bytes(8_000, index), { timeout: 100_000 }).then(() => order.push('small')))
    await net.run()
    await Promise.all(work)
    // A megabyte of turns among eight: far from the end.
    expect(order.indexOf('large')).toBeLessThan(900)
  })

  test('small bodies cause no CREDIT; a receiver that holds messages withholds it, and memory stays bounded', async () => {
    const { net, a, b, kept, pair } = await connected()
    const exchange = a.rpc.open('b', KEEP, bytes(1), { timeout: 100_000 })
    for (let index = 0; index < 1000; index++) exchange.send(bytes(1_000))
    const before = pair.b.sentBytes
    await net.run()
    expect(pair.b.sentBytes).toBe(before)
    const held = pair.a.sentBytes
    expect(held).toBeLessThan(262_144 + 20_000)
    let got = 0
    kept[0]!.onMessage(() => got++)
    await net.run()
    expect(got).toBe(1000)
    expect(b.rpc.sessions()[0]?.queueBytes).toBe(0)
    kept[0]!.end(bytes(1))
    await net.run()
    await exchange.answer
  })

  test('a paused client holds messages back until it resumes', async () => {
    const { net, a, kept } = await connected()
    let got = 0
    const exchange = a.rpc.open('b', KEEP, bytes(1), { timeout: 100_000, onMessage: () => got++ })
    await net.run()
    exchange.pause()
    for (let index = 0; index < 400; index++) kept[0]!.send(bytes(1_000))
    await net.run()
    expect(got).toBe(0)
    exchange.resume()
    await net.run()
    expect(got).toBe(400)
  })

  test('requests over the limit of one session are refused, first here, then there', async () => {
    const { net, a, b } = await connected({ b: { limits: { maxConcurrent: 2 } } })
    const results = [1, 2, 3].map(() => settled(a.rpc.call('b', KEEP, bytes(1), { timeout: 1000 })))
    await net.run()
    expect((await (results[2] as Promise<{ error?: SkeinError }>)).error?.code).toBe('SKEIN_BUSY')
    expect(b.rpc.sessions()[0]?.inService).toBe(2)
    // Cancelled here, still at work there: now the other side says it.
    const controller = new AbortController()
    const { net: net2, a: a2 } = await connected({ b: { limits: { maxConcurrent: 1 } } })
    const first = settled(a2.rpc.call('b', KEEP, bytes(1), { timeout: 1000, signal: controller.signal }))
    await net2.run()
    controller.abort()
    await first
    const second = settled(a2.rpc.call('b', KEEP, bytes(1), { timeout: 1000 }))
    await net2.run()
    const { error } = await second
    expect([error?.code, error?.message.includes('already run here')]).toEqual(['SKEIN_BUSY', true])
  })

  test('bodies over the limit are refused before they leave; answers over it end the request', async () => {
    const { net, a, b } = await connected({ a: { limits: { maxBody: 100_000 } }, b: { limits: { maxBody: 50_000 } } })
    b.rpc.handle(9, (exchange) => exchange.end(bytes(100_001)))
    const results = [settled(a.rpc.call('b', ECHO, bytes(50_001), { timeout: 1000 })), settled(a.rpc.call('b', 9, bytes(1), { timeout: 1000 }))]
    await net.run()
    expect((await Promise.all(results)).map((result) => result.error?.code)).toEqual(['SKEIN_LIMIT', 'SKEIN_LIMIT'])
  })

  test('bodies in assembly count against the memory of the session', async () => {
    const { net, a } = await connected({ fragment: 65_536, b: { limits: { maxBuffered: 1_000_000 } } })
    const results = Array.from({ length: 4 }, () => settled(a.rpc.call('b', ECHO, bytes(600_000), { timeout: 1000 })))
    await net.run()
    const codes = (await Promise.all(results)).map((result) => result.error?.code ?? 'ok')
    expect(codes).toContain('SKEIN_LIMIT')
    expect(codes).toContain('ok')
  })

  test('a peer that reads nothing: the queue is bounded, calls are refused, the session ends', async () => {
    const { net, a, pair } = await connected({ a: { limits: { maxQueue: 8 * 1_048_576 } } })
    pair.a.stalled = true
    const results = Array.from({ length: 100 }, () => settled(a.rpc.call('b', ECHO, bytes(200_000), { timeout: 100_000 })))
    await net.run()
    const session = a.rpc.sessions()[0]!
    expect(session.queueBytes).toBeLessThan(8 * 1_048_576 + 300_000)
    expect(pair.a.peakUnsent).toBeLessThan(262_144 + 2 * 65_536)
    await net.advance(31_500)
    const codes = (await Promise.all(results)).map((result) => result.error?.code)
    expect(new Set(codes)).toEqual(new Set(['SKEIN_OUTCOME_UNKNOWN', 'SKEIN_UNDELIVERED', 'SKEIN_BUSY']))
  })
})

describe('the end of a stream', () => {
  test('what was sent has an unknown outcome, what never left is undelivered', async () => {
    const { net, a, b, pair, kept } = await connected()
    const sent = settled(a.rpc.call('b', KEEP, bytes(1), { timeout: 1000 }))
    await net.run()
    const unsent = settled(a.rpc.call('b', KEEP, bytes(1), { timeout: 1000 }))
    let told: SkeinError | undefined
    kept[0]!.onCancel((reason) => {
      told = reason
    })
    pair.cut()
    await net.run()
    expect([(await sent).error?.code, (await unsent).error?.code]).toEqual(['SKEIN_OUTCOME_UNKNOWN', 'SKEIN_UNDELIVERED'])
    expect(told?.code).toBe('SKEIN_SESSION_CLOSED')
    expect(a.events.at(-1)?.type).toBe('down')
    kept[0]!.end(bytes(1))
    await b.rpc.idle()
  })

  test('no session: undelivered', async () => {
    const { a } = await connected()
    expect((await settled(a.rpc.call('nobody', ECHO, bytes(1), { timeout: 1000 }))).error?.code).toBe('SKEIN_UNDELIVERED')
  })

  test('GOAWAY: what runs finishes, what was not accepted and what comes later is refused', async () => {
    const { net, a, b, kept, pair } = await connected()
    const running = a.rpc.call('b', KEEP, bytes(1), { timeout: 1000 })
    await net.run()
    pair.a.stalled = true
    const crossing = settled(a.rpc.call('b', KEEP, bytes(1), { timeout: 1000 }))
    // What comes after the OPEN of these, BODY and CANCEL, crosses too, and nobody may take it for a broken rule.
    const crossingLarge = settled(a.rpc.call('b', KEEP, bytes(200_000), { timeout: 1000 }))
    const givenUp = a.rpc.open('b', KEEP, bytes(1), { timeout: 1000 })
    const crossingGivenUp = settled(givenUp.answer)
    givenUp.cancel()
    b.rpc.goaway('stopping')
    await net.run()
    pair.a.stalled = false
    await net.run()
    expect((await crossing).error?.code).toBe('SKEIN_GOAWAY')
    expect([(await crossingLarge).error?.code, (await crossingGivenUp).error?.code]).toEqual(['SKEIN_GOAWAY', 'SKEIN_CANCELLED'])
    expect((await settled(a.rpc.call('b', ECHO, bytes(1), { timeout: 1000 }))).error?.code).toBe('SKEIN_GOAWAY')
    let idle = false
    void b.rpc.idle().then(() => {
      idle = true
    })
    await net.run()
    expect([kept.length, idle]).toEqual([1, false])
    kept[0]!.end(bytes(3))
    await net.run()
    expect((await running).body).toHaveLength(3)
    expect(idle).toBe(true)
    // The leaving node may still ask.
    const back = b.rpc.call('a', ECHO, bytes(2), { timeout: 1000 })
    await net.run()
    expect((await back).body).toHaveLength(2)
  })

  test('ids that run out: the session is followed by another, nothing fails', async () => {
    const { net, a } = await connected({ a: { limits: { maxExchangeId: 9 } } })
    let ok = 0
    for (let index = 0; index < 30; index++) {
      const result = settled(a.rpc.call('b', ECHO, bytes(1), { timeout: 1000 }))
      await net.run()
      if ((await result).value !== undefined) ok++
      else await net.advance(1000)
    }
    expect(ok).toBeGreaterThan(20)
    expect(net.pairs.length).toBeGreaterThan(4)
    expect(a.rpc.sessions()).toHaveLength(1)
  })
})

describe('life signs', () => {
  test('the round trip is measured right after HELLO', async () => {
    const { a, b } = await connected()
    expect(a.rpc.sessions()[0]?.rtt).toBe(0)
    expect(b.rpc.sessions()[0]?.rtt).toBe(0)
  })

  test('one slow round trip is forgotten within seconds: the first one often meets a busy peer', async () => {
    const { net, a, pair } = await connected()
    pair.b.stalled = true
    await net.advance(10_000)
    pair.b.stalled = false
    await net.advance(10_000)
    expect(a.rpc.sessions()[0]?.rtt).toBe(0)
  })

  test('a silent peer is given up after 30 s, a quiet healthy one never', async () => {
    const { net, a, pair } = await connected()
    await net.advance(120_000)
    expect(a.events).toHaveLength(1)
    pair.b.stalled = true
    net.refuse = true
    // The last sign of life may be one ping old.
    await net.advance(19_000)
    expect(a.events).toHaveLength(1)
    await net.advance(13_000)
    expect(a.events.at(-1)?.type).toBe('down')
  })
})
