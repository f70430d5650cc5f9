import type { CircuitRelayServerComponents, CircuitRelayService, CircuitRelayTransportComponents } from '@libp2p/circuit-relay-v2'
import type { Connection, StreamHandler } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { createAdmittedConnections } from '../../../src/net/admitted.ts'
import { libraryLogger } from '../../../src/net/library-logger.ts'
import { createRelayMetrics } from '../../../src/net/relay/metrics.ts'
import { createRelayParts } from '../../../src/net/relay/parts.ts'
import { peerIdOfKey } from '../../../src/wire/peer-id.ts'
import { LibraryStream } from '../../support/library-stream.ts'

const [SELF, HIDDEN, A, B] = [1, 2, 3, 4].map((seed) => peerIdOfKey(new Uint8Array(32).fill(seed))) as [string, string, string, string]

async function settle(): Promise<void> {
  for (let turn = 0; turn < 200; turn++) await Promise.resolve()
}

function setup() {
  const admitted = createAdmittedConnections()
  const handlers: StreamHandler[] = []
  const listened: unknown[] = []
  const parts = createRelayParts({ admitted, metrics: createRelayMetrics(createMeter()), isHidden: () => false })
  const components = {
    peerId: peerIdFromString(SELF),
    peerStore: { all: async () => [], merge: async () => {} },
    registrar: { handle: async (_protocol: string, handler: StreamHandler) => void handlers.push(handler), unhandle: async () => {} },
    transportManager: { listen: async (addresses: unknown[]) => void listened.push(...addresses) },
    upgrader: { createInboundAbortSignal: () => Object.assign(new AbortController().signal, { clear() {} }) },
    addressManager: { getAddresses: () => [] },
    events: new EventTarget(),
    logger: libraryLogger(silentLogger)
  }
  let connections = 0
  function connection(peer: string, newStream: () => Promise<unknown> = async () => Promise.reject(new Error('none'))): Connection {
    const made = {
      id: `${connections++}`, status: 'open', direction: 'inbound', remotePeer: peerIdFromString(peer), remoteAddr: multiaddr(`/ip4/10.0.0.${connections}/tcp/1/p2p/${peer}`), newStream
    } as unknown as Connection
    admitted.admit(made, Date.now() + 1_000_000)
    return made
  }
  return { parts, components, handlers, listened, connection }
}

test('whoever passes on a connection without a reservation does not make this node listen', async () => {
  const { parts, components, handlers, listened, connection } = setup()
  const transport = parts.transport(components as unknown as CircuitRelayTransportComponents) as unknown as { start(): Promise<void>; stop(): Promise<void> }
  await transport.start()
  const stream = new LibraryStream()
  const handled = Promise.resolve(handlers[0]?.(stream.stream, connection(A))).catch(() => {})
  await settle()
  // It gets to read the request all the same: STATUS is not one.
  stream.say(0x08, 0x01)
  await handled
  expect(stream.sent).toBe(1)
  expect(listened).toEqual([])
  await transport.stop()
})

describe('connections carried for others', () => {
  /** @param open how the stream to the hidden member is opened */
  async function startServer(open: () => Promise<unknown>) {
    const world = setup()
    const service = world.parts.server(world.components as unknown as CircuitRelayServerComponents) as CircuitRelayService & { start(): Promise<void> }
    await service.start()
    service.reservations.set(peerIdFromString(HIDDEN), { expiry: new Date(Date.now() + 1_000_000) } as never)
    world.connection(HIDDEN, open)
    const connections = new Map([A, B].map((peer) => [peer, world.connection(peer)]))
    const id = peerIdFromString(HIDDEN).toMultihash().bytes
    /** A member asks to be connected with the hidden one. */
    async function dial(source: string): Promise<LibraryStream> {
      const stream = new LibraryStream()
      Promise.resolve(world.handlers[0]?.(stream.stream, connections.get(source) as Connection)).catch(() => {})
      await settle()
      stream.say(0x08, 0x01, 0x12, id.length + 2, 0x0a, id.length, ...id)
      await settle()
      return stream
    }
    return { ...world, dial }
  }

  test('are 64 of one member at most, those being opened included; others still have room', async () => {
    const { parts, dial } = await startServer(() => new Promise(() => {}))
    const last = []
    for (let turn = 0; turn < 66; turn++) last.push(await dial(A))
    expect(parts.carried()).toBe(64)
    // An answer at once is a refusal.
    expect(last.map(({ sent }) => sent)).toEqual([...Array.from({ length: 64 }, () => 0), 1, 1])
    await dial(B)
    expect(parts.carried()).toBe(65)
  })

  test('make room when they end and when they fail', async () => {
    const opened: LibraryStream[] = []
    let failing = false
    const { parts, dial } = await startServer(async () => {
      if (failing) throw new Error('gone')
      const stream = new LibraryStream()
      opened.push(stream)
      return stream
    })
    for (let turn = 0; turn < 65; turn++) await dial(A)
    expect([parts.carried(), opened.length]).toEqual([64, 64])
    opened[0]?.end()
    await settle()
    expect(parts.carried()).toBe(63)
    failing = true
    await dial(A)
    expect(parts.carried()).toBe(63)
    failing = false
    await dial(A)
    expect([parts.carried(), opened.length]).toEqual([64, 65])
  })
})
