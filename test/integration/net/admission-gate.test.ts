import { gossipsub, type GossipSub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import type { Libp2p } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { ping, type Ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Host } from '../../../src/net/host.ts'
import { RPC_PROTOCOL } from '../../../src/wire/protocols.ts'
import { secretRules, startHost } from '../../support/hosts.ts'
import { waitUntil } from '../../support/wait-until.ts'

type Stranger = Libp2p<{ pubsub: GossipSub; ping: Ping }>

/** Any libp2p program that can reach us, without a credential. */
async function startStranger(): Promise<Stranger> {
  return (await createLibp2p({
    addresses: { listen: [] },
    transports: [tcp()],
    connectionEncrypters: [tls(), noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), ping: ping(), pubsub: gossipsub({ allowPublishToZeroTopicPeers: true }) }
  })) as unknown as Stranger
}

const addressOf = (host: Host) => multiaddr(`${host.addresses()[0]}/p2p/${host.self}`)

describe('a raw libp2p peer without a credential', () => {
  let host: Host
  let member: Host
  let stranger: Stranger
  const sessions: string[] = []
  const heard: string[] = []

  beforeEach(async () => {
    sessions.length = 0
    heard.length = 0
    host = await startHost({ seed: 1, rules: secretRules('s'), events: { sessionStream: (peer) => sessions.push(peer) } })
    member = await startHost({ seed: 2, rules: secretRules('s') })
    host.subscribe('topic', (bytes) => heard.push(Buffer.from(bytes).toString()))
    member.subscribe('topic', () => {})
    stranger = await startStranger()
    await stranger.dial(addressOf(host))
  })
  afterEach(async () => {
    await Promise.all([host.stop(), member.stop(), stranger.stop()])
  })

  test('gets no ping', async () => {
    await expect(stranger.services.ping.ping(addressOf(host), { signal: AbortSignal.timeout(3_000) })).rejects.toThrow()
  })

  test('gets no gossip subscription and no message, and is not heard', async () => {
    const received: string[] = []
    stranger.services.pubsub.addEventListener('message', (event) => received.push(event.detail.topic))
    stranger.services.pubsub.subscribe('topic')
    await member.connect(host.addresses().map((address) => `${address}/p2p/${host.self}`), { signal: AbortSignal.timeout(5_000) })
    // Members hear each other: what follows is silence towards the stranger, not a broken topic.
    await waitUntil('a member is heard', async () => {
      await member.publish('topic', Buffer.from('from a member'))
      return heard.includes('from a member')
    }, { every: 100 })
    await host.publish('topic', Buffer.from('secret'))
    await stranger.services.pubsub.publish('topic', Buffer.from('from a stranger')).catch(() => {})
    await member.publish('topic', Buffer.from('last'))
    await waitUntil('the last message is heard', () => heard.includes('last'))
    expect(stranger.services.pubsub.getSubscribers('topic')).toEqual([])
    expect(received).toEqual([])
    expect(heard).not.toContain('from a stranger')
  })

  test('gets no RPC', async () => {
    const stream = await stranger.dialProtocol(addressOf(host), RPC_PROTOCOL).catch(() => undefined)
    if (stream !== undefined) await waitUntil('the stream is reset', () => stream.status !== 'open')
    expect(sessions).toEqual([])
  })

  test('a member gets all three', async () => {
    const peer = await member.connect([addressOf(host).toString()], { signal: AbortSignal.timeout(5_000) })
    expect(peer).toBe(host.self)
    const stream = await member.open(host.self, { signal: AbortSignal.timeout(5_000) })
    await waitUntil('the session stream arrived', () => sessions.includes(member.self))
    stream.abort(new Error('done'))
  })
})

describe('connect', () => {
  test('a refused credential is a failure, on both sides', async () => {
    const host = await startHost({ seed: 3, rules: secretRules('ours') })
    const foreign = await startHost({ seed: 4, rules: secretRules('theirs') })
    await expect(foreign.connect([addressOf(host).toString()], { signal: AbortSignal.timeout(5_000) })).rejects.toMatchObject({ code: 'SKEIN_NOT_ADMITTED' })
    expect(host.peers()).toEqual([])
    expect(foreign.peers()).toEqual([])
    await Promise.all([host.stop(), foreign.stop()])
  })

  test('an address where nobody listens is a failure that names it', async () => {
    const host = await startHost({ seed: 5, rules: secretRules('s') })
    const nobody = '/ip4/127.0.0.1/tcp/9'
    await expect(host.connect([nobody], { signal: AbortSignal.timeout(5_000) })).rejects.toMatchObject({ code: 'SKEIN_DIAL_FAILED', message: expect.stringContaining(nobody) })
    await host.stop()
  })

  test('peerUp and peerDown come once, however many connections there are', async () => {
    const events: string[] = []
    const host = await startHost({ seed: 6, rules: secretRules('s'), events: { peerUp: () => events.push('up'), peerDown: () => events.push('down') } })
    const other = await startHost({ seed: 7, rules: secretRules('s') })
    // Both dial at once: two connections are normal.
    await Promise.all([
      host.connect([addressOf(other).toString()], { signal: AbortSignal.timeout(5_000) }),
      other.connect([addressOf(host).toString()], { signal: AbortSignal.timeout(5_000) })
    ])
    await other.stop()
    await waitUntil('the peer is down', () => events.includes('down'))
    expect(events).toEqual(['up', 'down'])
    await host.stop()
  })
})
