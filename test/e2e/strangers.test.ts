import { gossipsub, type GossipSub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import type { Libp2p } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { ping, type Ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { ADMISSION_PROTOCOL, catalogTopic, ROOT_POOL, RPC_PROTOCOL } from '../../src/wire/protocols.ts'
import { echoServer, metricOf, sees } from '../support/federation-checks.ts'
import { makeToken, startSkein, type SkeinProcess } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'

describe('a raw libp2p peer at a running node', () => {
  let a: SkeinProcess
  let b: SkeinProcess
  let stranger: Libp2p<{ pubsub: GossipSub; ping: Ping }>
  let target: Multiaddr

  beforeAll(async () => {
    a = await startSkein({ config: { node: { id: 'a' }, mcp: echoServer('alpha') } })
    b = await startSkein({ token: await makeToken(a), config: { node: { id: 'b' }, mcp: echoServer('beta') } })
    await sees(a, 'beta')
    target = multiaddr(a.status().addresses[0] as string)
    stranger = (await createLibp2p({
      addresses: { listen: [] },
      transports: [tcp()],
      connectionEncrypters: [tls(), noise()],
      streamMuxers: [yamux()],
      services: { identify: identify(), ping: ping(), pubsub: gossipsub({ allowPublishToZeroTopicPeers: true }) }
    })) as unknown as typeof stranger
  })
  afterAll(async () => {
    await stranger?.stop()
    await Promise.all([a?.dispose(), b?.dispose()])
  })

  test('is spoken to on the admission protocol', async () => {
    // Without this the silence below could be a wrong address.
    const stream = await stranger.dialProtocol(target, ADMISSION_PROTOCOL)
    expect(stream.status).toBe('open')
    stream.abort(new Error('done'))
  })

  test('gets no ping', async () => {
    await stranger.dial(target)
    await expect(stranger.services.ping.ping(target, { signal: AbortSignal.timeout(3_000) })).rejects.toThrow()
  })

  test('gets no RPC', async () => {
    const before = await metricOf(a, 'skein_rpc_sessions')
    const stream = await stranger.dialProtocol(target, RPC_PROTOCOL).catch(() => undefined)
    if (stream !== undefined) await waitUntil('the stream is reset', () => stream.status !== 'open')
    expect(await metricOf(a, 'skein_rpc_sessions')).toBe(before)
  })

  test('gets no gossip subscription and no message while members exchange news', async () => {
    const topic = catalogTopic(a.status().federation.id, ROOT_POOL)
    const received: string[] = []
    stranger.services.pubsub.addEventListener('message', (event) => received.push(event.detail.topic))
    stranger.services.pubsub.subscribe(topic)
    const connection = await stranger.dial(target)
    const file = join(b.dataDir, 'node.yaml')
    const config = parse(readFileSync(file, 'utf8')) as { mcp: { servers: Record<string, unknown> } }
    const { beta } = config.mcp.servers
    writeFileSync(file, stringify({ ...config, mcp: { ...config.mcp, servers: { beta, gamma: beta } } }), { mode: 0o600 })
    const reload = await b.cli('reload')
    expect(reload.code, reload.stderr).toBe(0)
    await stranger.services.pubsub.publish(topic, Buffer.from('from a stranger')).catch(() => {})
    await sees(a, 'gamma')
    expect(connection.status).toBe('open')
    expect(stranger.services.pubsub.getSubscribers(topic)).toEqual([])
    expect(received).toEqual([])
  })
})
