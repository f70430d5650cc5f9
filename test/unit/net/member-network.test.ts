import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMemberNetwork, MAX_WAITING_BYTES } from '../../../src/net/member-network.ts'
import type { ByteStream, StreamHandlers } from '../../../src/rpc/ports.ts'
import { frameSwim } from '../../../src/wire/swim-frames.ts'
import { createManualClock } from '../../support/manual-clock.ts'

interface FakeStream extends ByteStream {
  sent: string[]
  unsent: number
  /** While true nothing leaves. */
  full: boolean
  aborted: boolean
  receive(bytes: Uint8Array): void
  drain(): void
  end(): void
}

function createFakeStream(): FakeStream {
  let handlers: StreamHandlers | undefined
  const stream: FakeStream = {
    sent: [],
    unsent: 0,
    full: false,
    aborted: false,
    send(bytes) {
      stream.sent.push(Buffer.from(bytes.subarray(4)).toString())
      if (stream.full) stream.unsent += bytes.length
      return !stream.full
    },
    pause() {},
    resume() {},
    close() {},
    abort(reason) {
      stream.aborted = true
      handlers?.closed(reason)
    },
    attach(given) {
      handlers = given
    },
    receive: (bytes) => handlers?.data(bytes),
    drain() {
      stream.full = false
      stream.unsent = 0
      handlers?.drain()
    },
    end: () => handlers?.closed()
  }
  return stream
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve()
}

function setup() {
  const clock = createManualClock()
  const up = new Set(['p'])
  const openings: { resolve(stream: ByteStream): void; reject(error: Error): void; signal: AbortSignal }[] = []
  let accept: (peer: string, stream: ByteStream) => void = () => {}
  const network = createMemberNetwork(
    {
      swim: {
        isUp: (peer) => up.has(peer),
        open: (_peer, { signal }) => new Promise((resolve, reject) => openings.push({ resolve, reject, signal })),
        onStream: (listener) => (accept = listener)
      },
      connect: async () => 'p',
      abandon() {}
    },
    { clock, logger: silentLogger }
  )
  const heard: string[] = []
  network.onFrame((peer, message) => heard.push(`${peer} ${Buffer.from(message).toString()}`))
  const inbound = () => {
    const stream = createFakeStream()
    accept('p', stream)
    return stream
  }
  const opened = async () => {
    const stream = createFakeStream()
    openings.at(-1)?.resolve(stream)
    await settle()
    return stream
  }
  const send = (text: string) => network.send('p', frameSwim(Buffer.from(text)))
  return { network, clock, up, openings, heard, inbound, opened, send }
}

describe('member network', () => {
  test('frames wait for one opening and leave in order', async () => {
    const { openings, opened, send } = setup()
    expect([send('a'), send('b')]).toEqual(['kept', 'kept'])
    expect(openings).toHaveLength(1)
    const stream = await opened()
    expect(stream.sent).toEqual(['a', 'b'])
    expect(send('c')).toBe('sent')
    expect(stream.sent).toEqual(['a', 'b', 'c'])
  })

  test('beyond the bound the oldest waiting frames go, never the newest', async () => {
    const { opened, send } = setup()
    const large = 'x'.repeat(MAX_WAITING_BYTES)
    expect(send('old')).toBe('kept')
    expect(send(large)).toBe('replaced')
    expect(send('new')).toBe('replaced')
    const stream = await opened()
    expect(stream.sent).toEqual(['new'])
  })

  test('a stream with too much unsent gets nothing until it drains', () => {
    const { inbound, send } = setup()
    const stream = inbound()
    stream.full = true
    expect(send('y'.repeat(MAX_WAITING_BYTES))).toBe('sent')
    expect([send('1'), send('2')]).toEqual(['kept', 'kept'])
    expect(stream.sent).toHaveLength(1)
    stream.drain()
    expect(stream.sent.slice(1)).toEqual(['1', '2'])
  })

  test('an inbound stream serves what waits for an opening', () => {
    const { inbound, send } = setup()
    send('a')
    expect(inbound().sent).toEqual(['a'])
  })

  test('the stream that was heard last is used, and at its end the other', () => {
    const { clock, inbound, send } = setup()
    const [first, second] = [inbound(), inbound()]
    send('1')
    clock.advance(10)
    second.receive(frameSwim(Buffer.from('hello')))
    send('2')
    second.end()
    send('3')
    expect(first.sent).toEqual(['1', '3'])
    expect(second.sent).toEqual(['2'])
  })

  test('an opening has two seconds; after a failure what waited is lost, and the next one is paced', async () => {
    const { clock, openings, opened, send } = setup()
    send('stale')
    clock.advance(2_000)
    const { signal, reject } = openings[0] as (typeof openings)[number]
    expect(signal.reason).toMatchObject({ code: 'SKEIN_DEADLINE' })
    reject(signal.reason as Error)
    await settle()
    expect(send('fresh')).toBe('kept')
    expect(openings).toHaveLength(2)
    openings[1]?.reject(new Error('refused'))
    await settle()
    expect(send('too soon')).toBe('lost')
    clock.advance(200)
    expect(send('again')).toBe('kept')
    expect((await opened()).sent).toEqual(['again'])
    expect(clock.pending).toBe(0)
  })

  test('without a connection a frame is lost', () => {
    const { up, openings, send } = setup()
    up.clear()
    expect(send('a')).toBe('lost')
    expect(openings).toEqual([])
  })

  test('messages in pieces are put together; a bad length resets that stream only', () => {
    const { heard, inbound } = setup()
    const [good, bad] = [inbound(), inbound()]
    const bytes = Buffer.concat([frameSwim(Buffer.from('one')), frameSwim(Buffer.from('two'))])
    for (const byte of bytes) good.receive(Uint8Array.of(byte))
    bad.receive(Uint8Array.of(255, 255, 255, 255))
    expect(heard).toEqual(['p one', 'p two'])
    expect([good.aborted, bad.aborted]).toEqual([false, true])
  })

  test('a peer cannot open streams without end', () => {
    const { inbound } = setup()
    const streams = Array.from({ length: 10 }, () => inbound())
    expect(streams.map(({ aborted }) => aborted)).toEqual([...Array(8).fill(false), true, true])
  })

  test('after stop nothing is sent, opened or taken', async () => {
    const { network, clock, openings, inbound, send } = setup()
    send('a')
    network.stop()
    expect(openings[0]?.signal.aborted).toBe(true)
    openings[0]?.reject(new Error('stopped'))
    await settle()
    expect(send('b')).toBe('lost')
    expect(inbound().aborted).toBe(true)
    expect(clock.pending).toBe(0)
  })
})
