import { X509Certificate } from 'node:crypto'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { verifyPeerCertificate } from '@libp2p/tls/utils'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { afterEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { createCertificate, RENEW_AFTER_MS } from '../../../src/net/tls-certificate.ts'
import { sharedTls } from '../../../src/net/tls-encrypter.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { waitUntil } from '../../support/wait-until.ts'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

const ours = sharedTls(systemClock)

async function start(encrypter: typeof ours | ReturnType<typeof tls>): Promise<Libp2p> {
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] }, transports: [tcp()], connectionEncrypters: [encrypter], streamMuxers: [yamux()], services: { identify: identify() }
  })
  closers.push(async () => void (await node.stop()))
  return node
}

const addressOf = (node: Libp2p) => node.getMultiaddrs()[0] as ReturnType<typeof multiaddr>

describe('one certificate for all connections', () => {
  test('our encrypter and that of the library understand each other, in both roles, with early multiplexer', async () => {
    const [a, library, b] = await Promise.all([start(ours), start(tls()), start(ours)])
    for (const [from, to] of [[a, library], [library, b], [a, b]] as const) {
      const connection = await from.dial(addressOf(to), { signal: AbortSignal.timeout(5_000) })
      expect(connection.remotePeer.equals(to.peerId)).toBe(true)
      expect(connection.encryption).toBe('/tls/1.0.0')
      expect(connection.multiplexer).toBe('/yamux/1.0.0')
      await waitUntil('the other side knows whose connection it is', () => to.getConnections(from.peerId).length === 1)
    }
  })

  test('a node that is not who we meant is refused', async () => {
    const [a, b] = await Promise.all([start(ours), start(ours)])
    const other = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
    const wrong = multiaddr(addressOf(b).toString().replace(/p2p\/.*$/, `p2p/${other}`))
    await expect(a.dial(wrong, { signal: AbortSignal.timeout(5_000) })).rejects.toThrow()
    expect(a.getConnections()).toEqual([])
  })

  test('a side without a certificate is refused, and one that says nothing does not stay', async () => {
    const a = await start(ours)
    const port = Number(/tcp\/(\d+)/.exec(addressOf(a).toString())?.[1])
    const socket: TLSSocket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['libp2p'] })
    await new Promise<void>((resolve) => {
      socket.on('error', () => {}).once('close', () => resolve())
    })
    expect(a.getConnections()).toEqual([])
  })

  test('the certificate proves the host key, is used again, and is renewed after a day or when the clock was put back', async () => {
    const privateKey = await generateKeyPair('Ed25519')
    const made: string[] = []
    const clock = createManualClock()
    let wall = Date.now()
    const certificate = createCertificate({ privateKey, clock: { ...clock, wall: () => wall }, onMade: (cert) => made.push(cert) })
    const first = await certificate.context()
    wall += RENEW_AFTER_MS - 1
    expect(await certificate.context()).toBe(first)
    wall += 1
    const second = await certificate.context()
    expect(second).not.toBe(first)
    wall -= 1_000
    expect(await certificate.context()).not.toBe(second)
    expect(new Set(made).size).toBe(3)
    for (const pem of made) {
      const x509 = new X509Certificate(pem)
      expect((await verifyPeerCertificate(x509.raw)).equals(peerIdFromPrivateKey(privateKey))).toBe(true)
      expect(new Date(x509.validTo).getTime()).toBeGreaterThan(Date.now() + RENEW_AFTER_MS * 2)
    }
    // Several connections at once wait for one certificate.
    wall += RENEW_AFTER_MS
    const [x, y] = await Promise.all([certificate.context(), certificate.context()])
    expect(x).toBe(y)
    expect(made).toHaveLength(4)
  })
})
