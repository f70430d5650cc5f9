import { createServer, type AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import type { Host, HostEvents } from '../../../src/net/host.ts'
import { createMemberNetwork, type FrameNetwork } from '../../../src/net/member-network.ts'
import type { ByteStream } from '../../../src/rpc/ports.ts'
import { frameSwim } from '../../../src/wire/swim-frames.ts'
import { secretRules, startHost } from '../../support/hosts.ts'
import { waitUntil } from '../../support/wait-until.ts'
import { silentAddress } from './silent-address.ts'

const addressOf = (host: Host) => `${host.addresses()[0]}/p2p/${host.self}`
const within = (ms: number) => ({ signal: AbortSignal.timeout(ms) })

const closers: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

interface Node {
  host: Host
  network: FrameNetwork
  /** Messages as text, in order of arrival. */
  heard: string[]
}

async function startNode(seed: number, options: { secret?: string; events?: Partial<HostEvents> } = {}): Promise<Node> {
  const host = await startHost({ seed, rules: secretRules(options.secret ?? 's'), events: options.events ?? {} })
  const network = createMemberNetwork(host, { clock: systemClock, logger: silentLogger })
  const heard: string[] = []
  network.onFrame((_peer, message) => heard.push(Buffer.from(message).toString()))
  closers.push(async () => {
    network.stop()
    await host.stop()
  })
  return { host, network, heard }
}

const frame = (text: string) => frameSwim(Buffer.from(text))

describe('frames between members', () => {
  test('the first is kept while a stream opens, then they go both ways, in order; lost without a connection', async () => {
    const [a, b] = await Promise.all([startNode(31), startNode(32)])
    expect(a.network.send(b.host.self, frame('x'))).toBe('lost')
    await a.network.dial(b.host.self, b.host.addresses(), { timeout: 5_000, signal: AbortSignal.timeout(5_000) })
    expect(a.network.send(b.host.self, frame('1'))).toBe('kept')
    await waitUntil('b hears it', () => b.heard.length === 1)
    // On the stream that a opened.
    expect(b.network.send(a.host.self, frame('answer'))).toBe('sent')
    for (let count = 2; count <= 50; count++) expect(a.network.send(b.host.self, frame(String(count)))).toBe('sent')
    await waitUntil('all is heard', () => b.heard.length === 50 && a.heard.length === 1)
    expect(b.heard).toEqual(Array.from({ length: 50 }, (_, index) => String(index + 1)))
    a.network.close(b.host.self)
    expect(a.host.peers()).toEqual([])
    expect(a.network.send(b.host.self, frame('x'))).toBe('lost')
  })

  test('both may begin at once, and when a stream is reset the next frame opens another', async () => {
    const [a, b] = await Promise.all([startNode(33), startNode(34)])
    await a.host.connect([addressOf(b.host)], within(5_000))
    await waitUntil('b sees it', () => b.host.peers().length === 1)
    a.network.send(b.host.self, frame('from a'))
    b.network.send(a.host.self, frame('from b'))
    await waitUntil('both are heard', () => a.heard.includes('from b') && b.heard.includes('from a'))
    // A stream of its own with a length that no message has: reset, and nothing else is harmed.
    const rogue = await a.host.swim.open(b.host.self, within(5_000))
    let closed = false
    rogue.attach({ data() {}, drain() {}, closed: () => (closed = true) })
    rogue.send(Buffer.from([0xff, 0xff, 0xff, 0xff]))
    await waitUntil('it is reset', () => closed)
    expect(a.network.send(b.host.self, frame('later'))).toBe('sent')
    await waitUntil('it is heard', () => b.heard.includes('later'))
  })

  test('a stranger gets no stream', async () => {
    const [a, b] = await Promise.all([startNode(35), startNode(36, { secret: 'other' })])
    await b.host.connect([addressOf(a.host)], within(5_000)).catch(() => {})
    expect(b.network.send(a.host.self, frame('x'))).toBe('lost')
    await expect(b.host.swim.open(a.host.self, within(1_000))).rejects.toMatchObject({ code: 'SKEIN_UNDELIVERED' })
    expect(a.heard).toEqual([])
  })

  test('a silent address among several does not hold up a dial', async () => {
    const [a, b] = await Promise.all([startNode(38), startNode(39)])
    const silent = await silentAddress(closers)
    await a.network.dial(b.host.self, [silent, '/ip4/127.0.0.1/tcp/9', ...b.host.addresses()], { timeout: 3_000, signal: within(10_000).signal })
    expect(a.host.peers()).toEqual([b.host.self])
  })

  test('a dial to nobody fails within its time, and one that is aborted at once', async () => {
    const a = await startNode(37)
    const peer = '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'
    await expect(a.network.dial(peer, ['/ip4/127.0.0.1/tcp/9'], { timeout: 1_000, signal: within(5_000).signal })).rejects.toMatchObject({ code: 'SKEIN_DIAL_FAILED' })
    const mute = createServer((socket) => socket.on('error', () => {}))
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
    closers.push(async () => void mute.close())
    const address = `/ip4/127.0.0.1/tcp/${(mute.address() as AddressInfo).port}`
    const began = performance.now()
    await expect(a.network.dial(peer, [address], { timeout: 200, signal: within(5_000).signal })).rejects.toThrow()
    await expect(a.network.dial(peer, [address], { timeout: 5_000, signal: AbortSignal.abort(new Error('stop')) })).rejects.toThrow()
    await expect(a.network.dial(peer, ['nonsense'], { timeout: 5_000, signal: within(5_000).signal })).rejects.toMatchObject({ code: 'SKEIN_DIAL_FAILED' })
    expect(performance.now() - began).toBeLessThan(3_000)
  })
})

test('frames and gossip get through while sessions fill the connection both ways', async () => {
  let accepted: ByteStream | undefined
  const a = await startNode(41)
  const b = await startNode(42, { events: { sessionStream: (_peer, stream) => (accepted = stream) } })
  b.network.onFrame((peer, message) => b.network.send(peer, frameSwim(message.slice())))
  let answered: () => void = () => {}
  a.network.onFrame(() => answered())
  const gossip: string[] = []
  b.host.subscribe('topic', (bytes) => gossip.push(Buffer.from(bytes).toString()))
  a.host.subscribe('topic', () => {})
  await a.host.connect([addressOf(b.host)], within(5_000))

  async function roundTrips(count: number): Promise<number[]> {
    const times: number[] = []
    for (let index = 0; index < count; index++) {
      const began = performance.now()
      const answer = new Promise<void>((resolve) => (answered = resolve))
      const lost = new Promise<never>((_, reject) => setTimeout(reject, 5_000, new Error('no answer within 5 s')))
      a.network.send(b.host.self, frameSwim(new Uint8Array(300)))
      await Promise.race([answer, lost])
      times.push(performance.now() - began)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    return times.toSorted((x, y) => x - y)
  }

  await roundTrips(5)
  const idle = await roundTrips(100)
  const opened = await a.host.open(b.host.self, within(5_000))
  await waitUntil('the session stream is accepted', () => accepted !== undefined)
  let carried = 0
  const stopped = new AbortController()
  for (const stream of [opened, accepted as ByteStream]) {
    const pump = () => {
      while (!stopped.signal.aborted && stream.send(new Uint8Array(65_536)));
    }
    stream.attach({ data: (bytes) => (carried += bytes.length), drain: pump, closed() {} })
    pump()
  }
  try {
    await waitUntil('the connection is busy', () => carried > 8 * 1_048_576)
    const before = carried
    const busy = await roundTrips(100)
    expect(carried - before).toBeGreaterThan(1_048_576)
    await waitUntil('gossip is heard', async () => {
      await a.host.publish('topic', Buffer.from('news')).catch(() => {})
      return gossip.includes('news')
    }, { every: 100, timeout: 5_000 })
    console.log(`round trips of a frame: idle p50 ${idle[50]?.toFixed(1)}, p99 ${idle[98]?.toFixed(1)} ms; beside full sessions p50 ${busy[50]?.toFixed(1)}, p99 ${busy[98]?.toFixed(1)} ms`)
    // Without a turn of their own the frames never arrive; both hosts and all encryption share this process.
    expect(busy[50]).toBeLessThan(100)
    expect(busy[98]).toBeLessThan(1_000)
  } finally {
    stopped.abort()
  }
}, 60_000)
