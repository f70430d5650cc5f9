import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { createMeter } from '../../src/base/meter.ts'
import { systemRandom } from '../../src/base/random.ts'
import { createRpc } from '../../src/rpc/rpc.ts'
import type { Rpc } from '../../src/rpc/types.ts'
import { METHOD } from '../../src/wire/protocols.ts'
import { helloOf, joinRaw, openRaw, type RawMember } from '../support/raw-member.ts'
import { encodeFields } from '../support/rpc-vectors.ts'
import { makeToken, startSkein, type SkeinProcess } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'

const MIB = 1_048_576
/** What a node under load may take for its own garbage, beside what the limits of protocols/rpc.md allow, MiB. */
const SLACK_MIB = 96
/** A request of an honest peer while another misbehaves, on two shared cores, ms. */
const RESPONSIVE_MS = 2_000

let node: SkeinProcess
let token: string
let honest: RawMember
let rpc: Rpc
let seed = 50
const members: RawMember[] = []

/** Resident memory of the node's process, MiB. */
function memory(): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${node.child.pid}/status`, 'utf8'))?.[1]) / 1024
}

/** Bytes of unfinished bodies at the node, as it counts them. */
async function buffered(): Promise<number> {
  const text = await (await fetch(node.metricsUrl())).text()
  return Number(/^skein_rpc_buffered_bytes(?:\{.*\})? (\S+)$/m.exec(text)?.[1])
}

async function join(): Promise<RawMember> {
  const member = await joinRaw(token, (seed += 1))
  members.push(member)
  return member
}

beforeAll(async () => {
  node = await startSkein({ config: { node: { id: 'a' }, mcp: { graph: { enabled: false } } } })
  token = await makeToken(node, { uses: 20 })
  const open = { open: (peer: string, options: { signal: AbortSignal }) => honest.host.open(peer, options) }
  let early: Parameters<Rpc['accept']> | undefined
  honest = await joinRaw(token, 50, { sessionStream: (...args) => (rpc === undefined ? (early = args) : rpc.accept(...args)) })
  members.push(honest)
  const { host, federation } = honest
  rpc = createRpc({ clock: systemClock, random: systemRandom, meter: createMeter(), logger: silentLogger, opener: open }, { self: host.self, federation, bootId: BigInt(Date.now()) })
  rpc.peerUp(honest.node)
  if (early !== undefined) rpc.accept(...early)
  await waitUntil('the honest peer has a session', () => rpc.sessions().some((session) => session.rtt !== undefined))
})
afterAll(async () => {
  rpc?.close()
  await Promise.all(members.map((member) => member.host.stop()))
  await node?.dispose()
})

/** Runs an attack while an honest peer keeps asking; prints and checks what it cost. */
async function under(what: string, allowedMib: number, attack: () => Promise<string>): Promise<void> {
  const before = memory()
  const over = new AbortController()
  let [peak, worst, asked] = [before, 0, 0]
  const asking = (async () => {
    while (!over.signal.aborted) {
      const started = performance.now()
      await rpc.call(honest.node, METHOD.ECHO, new Uint8Array(100), { timeout: 10_000 })
      worst = Math.max(worst, performance.now() - started)
      asked += 1
      peak = Math.max(peak, memory())
      await sleep(20)
    }
  })()
  const said = await attack().finally(() => over.abort())
  await asking
  const growth = peak - before
  console.log(
    `${what}: ${said}; memory ${before.toFixed(0)} MiB, at most ${peak.toFixed(0)}, now ${memory().toFixed(0)} (allowed +${allowedMib + SLACK_MIB}); ${asked} requests of another peer, slowest ${worst.toFixed(0)} ms`
  )
  expect(asked).toBeGreaterThan(0)
  expect(worst).toBeLessThan(RESPONSIVE_MS)
  expect(growth).toBeLessThan(allowedMib + SLACK_MIB)
}

const open = (fields: { method: number; body?: Uint8Array; more?: boolean; deadline?: number }) =>
  encodeFields({ type: 'OPEN', id: 1, more: fields.more ?? false, method: fields.method, deadline: fields.deadline ?? 20_000, hops: 5, body: Buffer.from(fields.body ?? []).toString('hex') })

/** A copy of a frame for another exchange. */
function withId(frame: Buffer, id: number): Buffer {
  const copy = Buffer.from(frame)
  copy.writeUInt32BE(id, 5)
  return copy
}

describe.skipIf(process.platform !== 'linux')('a member that breaks the rules costs little, over a real socket', () => {
  test('an oversized frame length: the session is reset, nothing is allocated for it', async () => {
    await under('oversized frames', 0, async () => {
      const member = await join()
      for (let round = 0; round < 10; round++) {
        const stream = await openRaw(member)
        const head = Buffer.alloc(9)
        head.writeUInt32BE(0x7fff_ffff)
        stream.send(helloOf(member))
        stream.send(head)
        await waitUntil('the stream is reset', () => stream.closed())
      }
      return '10 frames of 2 GiB announced, 10 sessions reset'
    })
  })

  test('half a HELLO, then nothing: given up after 5 s', async () => {
    await under('half-open streams', 0, async () => {
      const member = await join()
      const started = performance.now()
      const streams = await Promise.all([1, 2, 3].map(() => openRaw(member)))
      for (const stream of streams) stream.send(helloOf(member).subarray(0, 20))
      await sleep(1_000)
      expect(streams.map((stream) => stream.closed())).toEqual([false, false, false])
      await waitUntil('all are reset', () => streams.every((stream) => stream.closed()), { timeout: 15_000 })
      return `3 streams reset after ${((performance.now() - started) / 1000).toFixed(1)} s`
    })
  })

  test('a slow reader that asks for much: the node stops reading, its queue is bounded', async () => {
    // 32 MiB of answers in the queue, and the requests being answered.
    await under('slow reader', 40, async () => {
      const member = await join()
      const stream = await openRaw(member)
      stream.send(helloOf(member))
      await waitUntil('its HELLO has come', () => stream.received() > 0)
      stream.pause()
      const request = open({ method: METHOD.ECHO, body: new Uint8Array(60_000) })
      let sent = 0
      // Ends when the node has not read for a second.
      for (let stalled = 0, id = 1; stalled < 50 && sent < 500 * MIB; ) {
        if (stream.unsent > MIB) {
          stalled += 1
          await sleep(20)
          continue
        }
        stalled = 0
        stream.send(withId(request, id))
        id += 2
        sent += request.length
      }
      expect(sent).toBeLessThan(100 * MIB)
      return `the node stopped reading after ${(sent / MIB).toFixed(0)} MiB of requests`
    })
  })

  test('a flood of requests: those beyond the places are refused', async () => {
    await under('flood of OPENs', 40, async () => {
      const member = await join()
      const stream = await openRaw(member)
      stream.send(helloOf(member))
      await waitUntil('its HELLO has come', () => stream.received() > 0)
      const count = 100_000
      const [unknown, echo] = [99, METHOD.ECHO].map((method) => open({ method })) as [Buffer, Buffer]
      for (let index = 0; index < count; index += 100) {
        stream.send(Buffer.concat(Array.from({ length: 100 }, (_, at) => withId(at % 2 === 0 ? unknown : echo, 2 * (index + at) + 1))))
        // The honest peer lives in this process too and must get its turns.
        do await sleep(1)
        while (stream.unsent > MIB)
      }
      await waitUntil('every one has an answer', () => stream.received() > count * 13, { timeout: 30_000 })
      expect(stream.closed()).toBe(false)
      return `${count} requests, ${(stream.received() / MIB).toFixed(1)} MiB of answers`
    })
  })

  test('bodies that never end: what is in assembly is bounded, and freed at the deadline', async () => {
    // 64 MiB in assembly.
    await under('unfinished bodies', 72, async () => {
      const member = await join()
      const stream = await openRaw(member)
      stream.send(helloOf(member))
      await waitUntil('its HELLO has come', () => stream.received() > 0)
      const request = open({ method: METHOD.ECHO, more: true, deadline: 3_000, body: new Uint8Array(60_000) })
      for (let index = 0; index < 5_000; index++) {
        stream.send(withId(request, 2 * index + 1))
        while (stream.unsent > MIB) await sleep(5)
      }
      const held = await buffered()
      await waitUntil('every one has been refused', () => stream.received() > 5_000 * 18, { timeout: 30_000 })
      await waitUntil('what was in assembly is freed', async () => (await buffered()) === 0, { every: 100 })
      expect(held).toBeGreaterThan(16 * MIB)
      expect(held).toBeLessThan(65 * MIB)
      return `${((5_000 * request.length) / MIB).toFixed(0)} MiB begun in 5 000 requests, ${(held / MIB).toFixed(0)} MiB in assembly, then none`
    })
  })
})
