import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { systemRandom } from '../../../src/base/random.ts'
import type { Host } from '../../../src/net/host.ts'
import type { ByteStream } from '../../../src/rpc/ports.ts'
import { createRpc } from '../../../src/rpc/rpc.ts'
import type { Rpc } from '../../../src/rpc/types.ts'
import { METHOD } from '../../../src/wire/protocols.ts'
import { secretRules, startHost } from '../../support/hosts.ts'
import { waitUntil } from '../../support/wait-until.ts'

const MIB = 1_048_576
/** The port promises "full" at the latest with this much unsent. */
const MAX_UNSENT = 262_144

const fullAddress = (host: Host) => `${host.addresses()[0]}/p2p/${host.self}`
const dial = (from: Host, to: Host) => from.connect([fullAddress(to)], { signal: AbortSignal.timeout(5_000) })

describe('a session stream between two hosts', () => {
  let a: Host
  let b: Host
  let accepted: ByteStream | undefined
  let opened: ByteStream

  beforeEach(async () => {
    accepted = undefined
    a = await startHost({ seed: 1, rules: secretRules('s') })
    b = await startHost({ seed: 2, rules: secretRules('s'), events: { sessionStream: (_peer, stream) => (accepted = stream) } })
    await dial(a, b)
    opened = await a.open(b.self, { signal: AbortSignal.timeout(5_000) })
    await waitUntil('the stream is accepted', () => accepted !== undefined)
  })
  afterEach(async () => {
    await Promise.all([a.stop(), b.stop()])
  })

  test('says full within the bound while nobody reads, then drains, and every byte arrives in order', async () => {
    const receiver = accepted as ByteStream
    const total = 16 * MIB
    const chunk = 65_536
    let received = 0
    let wrong = 0
    receiver.attach({
      data(bytes) {
        for (let at = 0; at < bytes.length; at += 4_093) if (bytes[at] !== Math.floor((received + at) / chunk) % 251) wrong++
        received += bytes.length
      },
      drain() {},
      closed() {}
    })
    receiver.pause()
    let drains = 0
    let refused = 0
    let mostUnsent = 0
    let sent = 0
    // As sessions do: goes on until told that it is full, then waits for the drain event.
    const pump = () => {
      while (sent < total) {
        const ready = opened.send(new Uint8Array(chunk).fill((sent / chunk) % 251))
        sent += chunk
        mostUnsent = Math.max(mostUnsent, opened.unsent)
        if (!ready) {
          refused++
          return
        }
      }
    }
    opened.attach({
      data() {},
      drain() {
        drains++
        pump()
      },
      closed() {}
    })
    pump()
    await waitUntil('the sender is told to wait', () => refused > 0)
    // Long enough for everything the paused side would take to have left.
    await new Promise((resolve) => setTimeout(resolve, 300))
    const whilePaused = sent
    expect(received).toBe(0)
    expect(whilePaused).toBeLessThan(4 * MIB)
    receiver.resume()
    await waitUntil('everything has arrived', () => received === total, { timeout: 20_000 })
    console.log(`slow reader: ${(whilePaused / MIB).toFixed(2)} MiB left the sender before it waited, at most ${mostUnsent} bytes unsent, ${refused} times full, ${drains} drains`)
    expect(wrong).toBe(0)
    expect(mostUnsent).toBeLessThanOrEqual(MAX_UNSENT)
    expect(drains).toBeGreaterThanOrEqual(refused)
  })

  test('an abort on one side closes the other', async () => {
    const closed: string[] = []
    accepted?.attach({ data() {}, drain() {}, closed: () => closed.push('b') })
    opened.attach({ data() {}, drain() {}, closed: () => closed.push('a') })
    opened.abort(new Error('enough'))
    await waitUntil('both have heard of it', () => closed.length === 2)
    expect(closed.toSorted()).toEqual(['a', 'b'])
    expect(opened.send(new Uint8Array(1))).toBe(false)
  })
})

describe('bodies over a session between two hosts', () => {
  let a: Host
  let b: Host
  let fromA: Rpc
  let fromB: Rpc

  const rpcOf = (host: Host) =>
    createRpc({ clock: systemClock, random: systemRandom, meter: createMeter(), logger: silentLogger, opener: host }, { self: host.self, federation: 'f', bootId: 1n })

  beforeEach(async () => {
    a = await startHost({ seed: 1, rules: secretRules('s'), events: events(() => fromA) })
    b = await startHost({ seed: 2, rules: secretRules('s'), events: events(() => fromB) })
    fromA = rpcOf(a)
    fromB = rpcOf(b)
    for (const rpc of [fromA, fromB]) rpc.handle(METHOD.ECHO, (exchange) => exchange.end(exchange.body))
    await dial(a, b)
    await waitUntil('both have a session', () => fromA.sessions().length === 1 && fromB.sessions().length === 1)
  })
  afterEach(async () => {
    fromA.close()
    fromB.close()
    await Promise.all([a.stop(), b.stop()])
  })

  function events(rpc: () => Rpc) {
    return {
      peerUp: (peer: string) => rpc().peerUp(peer),
      peerDown: (peer: string) => rpc().peerDown(peer),
      sessionStream: (peer: string, stream: ByteStream) => rpc().accept(peer, stream)
    }
  }

  /** `count` echoes of 1 MiB from each side at once; fails on a changed body. */
  async function bothWays(count: number, inFlight: number): Promise<void> {
    const run = async (rpc: Rpc, peer: string) => {
      let left = count
      await Promise.all(
        Array.from({ length: inFlight }, async () => {
          while (left-- > 0) {
            const mark = left % 251
            const { body } = await rpc.call(peer, METHOD.ECHO, new Uint8Array(MIB).fill(mark), { timeout: 60_000 })
            if (body.length !== MIB || body[0] !== mark || body[MIB - 1] !== mark) throw new Error('a body changed on the way')
          }
        })
      )
    }
    await Promise.all([run(fromA, b.self), run(fromB, a.self)])
  }

  test('200 bodies of 1 MiB from both sides at once arrive whole, in bounded memory', async () => {
    await bothWays(16, 8)
    const before = process.memoryUsage().rss
    let peak = before
    const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 20)
    const started = performance.now()
    try {
      await bothWays(200, 8)
    } finally {
      clearInterval(watch)
    }
    const seconds = (performance.now() - started) / 1000
    const grown = (peak - before) / MIB
    // Each body crosses twice: as request and as answer.
    console.log(`bulk: ${((2 * 2 * 200) / seconds).toFixed(0)} MiB/s over one session, both hosts in one process; resident memory grew by ${grown.toFixed(0)} MiB at most`)
    expect(fromA.sessions()[0]?.queueBytes).toBe(0)
    // 16 requests of 1 MiB are under way, each in at most a few copies; 800 MiB went through.
    expect(grown).toBeLessThan(400)
  }, 60_000)

  test('small requests go ahead of large bodies that fill the session', async () => {
    let ended = false
    const bulk = bothWays(60, 8).then(() => (ended = true))
    const times: number[] = []
    while (times.length < 5) {
      const began = performance.now()
      await fromA.call(b.self, METHOD.ECHO, new Uint8Array(64), { timeout: 30_000 })
      times.push(performance.now() - began)
    }
    const beforeTheEnd = !ended
    await bulk
    console.log(`small requests beside 240 MiB: ${times.map((time) => time.toFixed(0)).join(', ')} ms`)
    expect(beforeTheEnd).toBe(true)
  }, 60_000)
})
