import { afterEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { isSkeinError } from '../../../src/base/errors.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { systemRandom } from '../../../src/base/random.ts'
import { isRelayed } from '../../../src/net/addresses.ts'
import type { Host, HostOptions } from '../../../src/net/host.ts'
import { createRpc } from '../../../src/rpc/rpc.ts'
import type { Rpc } from '../../../src/rpc/types.ts'
import { secretRules, startHost } from '../../support/hosts.ts'
import { waitUntil } from '../../support/wait-until.ts'

const within = (ms: number) => ({ signal: AbortSignal.timeout(ms) })
const addressOf = (host: Host) => `${host.addresses().find((address) => !isRelayed(address))}/p2p/${host.self}`
const through = (relay: Host) => `${addressOf(relay)}/p2p-circuit`

const closers: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

interface Node {
  host: Host
  rpc: Rpc
  events: string[]
  /** Where each peerUp says that the peer is. */
  ups: { peer: string; address: string; dialled: boolean }[]
}

async function startNode(seed: number, relay: HostOptions['relay'], options: { secret?: string; host?: Partial<HostOptions> } = {}): Promise<Node> {
  const parts: { rpc?: Rpc } = {}
  const events: string[] = []
  const ups: Node['ups'] = []
  const host = await startHost({
    seed, rules: secretRules(options.secret ?? 'good'),
    host: { ...(relay === undefined ? {} : { relay }), ...options.host },
    events: {
      peerUp(peer, at) {
        events.push(`up ${peer}`)
        ups.push({ peer, ...at })
        parts.rpc?.peerUp(peer)
      },
      peerDown(peer) {
        events.push(`down ${peer}`)
        parts.rpc?.peerDown(peer)
      },
      moved: (peer) => parts.rpc?.renew(peer),
      sessionStream: (peer, stream) => parts.rpc?.accept(peer, stream)
    }
  })
  const rpc = createRpc({ clock: systemClock, random: systemRandom, meter: createMeter(), logger: silentLogger, opener: host }, { self: host.self, federation: 'f', bootId: BigInt(seed) })
  parts.rpc = rpc
  rpc.handle(1, (exchange) => exchange.end(exchange.body))
  rpc.handle(2, (exchange) => void setTimeout(() => exchange.end(exchange.body), 3_000))
  closers.push(() => host.stop(), () => rpc.close())
  return { host, rpc, events, ups }
}

const hidden = { serve: false, use: 'on' } as const
const open = { serve: true, use: 'off' } as const

/** B is reached through A. */
async function startPair(): Promise<{ a: Node; b: Node }> {
  const a = await startNode(1, open)
  const b = await startNode(2, hidden)
  await b.host.connect([addressOf(a.host)], within(5_000))
  await waitUntil('b has a relay', () => b.host.paths()?.relays.length === 1)
  return { a, b }
}

async function sessionWith(node: Node, other: Node): Promise<void> {
  await waitUntil('there is a session', () => node.rpc.session(other.host.self) !== undefined)
}

describe('a member behind a relay', () => {
  test('tells the address through it, and is admitted, called and heard over it', async () => {
    const { a, b } = await startPair()
    const relayed = b.host.addresses().filter(isRelayed)
    expect(relayed).toEqual([through(a.host)])
    expect(a.host.paths()).toMatchObject({ given: 1 })
    const c = await startNode(3, open)
    await c.host.connect([addressOf(a.host)], within(5_000))
    await expect(c.host.connect(relayed, { peer: b.host.self, ...within(5_000) })).resolves.toBe(b.host.self)
    expect(c.events).toContain(`up ${b.host.self}`)
    await waitUntil('b sees c', () => b.host.peers().includes(c.host.self))
    expect(c.host.paths()?.relayed).toEqual([b.host.self])
    await Promise.all([sessionWith(c, b), sessionWith(b, c)])
    // Over the relay many times what it may hold, both ways: all arrives.
    for (const [from, to] of [[c, b], [b, c]] as const) {
      const body = systemRandom.bytes(5 * 1024 * 1024)
      const { body: answer } = await from.rpc.call(to.host.self, 1, body, { timeout: 20_000 })
      expect(Buffer.from(answer).equals(body)).toBe(true)
    }
    expect(a.host.paths()?.carried).toBe(1)
  }, 30_000)

  test('is reached by a member that has no connection with the relay yet', async () => {
    const { b } = await startPair()
    const c = await startNode(3, open)
    await expect(c.host.connect(b.host.addresses().filter(isRelayed), { peer: b.host.self, ...within(5_000) })).resolves.toBe(b.host.self)
  })

  test('a stranger gets neither a place nor a way through', async () => {
    const { a, b } = await startPair()
    const stranger = await startNode(4, hidden, { secret: 'bad' })
    await expect(stranger.host.connect([addressOf(a.host)], within(5_000))).rejects.toThrow()
    await expect(stranger.host.connect([through(a.host)], { peer: b.host.self, ...within(5_000) })).rejects.toMatchObject({ code: 'SKEIN_DIAL_FAILED' })
    expect(a.host.paths()).toMatchObject({ given: 1, carried: 0 })
    expect(b.host.peers()).toEqual([a.host.self])
  })

  test('a lost relay takes its address with it and another one is found', async () => {
    const { a, b } = await startPair()
    let changes = 0
    b.host.onAddresses(() => changes++)
    const d = await startNode(5, open)
    await b.host.connect([addressOf(d.host)], within(5_000))
    await waitUntil('b has two relays', () => b.host.paths()?.relays.length === 2)
    await a.host.stop()
    await waitUntil('b has one relay', () => b.host.paths()?.relays.length === 1)
    expect(b.host.addresses().filter(isRelayed)).toEqual([through(d.host)])
    expect(changes).toBeGreaterThanOrEqual(2)
  })
})

describe('a direct connection in place of a relayed one', () => {
  test('the session moves, a running call is not lost, and the relayed connection is closed', async () => {
    const { a, b } = await startPair()
    const c = await startNode(3, open)
    await c.host.connect([addressOf(a.host)], within(5_000))
    await c.host.connect([through(a.host)], { peer: b.host.self, ...within(5_000) })
    await Promise.all([sessionWith(c, b), sessionWith(b, c)])
    const running = [c.rpc.call(b.host.self, 2, Uint8Array.of(7), { timeout: 10_000 }), b.rpc.call(c.host.self, 2, Uint8Array.of(8), { timeout: 10_000 })]
    await c.host.connect([addressOf(b.host)], { peer: b.host.self, ...within(5_000) })
    // What the replaced session had not taken yet is provably not run, and callers try it again.
    const echo = (count: number): Promise<unknown> =>
      c.rpc.call(b.host.self, 1, Uint8Array.of(count), { timeout: 5_000 }).catch((error: unknown) => (isSkeinError(error, 'SKEIN_GOAWAY') ? echo(count) : Promise.reject(error)))
    const echoes: Promise<unknown>[] = []
    for (let count = 0; count < 40; count++) {
      echoes.push(echo(count))
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    await Promise.all(echoes)
    expect((await Promise.all(running)).map(({ body }) => body[0])).toEqual([7, 8])
    await waitUntil('the relayed connection is gone', () => a.host.paths()?.carried === 0)
    expect(c.host.paths()?.relayed).toEqual([])
    expect(c.events.filter((event) => event.startsWith('down'))).toEqual([])
    await c.rpc.call(b.host.self, 1, Uint8Array.of(1), { timeout: 5_000 })
  }, 20_000)

  test('is told as a connection of its own: the relayed one does not show where the member is', async () => {
    const { a, b } = await startPair()
    const c = await startNode(3, open)
    await c.host.connect([addressOf(a.host)], within(5_000))
    const told = () => c.ups.filter(({ peer }) => peer === b.host.self)
    await c.host.connect([through(a.host)], { peer: b.host.self, ...within(5_000) })
    expect(told()).toMatchObject([{ address: expect.stringContaining('/p2p-circuit'), dialled: true }])
    await c.host.connect([addressOf(b.host)], { peer: b.host.self, ...within(5_000) })
    expect(told().slice(1)).toEqual([{ peer: b.host.self, address: addressOf(b.host), dialled: true }])
    await waitUntil('b is told too', () => b.ups.filter(({ peer }) => peer === c.host.self).length === 2)
    expect(b.ups.filter(({ peer }) => peer === c.host.self).map(({ address, dialled }) => [isRelayed(address), dialled])).toEqual([[true, false], [false, false]])
    await c.host.disconnect(b.host.self)
    await waitUntil('the connections are gone', () => !c.host.peers().includes(b.host.self))
    // Direct first: nothing more is told of the relayed one.
    await c.host.connect([addressOf(b.host)], { peer: b.host.self, ...within(5_000) })
    expect(told()).toHaveLength(3)
  }, 20_000)

  test('is looked for by itself at the addresses that the member tells', async () => {
    const { a, b } = await startPair()
    const c = await startNode(3, open, { host: { memberAddresses: (peer) => (peer === b.host.self ? [addressOf(b.host)] : []) } })
    await c.host.connect([addressOf(a.host)], within(5_000))
    await c.host.connect([through(a.host)], { peer: b.host.self, ...within(5_000) })
    expect(c.host.paths()?.relayed).toEqual([b.host.self])
    await waitUntil('there is a direct one', () => c.host.paths()?.relayed.length === 0, { timeout: 15_000 })
    await waitUntil('the relayed connection is gone', () => a.host.paths()?.carried === 0)
  }, 25_000)
})

test('who is dialled by others needs no relay, who cannot be dialled takes one by itself', async () => {
  const a = await startNode(1, { serve: true, use: 'auto' })
  // It says that it listens where nobody does.
  const b = await startNode(2, { serve: true, use: 'auto' }, { host: { announce: ['/ip4/127.0.0.1/tcp/9'] } })
  await b.host.connect([addressOf(a.host)], within(5_000))
  await waitUntil('b knows that it is hidden', () => b.host.paths()?.reachable === 'no', { timeout: 12_000 })
  await waitUntil('b has a relay', () => b.host.paths()?.relays.length === 1)
  await waitUntil('a knows that it can be dialled', () => a.host.paths()?.reachable === 'yes', { timeout: 12_000 })
  expect(a.host.paths()?.relays).toEqual([])
  expect(a.host.addresses().filter(isRelayed)).toEqual([])
}, 30_000)

test('what a member does not read stays with who sends it', async () => {
  const { a, b } = await startPair()
  const c = await startNode(3, open)
  await c.host.connect([addressOf(a.host)], within(5_000))
  await c.host.connect([through(a.host)], { peer: b.host.self, ...within(5_000) })
  // Streams as sessions have them, but nobody reads at b.
  const taken = Promise.withResolvers<void>()
  b.host.swim.onStream((_peer, stream) => {
    stream.pause()
    taken.resolve()
  })
  const stream = await c.host.swim.open(b.host.self, within(5_000))
  stream.attach({ data() {}, drain() {}, closed() {} })
  const chunk = new Uint8Array(64 * 1024)
  for (let round = 0; round < 200; round++) {
    stream.send(chunk)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await taken.promise
  const left = 200 * chunk.length - stream.unsent
  console.log(`${Math.round(left / 1024)} of ${200 * 64} KiB have left the sender`)
  expect(left).toBeLessThan(2 * 1024 * 1024)
}, 30_000)
