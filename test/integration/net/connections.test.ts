import { createServer, connect as connectTcp, type AddressInfo, type Socket } from 'node:net'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { afterEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { systemRandom } from '../../../src/base/random.ts'
import type { Host } from '../../../src/net/host.ts'
import type { RpcLimits } from '../../../src/rpc/limits.ts'
import { createRpc } from '../../../src/rpc/rpc.ts'
import type { Rpc } from '../../../src/rpc/types.ts'
import { secretRules, startHost } from '../../support/hosts.ts'
import { waitUntil } from '../../support/wait-until.ts'

const within = (ms: number) => ({ signal: AbortSignal.timeout(ms) })
const addressOf = (host: Host) => `${host.addresses()[0]}/p2p/${host.self}`

const closers: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

/** A way to a host that lets nothing through before `open()` or after `freeze()`, and that `cut()` ends. */
async function startDetour(to: Host): Promise<{ address: string; open(): void; freeze(): void; cut(): void }> {
  const port = Number(/tcp\/(\d+)/.exec(to.addresses()[0] as string)?.[1])
  const sockets = new Set<Socket>()
  const opened = Promise.withResolvers<void>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    void opened.promise.then(() => {
      const onward = connectTcp(port, '127.0.0.1')
      sockets.add(onward)
      onward.on('error', () => {})
      socket.pipe(onward).pipe(socket)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  const freeze = () => {
    for (const socket of sockets) socket.unpipe().pause()
  }
  closers.push(() => {
    cut()
    server.close()
  })
  return { address: `/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}/p2p/${to.self}`, open: () => opened.resolve(), freeze, cut }
}

async function startNode(seed: number, limits: Partial<RpcLimits> = {}): Promise<{ host: Host; rpc: Rpc; events: string[] }> {
  const events: string[] = []
  const parts: { rpc?: Rpc } = {}
  const host = await startHost({
    seed,
    rules: secretRules('s'),
    events: {
      peerUp: (peer) => parts.rpc?.peerUp(peer),
      peerDown(peer) {
        events.push('peer down')
        parts.rpc?.peerDown(peer)
      },
      sessionStream: (peer, stream) => parts.rpc?.accept(peer, stream)
    }
  })
  const rpc = createRpc({ clock: systemClock, random: systemRandom, meter: createMeter(), logger: silentLogger, opener: host }, { self: host.self, federation: 'f', bootId: 1n, limits })
  parts.rpc = rpc
  rpc.handle(1, (exchange) => exchange.end(exchange.body))
  rpc.onSession(({ type }) => events.push(`session ${type}`))
  closers.push(async () => {
    rpc.close()
    await host.stop()
  })
  return { host, rpc, events }
}

/** Two nodes that dialled each other at once: one connection is direct, the other goes through a detour. */
async function twoConnections(): Promise<{ a: Awaited<ReturnType<typeof startNode>>; b: Awaited<ReturnType<typeof startNode>>; cut(which: 'first' | 'second'): void; heard: string[] }> {
  const [a, b] = await Promise.all([startNode(11), startNode(12)])
  const heard: string[] = []
  a.host.subscribe('topic', (bytes) => heard.push(Buffer.from(bytes).toString()))
  b.host.subscribe('topic', () => {})
  const [first, second] = await Promise.all([startDetour(b.host), startDetour(a.host)])
  const dials = [a.host.connect([first.address], within(10_000)), b.host.connect([second.address], within(10_000))]
  await new Promise((resolve) => setTimeout(resolve, 100))
  first.open()
  await dials[0]
  await waitUntil('there are sessions', () => a.rpc.sessions().length === 1 && b.rpc.sessions().length === 1)
  second.open()
  await dials[1]
  expect(a.host.addressesOf(b.host.self)).toHaveLength(2)
  return { a, b, heard, cut: (which) => (which === 'first' ? first : second).cut() }
}

/** How long until b is heard at a, ms. */
async function untilHeard(b: Host, heard: string[], text: string): Promise<number> {
  const began = performance.now()
  await waitUntil(`"${text}" is heard`, async () => {
    await b.publish('topic', Buffer.from(`${text} ${performance.now()}`)).catch(() => {})
    return heard.some((line) => line.startsWith(text))
  }, { timeout: 8_000, every: 50 })
  return performance.now() - began
}

describe('two connections between two members', () => {
  for (const which of ['first', 'second'] as const) {
    test(`the ${which} one goes: the peer stays up, calls work again at once, gossip too`, async () => {
      const { a, b, cut, heard } = await twoConnections()
      await untilHeard(b.host, heard, 'before')
      cut(which)
      const began = performance.now()
      await waitUntil('one connection is left', () => a.host.addressesOf(b.host.self).length === 1 && b.host.addressesOf(a.host.self).length === 1)
      await waitUntil('both call each other', async () => {
        try {
          await Promise.all([a.rpc.call(b.host.self, 1, Buffer.from('x'), { timeout: 1_000 }), b.rpc.call(a.host.self, 1, Buffer.from('x'), { timeout: 1_000 })])
          return true
        } catch {
          return false
        }
      }, { every: 10 })
      const calls = performance.now() - began
      const gossip = await untilHeard(b.host, heard, 'after')
      console.log(`the ${which} of two connections was cut: calls after ${Math.round(calls)} ms, gossip after ${Math.round(gossip)} ms`)
      expect(calls).toBeLessThan(1_000)
      expect(gossip).toBeLessThan(2_000)
      expect(a.events).not.toContain('peer down')
      expect(b.events).not.toContain('peer down')
    })
  }
})

test('a connection on which nothing comes back any more is given up, so that the peer is dialled anew', async () => {
  const limits = { pingInterval: 200, silence: 600, openTimeout: 600, openGrace: 50 }
  const [a, b] = await Promise.all([startNode(13, limits), startNode(14, limits)])
  const detour = await startDetour(b.host)
  detour.open()
  await a.host.connect([detour.address], within(5_000))
  await waitUntil('there are sessions', () => a.rpc.sessions().length === 1 && b.rpc.sessions().length === 1)
  detour.freeze()
  await waitUntil('both have noticed', () => a.host.peers().length === 0 && b.host.peers().length === 0)
  await a.host.connect([addressOf(b.host)], within(5_000))
  await waitUntil('there are sessions again', () => a.rpc.sessions().length === 1 && b.rpc.sessions().length === 1)
})

test('strangers in numbers do not crowd members out', async () => {
  const host = await startHost({ seed: 21, rules: secretRules('s') })
  const member = await startHost({ seed: 22, rules: secretRules('s') })
  closers.push(() => host.stop(), () => member.stop())
  await member.connect([addressOf(host)], within(5_000))
  const strangers: Libp2p[] = []
  closers.push(async () => void (await Promise.all(strangers.map((stranger) => stranger.stop()))))
  // startHost allows 50 connections; more strangers than that, each idle.
  for (let count = 0; count < 60; count++) {
    const stranger = await createLibp2p({ addresses: { listen: [] }, transports: [tcp()], connectionEncrypters: [tls(), noise()], streamMuxers: [yamux()] })
    strangers.push(stranger)
    await stranger.dial(multiaddr(addressOf(host)), within(5_000)).catch(() => {})
  }
  const open = () => strangers.filter((stranger) => stranger.getConnections().length > 0).length
  await waitUntil('most strangers are gone', () => open() <= 13, { timeout: 2_000 })
  expect(host.peers()).toEqual([member.self])
  const late = await startHost({ seed: 23, rules: secretRules('s') })
  closers.push(() => late.stop())
  await late.connect([addressOf(host)], within(5_000))
  expect(host.peers().toSorted()).toEqual([member.self, late.self].toSorted())
})
