import { afterEach, describe, expect, test } from 'vitest'
import { createSocket } from 'node:dgram'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMdns, mdnsService, type MdnsSource } from '../../../src/net/discovery/mdns.ts'
import { peerIdOfKey } from '../../../src/wire/peer-id.ts'
import { waitUntil } from '../../support/wait-until.ts'

/** Not the port of the real service: other programs of this machine stay undisturbed. */
const PORT = 20_000 + (process.pid % 10_000)
const GROUP = '224.0.0.251'

/** A container without a route for multicast cannot do it. */
async function missing(): Promise<string | undefined> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  try {
    return await new Promise<string | undefined>((resolve) => {
      const timer = setTimeout(resolve, 2_000, 'nothing came back')
      socket.once('error', (error) => resolve(error.message))
      socket.once('message', () => {
        clearTimeout(timer)
        resolve(undefined)
      })
      socket.bind(PORT + 1, () => {
        try {
          socket.addMembership(GROUP)
          socket.setMulticastLoopback(true)
          socket.send('x', PORT + 1, GROUP, (error) => error !== null && resolve(error.message))
        } catch (error) {
          resolve((error as Error).message)
        }
      })
    })
  } finally {
    socket.close()
  }
}

const why = await missing()
if (why !== undefined) console.warn(`SKIPPED: mDNS needs multicast (${why})`)

test('the service of each federation has a name of its own that DNS takes', () => {
  expect(mdnsService('0123456789abcdef0123')).toBe('_skein-0123456789abcdef._udp.local')
  expect(mdnsService('ABC_d-e')).toBe('_skein-abcde._udp.local')
})

describe.skipIf(why !== undefined)('multicast DNS', () => {
  const sources: MdnsSource[] = []
  afterEach(async () => {
    await Promise.all(sources.splice(0).map((source) => source.stop()))
  })

  async function start(seed: number, federation: string): Promise<{ source: MdnsSource; self: string }> {
    const self = peerIdOfKey(new Uint8Array(32).fill(seed))
    const source = createMdns(
      { clock: systemClock, logger: silentLogger, self, addresses: () => [`/ip4/10.0.0.${seed}/tcp/4001`] },
      { federation, port: PORT, ip: GROUP, interval: 500 }
    )
    sources.push(source)
    await source.start()
    return { source, self }
  }

  test('nodes of one federation hear of each other, of another one nothing', async () => {
    const told: string[] = []
    const a = await start(1, 'aaaa')
    a.source.onFound?.((found) => told.push(...found.map(({ address }) => address)))
    const b = await start(2, 'aaaa')
    await start(3, 'bbbb')
    const signal = AbortSignal.timeout(10_000)
    await waitUntil('a has heard of b', async () => (await a.source.find({ signal })).length > 0)
    await waitUntil('b has heard of a', async () => (await b.source.find({ signal })).length > 0)
    expect(await a.source.find({ signal })).toEqual([{ address: `/ip4/10.0.0.2/tcp/4001/p2p/${b.self}`, peer: b.self }])
    expect(told).toContain(`/ip4/10.0.0.2/tcp/4001/p2p/${b.self}`)
    expect((await b.source.find({ signal })).map(({ peer }) => peer)).toEqual([a.self])
  }, 20_000)
})
