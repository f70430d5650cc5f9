import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { createMemberNetwork } from '../../src/net/member-network.ts'
import type { ByteStream } from '../../src/rpc/ports.ts'
import { ROOT_POOL, SWIM_PROTOCOL } from '../../src/wire/protocols.ts'
import type { SwimMessage } from '../../src/wire/swim-types.ts'
import { decodeSwimMessage, encodeSwimFrame } from '../../src/wire/swim.ts'
import { createSwimSplitter, frameSwim, MAX_SWIM_FRAME } from '../../src/wire/swim-frames.ts'
import { sealStatement } from '../../src/wire/swim-statements.ts'
import { encodeCbor } from '../../src/wire/cbor.ts'
import { startHostileMember, type HostileMember } from '../support/hostile-member.ts'
import { secretRules, startHost } from '../support/hosts.ts'
import { startNodeHere } from '../support/node-in-process.ts'
import { joinRaw, type RawMember } from '../support/raw-member.ts'
import { waitUntil } from '../support/wait-until.ts'

type Here = Awaited<ReturnType<typeof startNodeHere>>

/** Attackers, victim and witness share this process and its one core: alone an answer takes some ms. */
const PROMPT_MS = 500

describe('a member that floods the membership of a node', () => {
  let alpha: Here
  let beta: Here
  let mallory: HostileMember
  let witness: RawMember
  /** A stream of the witness, which only asks and waits. */
  let asking: ByteStream
  const answered = new Map<number, () => void>()
  let nonce = 0

  const scope = () => ({ federation: mallory.federation, pool: ROOT_POOL })
  const frameOf = (message: SwimMessage) => encodeSwimFrame(scope(), message)
  const stateOf = (node: Here, name: string) => node.api.members().find((member) => member.name === name)?.state

  function rejected(reason: string): number {
    return alpha.meter.snapshot().find(({ name }) => name === 'skein_membership_rejected_total')?.samples.find(({ labels }) => labels.includes(reason))?.value ?? 0
  }

  async function openStream(from: HostileMember['host']): Promise<ByteStream & { isClosed(): boolean }> {
    const stream = await from.swim.open(alpha.self, { signal: AbortSignal.timeout(5_000) })
    let closed = false
    stream.attach({ data() {}, drain() {}, closed: () => (closed = true) })
    return Object.assign(Object.create(stream) as ByteStream, { isClosed: () => closed })
  }

  /** ms until the victim has answered the witness. */
  async function roundTrip(): Promise<number> {
    const mine = ++nonce
    const began = performance.now()
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no answer within 5 s')), 5_000)
      answered.set(mine, () => {
        clearTimeout(timer)
        resolve()
      })
      asking.send(frameOf({ kind: 'ping', nonce: mine, target: alpha.self, updates: [] }))
    })
    answered.delete(mine)
    return performance.now() - began
  }

  /** The slowest answer while `attack` runs and for so long after it. */
  async function slowestDuring(attack: () => unknown, after = 300): Promise<number> {
    let slowest = 0
    const watch = { running: true }
    const watching = (async () => {
      while (watch.running) {
        slowest = Math.max(slowest, await roundTrip())
        // Well within what a member may ask.
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    })()
    await attack()
    await new Promise((resolve) => setTimeout(resolve, after))
    watch.running = false
    await watching
    return slowest
  }

  beforeAll(async () => {
    alpha = await startNodeHere('alpha', {})
    const { token } = await alpha.api.createToken({ uses: 5 })
    beta = await startNodeHere('beta', {}, token)
    mallory = await startHostileMember(71, token, alpha.self)
    witness = await joinRaw(token, 72)
    asking = await witness.host.swim.open(alpha.self, { signal: AbortSignal.timeout(5_000) })
    const splitter = createSwimSplitter((bytes) => {
      const message = decodeSwimMessage(bytes, scope())
      if (message.kind === 'ack') answered.get(message.nonce)?.()
    })
    asking.attach({ data: (bytes) => splitter.push(bytes), drain() {}, closed() {} })
    await waitUntil('all are members', () => stateOf(alpha, 'beta') === 'alive' && stateOf(alpha, 'mallory') === 'alive' && stateOf(beta, 'mallory') === 'alive')
    await roundTrip()
  })
  afterAll(async () => {
    await witness?.host.stop()
    await mallory?.stop()
    await beta?.stop()
    await alpha?.stop()
  })

  test('10 000 pings: others are answered meanwhile, most of the flood is dropped unread, and nobody is suspected for it', async () => {
    const stream = await openStream(mallory.host)
    const pings = Buffer.concat(Array.from({ length: 10_000 }, (_, count) => frameOf({ kind: 'ping', nonce: count, target: alpha.self, updates: [] })))
    const before = rejected('flood')
    const slowest = await slowestDuring(async () => {
      stream.send(pings)
      await waitUntil('the stream is reset', () => stream.isClosed())
    })
    expect(slowest).toBeLessThan(PROMPT_MS)
    expect(rejected('flood') - before).toBeGreaterThanOrEqual(5_000)
    expect([stateOf(alpha, 'beta'), stateOf(beta, 'alpha')]).toEqual(['alive', 'alive'])
  })

  test('forged accusations by the thousand', async () => {
    const stream = await openStream(mallory.host)
    const said = sealStatement({ kind: 'suspect', subject: beta.self, incarnation: alpha.api.members().find(({ name }) => name === 'beta')?.incarnation ?? 1, accuser: mallory.self, evidence: 'refused' }, scope(), mallory.signer)
    const states = Array.from({ length: 20 }, (_, message) => {
      const updates = Array.from({ length: 200 }, (_, index) => {
        const bytes = Uint8Array.from(said.bytes)
        bytes.set([message, index], bytes.length - 2)
        return { statement: said.statement, bytes }
      })
      return frameOf({ kind: 'state', nonce: 1, want: [], updates })
    })
    const slowest = await slowestDuring(() => states.forEach((frame) => stream.send(frame)))
    expect(slowest).toBeLessThan(PROMPT_MS)
    expect(stateOf(alpha, 'beta')).toBe('alive')
    stream.abort(new Error('done'))
  })

  test('garbage, half a frame and silence, single bytes, and streams without end', async () => {
    const slowest = await slowestDuring(async () => {
      const garbage = await openStream(mallory.host)
      garbage.send(new Uint8Array(1_000).fill(255))
      await waitUntil('the stream with a bad length is reset', () => garbage.isClosed())
      const half = await openStream(mallory.host)
      half.send(frameSwim(encodeCbor({ federation: 'f', more: new Uint8Array(60_000) })).subarray(0, 30_000))
      const slow = await openStream(mallory.host)
      for (const byte of frameSwim(new Uint8Array(MAX_SWIM_FRAME)).subarray(0, 4_000)) slow.send(Uint8Array.of(byte))
      const opened = await Promise.allSettled(Array.from({ length: 40 }, () => openStream(mallory.host)))
      const streams = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
      await new Promise((resolve) => setTimeout(resolve, 200))
      expect(streams.filter((stream) => !stream.isClosed()).length).toBeLessThanOrEqual(8)
      for (const stream of [half, slow, ...streams]) stream.abort(new Error('done'))
    })
    expect(slowest).toBeLessThan(PROMPT_MS)
    expect(stateOf(beta, 'alpha')).toBe('alive')
    await waitUntil('the attacker can speak again', async () => {
      const stream = await openStream(mallory.host).catch(() => undefined)
      stream?.abort(new Error('done'))
      return stream !== undefined
    })
  })

  test('one that never reads costs a bounded buffer', async () => {
    const stream = await mallory.host.swim.open(alpha.self, { signal: AbortSignal.timeout(5_000) })
    // Nothing is attached: nothing is read, while the victim answers until its line is full.
    for (let round = 0; round < 20; round++) {
      for (let count = 0; count < 200; count++) stream.send(frameOf({ kind: 'ping', nonce: count, target: alpha.self, updates: [] }))
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    expect(await roundTrip()).toBeLessThan(PROMPT_MS)
    stream.abort(new Error('done'))
    expect(stateOf(alpha, 'beta')).toBe('alive')
  })
})

test('a stranger opens no membership stream, and nothing that it sends is heard', async () => {
  const host = await startHost({ seed: 81, rules: secretRules('s') })
  const network = createMemberNetwork(host, { clock: systemClock, logger: silentLogger })
  const heard: string[] = []
  network.onFrame((peer) => void heard.push(peer))
  const stranger = await createLibp2p({ addresses: { listen: [] }, transports: [tcp()], connectionEncrypters: [tls()], streamMuxers: [yamux()] })
  try {
    const stream = await stranger.dialProtocol(multiaddr(`${host.addresses()[0]}/p2p/${host.self}`), SWIM_PROTOCOL).catch(() => undefined)
    if (stream !== undefined) {
      try {
        stream.send(frameSwim(Uint8Array.of(1, 2, 3)))
      } catch {
        // Reset already.
      }
      await waitUntil('the stream is reset', () => stream.status !== 'open')
    }
    expect(heard).toEqual([])
    expect(network.send(stranger.peerId.toString(), frameSwim(Uint8Array.of(1)))).toBe('lost')
  } finally {
    await stranger.stop()
    network.stop()
    await host.stop()
  }
})

describe('addresses as members may write them', () => {
  const ODD = [
    '/', '/ip4', '/ip4/1.2.3', '/ip4/127.0.0.1/tcp/99999', '/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/udp/1/quic-v1', '/ip6zone/lo/ip6/::1/tcp/1', '/unix/%2Ftmp%2Fx', '/p2p-circuit',
    '/dns4/%00/tcp/1', `/dns4/${'a'.repeat(240)}/tcp/1`, '/dns4/nowhere.invalid/tcp/1/ws', '/dnsaddr/nowhere.invalid', '/memory/1', '/ip4/127.0.0.1/tcp/1/http-path/%zz', '/certhash/x', '/garlic64/x'
  ]

  test.each([...ODD.map((address) => [address]), ODD])('neither dialling nor knocking at %s throws anything that nobody catches', async (...addresses) => {
    const host = await startHost({ seed: 82, rules: secretRules('s') })
    const other = await startHost({ seed: 83, rules: secretRules('s') })
    const network = createMemberNetwork(host, { clock: systemClock, logger: silentLogger })
    const thrown: unknown[] = []
    const onThrown = (error: unknown) => void thrown.push(error)
    process.on('unhandledRejection', onThrown)
    try {
      const signal = AbortSignal.timeout(3_000)
      expect(await network.knock(addresses, { timeout: 300, signal })).not.toBe('open')
      await expect(network.dial(other.self, addresses, { timeout: 300, signal })).rejects.toThrow()
      await new Promise((resolve) => setTimeout(resolve, 20))
      expect(thrown).toEqual([])
    } finally {
      process.off('unhandledRejection', onThrown)
      network.stop()
      await Promise.all([host.stop(), other.stop()])
    }
  })
})
