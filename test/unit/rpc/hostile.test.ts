import { describe, expect, test } from 'vitest'
import { createMeter } from '../../../src/base/meter.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { createRpc } from '../../../src/rpc/rpc.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { encodeFields, VECTOR_FIELDS, type Fields } from '../../support/rpc-vectors.ts'
import { createStreamPair } from '../../support/stream-pair.ts'

const HELLO = { ...VECTOR_FIELDS[0]![1], federation: 'f' }
const OPEN = { type: 'OPEN', id: 1, more: false, method: 2, deadline: 1000, hops: 5, body: '' }

/** A node `b` with one stream on which the test plays peer `a`, frame by frame. */
function hostile(limits = {}) {
  const clock = createManualClock()
  const meter = createMeter()
  const rpc = createRpc(
    { clock, meter, random: seededRandom(1), logger: silentLogger, opener: { open: () => Promise.reject(new Error('never')) } },
    { self: 'b', federation: 'f', bootId: 1n, schedule: (flush) => flush(), limits }
  )
  rpc.handle(2, () => {})
  const { a, b, run, step } = createStreamPair()
  rpc.accept('a', b)
  const texts: string[] = []
  let closed = false
  a.attach({ data: (bytes) => texts.push(Buffer.from(bytes).toString('latin1')), drain() {}, closed: () => (closed = true) })
  const send = (...frames: (Fields | Uint8Array)[]) => {
    for (const frame of frames) a.send(frame instanceof Uint8Array ? frame : encodeFields(frame))
    run()
  }
  const errors = () => meter.snapshot().find((metric) => metric.name === 'skein_rpc_protocol_errors_total')?.samples[0]?.value
  return { clock, rpc, meter, a, b, send, step, texts, errors, closed: () => closed }
}

describe('a frame that breaks a rule closes the session', () => {
  const message = (id: number) => ({ type: 'MESSAGE', id, more: false, renew: false, body: '' })
  const big = Buffer.alloc(9)
  big.writeUInt32BE(0x7fff_ffff)
  test.each<[string, (Fields | Uint8Array)[]]>([
    ['no HELLO first', [OPEN]],
    ['HELLO twice', [HELLO, HELLO]],
    ['wrong parity', [HELLO, { ...OPEN, id: 2 }]],
    ['ids that do not grow', [HELLO, { ...OPEN, id: 3 }, { ...OPEN, id: 1 }]],
    ['MESSAGE of an exchange that never was', [HELLO, message(1)]],
    ['MESSAGE of an exchange of ours that never was', [HELLO, message(2)]],
    ['END from the asking side', [HELLO, OPEN, { type: 'END', id: 1, more: false, load: 0, body: '' }]],
    ['CANCEL from the answering side', [HELLO, { type: 'CANCEL', id: 2, code: 'SKEIN_CANCELLED', reason: '' }]],
    ['BODY of nothing', [HELLO, OPEN, { type: 'BODY', id: 1, more: false, body: '' }]],
    ['MESSAGE inside a body', [HELLO, { ...OPEN, more: true }, message(1)]],
    ['more than its credit', [HELLO, OPEN, ...Array.from({ length: 6 }, () => ({ ...message(1), body: '00'.repeat(60_000) }))]],
    ['too much credit', [HELLO, OPEN, { type: 'CREDIT', id: 1, bytes: 0xffff_ffff }]],
    ['an unknown type', [HELLO, Buffer.from('0000000563000000000000', 'hex').subarray(0, 9)]],
    ['a frame over the limit', [HELLO, big]]
  ])('%s', (_, frames) => {
    const node = hostile()
    node.send(...frames)
    expect(node.errors()).toBe(1)
    expect(node.closed()).toBe(true)
    expect(node.rpc.sessions()).toHaveLength(0)
  })
})

describe('what must be tolerated', () => {
  test('frames of an exchange that has ended', () => {
    const node = hostile()
    node.send(HELLO, { ...OPEN, method: 99 }, { type: 'MESSAGE', id: 1, more: true, renew: false, body: '00' }, { type: 'BODY', id: 1, more: false, body: '00' })
    node.send({ type: 'CREDIT', id: 1, bytes: 5 }, { type: 'CANCEL', id: 1, code: 'SKEIN_CANCELLED', reason: 'x' })
    expect(node.errors()).toBe(0)
    expect(node.rpc.sessions()).toHaveLength(1)
  })

  test('a flood of OPEN and CANCEL is bounded by the places in service', () => {
    const node = hostile({ maxConcurrent: 10 })
    node.send(HELLO)
    for (let id = 1; id < 2_000; id += 2) node.send({ ...OPEN, id }, { type: 'CANCEL', id, code: 'SKEIN_CANCELLED', reason: '' })
    expect(node.rpc.sessions()[0]?.inService).toBe(10)
    node.clock.advance(40_000)
    expect(node.rpc.sessions()).toHaveLength(0)
  })

  test('a peer that asks and never reads: our queue is bounded because we stop reading', () => {
    const node = hostile({ maxQueue: 100_000 })
    node.send(HELLO)
    node.b.stalled = true
    let sent = 0
    for (let id = 1; id < 100_000 && !node.b.paused; id += 2) {
      node.send({ ...OPEN, id, method: 99 }, { type: 'PING', token: '0001020304050607' })
      sent++
    }
    const queued = node.rpc.sessions()[0]?.queueBytes ?? 0
    console.log(`slow reader: reading paused after ${sent} requests, ${queued} bytes queued, ${node.b.unsent} unsent`)
    expect(node.b.paused).toBe(true)
    expect(queued).toBeLessThan(110_000)
    expect(node.b.unsent).toBeLessThan(330_000)
    node.clock.advance(31_500)
    expect(node.rpc.sessions()).toHaveLength(0)
  })

  test('bodies of one byte a part are gathered: memory grows with the bytes, not the parts', () => {
    const node = hostile()
    node.send(HELLO, { ...OPEN, more: true })
    for (let index = 0; index < 3_000; index++) node.send({ type: 'BODY', id: 1, more: true, body: '07' })
    expect(node.errors()).toBe(0)
    const buffered = () => node.meter.snapshot().find((metric) => metric.name === 'skein_rpc_buffered_bytes')?.samples[0]?.value
    expect(buffered()).toBe(3_000)
    node.clock.advance(1_100)
    expect(buffered()).toBe(0)
  })
})
