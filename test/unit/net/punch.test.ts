import type { DCUtRServiceComponents } from '@libp2p/dcutr'
import type { Connection, StreamHandler, Topology } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import { createAdmittedConnections } from '../../../src/net/admitted.ts'
import { createPunching } from '../../../src/net/relay/punch.ts'
import { peerIdOfKey } from '../../../src/wire/peer-id.ts'
import { LibraryStream } from '../../support/library-stream.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const [SELF, PARTNER, RELAY, OTHER] = [1, 2, 3, 4].map((seed) => peerIdOfKey(new Uint8Array(32).fill(seed))) as [string, string, string, string]
const RELAYED = `/ip4/11.0.0.1/tcp/1/p2p/${RELAY}/p2p-circuit/p2p/${PARTNER}`
const DIRECT = `/ip4/11.0.0.2/tcp/1/p2p/${PARTNER}`

async function settle(): Promise<void> {
  for (let turn = 0; turn < 200; turn++) await Promise.resolve()
}

/** Messages of the specification: type 100 (CONNECT) with addresses, type 300 (SYNC). */
const connectWith = (address: Multiaddr) => [0x08, 0x64, 0x12, address.bytes.length, ...address.bytes]
const SYNC = [0x08, 0xac, 0x02]

async function setup(options: { stored?: string[] } = {}) {
  const admitted = createAdmittedConnections()
  const handlers: StreamHandler[] = []
  const topologies: Topology[] = []
  const dialled: string[] = []
  const connected: { peer: string; addresses: readonly string[] }[] = []
  const clock = createManualClock()
  const punching = createPunching({
    admitted, clock, self: SELF, logger: silentLogger,
    seenHosts: () => [],
    async connect(peer, addresses) {
      connected.push({ peer, addresses })
      throw new Error('nobody is there')
    },
    punched: async () => {},
    ended() {}
  })
  const service = punching.service({
    registrar: {
      handle: async (_protocol: string, handler: StreamHandler) => void handlers.push(handler),
      register: async (_protocol: string, topology: Topology) => `${topologies.push(topology)}`
    },
    peerStore: { get: async () => ({ addresses: (options.stored ?? []).map((text) => ({ multiaddr: multiaddr(text) })) }) },
    transportManager: {
      dialTransportForMultiaddr: () => ({}),
      async dial(address: Multiaddr) {
        dialled.push(address.toString())
        throw new Error('refused')
      }
    }
  } as unknown as DCUtRServiceComponents) as { start(): Promise<void> }
  await service.start()
  function connection(address: string): Connection {
    const made = {
      id: address, remoteAddr: multiaddr(address), remotePeer: peerIdFromString(PARTNER), direction: 'inbound', status: 'open',
      newStream: async () => Promise.reject(new Error('no stream'))
    } as unknown as Connection
    admitted.admit(made, Date.now() + 1_000_000)
    return made
  }
  return { punching, clock, connection, connected, dialled, handler: handlers[0] as StreamHandler, topology: topologies[0] as Topology }
}

describe('hole punching', () => {
  test('is refused on a direct connection', async () => {
    const { connection, handler, dialled } = await setup()
    const stream = new LibraryStream()
    const handled = handler(stream.stream, connection(DIRECT))
    stream.say(...connectWith(multiaddr('/ip4/8.8.8.8/tcp/22')))
    await settle()
    stream.say(...SYNC)
    await handled
    expect(stream.aborted?.message).toMatch(/direct connection/)
    expect([stream.sent, dialled]).toEqual([0, []])
  })

  test('over a relayed one dials what the member offers, and only as that member', async () => {
    const { connection, handler, dialled, punching } = await setup()
    const stream = new LibraryStream()
    const handled = Promise.resolve(handler(stream.stream, connection(RELAYED))).catch(() => {})
    await settle()
    stream.say(...connectWith(multiaddr('/ip4/8.8.8.8/tcp/22')))
    await settle()
    stream.say(...SYNC)
    await settle()
    expect(dialled).toEqual([`/ip4/8.8.8.8/tcp/22/p2p/${PARTNER}`])
    punching.stop()
    await handled
    expect(dialled).toHaveLength(1)
  })

  test.each(['a new connection', 'another try'])('the plain dial before it is for the member alone: %s', async (how) => {
    const { connection, connected, topology, punching } = await setup({ stored: ['/dns4/example.org/tcp/1', '/ip4/8.8.4.4/tcp/1', `/ip4/9.9.9.9/tcp/1/p2p/${OTHER}`] })
    const relayed = connection(RELAYED)
    if (how === 'another try') await punching.again(relayed)
    else await topology.onConnect?.(relayed.remotePeer, relayed)
    await settle()
    expect(connected).toEqual([{ peer: PARTNER, addresses: [`/ip4/8.8.4.4/tcp/1/p2p/${PARTNER}`] }])
  })
})
