import type { Libp2p, Stream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { withOneWrite } from '../../../src/net/one-write.ts'
import { updateWindowByHalves } from '../../../src/net/yamux-window.ts'
import { waitUntil } from '../../support/wait-until.ts'

const PROTOCOL = '/window/1'

/** What the adapter relies on inside @libp2p/yamux; an update of the package that moves it must show here. */
interface Inside {
  recvWindow: number
  recvWindowCapacity: number
}

let nodes: Libp2p[]
let sender: Stream
let receiver: Stream | undefined
let received: number

beforeEach(async () => {
  received = 0
  const start = (listen: string[]) =>
    createLibp2p({ addresses: { listen }, transports: [tcp()], connectionEncrypters: [withOneWrite(tls())], streamMuxers: [yamux()] })
  nodes = [await start(['/ip4/127.0.0.1/tcp/0']), await start([])]
  const [server, client] = nodes as [Libp2p, Libp2p]
  await server.handle(PROTOCOL, (stream) => {
    receiver = stream
    stream.addEventListener('message', (event) => (received += event.data.byteLength))
  })
  sender = await client.dialProtocol(server.getMultiaddrs()[0] as never, PROTOCOL)
  sender.send(new Uint8Array(1))
  await waitUntil('the stream is open', () => received === 1)
})
afterEach(async () => {
  await Promise.all(nodes.map((node) => node.stop()))
})

async function deliver(bytes: number): Promise<void> {
  const goal = received + bytes
  sender.send(new Uint8Array(bytes))
  await waitUntil('the bytes have come', () => received === goal)
}

test('the window is given back when half of it is used, and everything still arrives', async () => {
  const inside = receiver as unknown as Inside
  expect(inside.recvWindowCapacity).toBe(inside.recvWindow)
  expect(updateWindowByHalves(receiver as Stream)).toBe(true)
  await deliver(1_000)
  expect(inside.recvWindowCapacity).toBe(inside.recvWindow - 1_000)
  await deliver(inside.recvWindow / 2)
  expect(inside.recvWindowCapacity).toBe(inside.recvWindow)
  // Many windows through one stream: it never runs dry.
  const goal = received + 40 * 65_536
  for (let index = 0; index < 40; index++) sender.send(new Uint8Array(65_536))
  await waitUntil('all windows have come', () => received === goal)
})

test('a stream of another muxer is left alone', () => {
  expect(updateWindowByHalves({} as Stream)).toBe(false)
})
