import { readFileSync } from 'node:fs'
import { silentLogger } from '../../src/base/logger.ts'
import { createMeter } from '../../src/base/meter.ts'
import { randomInt, seededRandom, type Random } from '../../src/base/random.ts'
import { createRpc } from '../../src/rpc/rpc.ts'
import type { StreamHandlers } from '../../src/rpc/ports.ts'
import { FRAME } from '../../src/wire/rpc-frames.ts'
import { createManualClock } from '../support/manual-clock.ts'
import { decodeFields, encodeFields, type Vector } from '../support/rpc-vectors.ts'
import type { FuzzTarget } from './driver.ts'

const vectors: Vector[] = JSON.parse(readFileSync(new URL('../../protocols/vectors/rpc/frames.json', import.meta.url), 'utf8'))
const frames = vectors.map(({ hex }) => Buffer.from(hex, 'hex'))
const hello = frames[0] as Buffer
/** A request whose handler answers every message and stays. */
const kept = encodeFields({ type: 'OPEN', id: 1, more: false, method: 32, deadline: 20_000, hops: 5, body: '' })
/** What a session can hear at any time: HELLO, BODY and bodies that go on come only now and then, or no session would live long. */
const common = frames.filter((frame) => frame[4] !== FRAME.HELLO && frame[4] !== FRAME.BODY && frame[4] !== FRAME.GOAWAY && frame[9] !== 1)
/** Long enough for frames to meet each other's exchanges, short enough that sessions are often new. */
const FRAMES_PER_SESSION = 10

interface Ids {
  /** The last OPEN's. */
  next: number
  /** Few mutations in this session, so that it lives to see odd orders. */
  calm: boolean
}

function pick(random: Random, from: Buffer[]): Buffer {
  return from[randomInt(random, from.length)] as Buffer
}

/** Flips, cuts, doubles or keeps bytes of a legal frame, then makes its length true again, so that most reach their decoder. */
function mutate(random: Random, ids: Ids): Buffer {
  const rare = randomInt(random, 25) === 0
  let frame = Buffer.from(pick(random, rare ? frames : common))
  if (frame.readUInt32BE(5) !== 0) frame.writeUInt32BE(idFor(random, frame[4] as number, ids), 5)
  // Frames of calm sessions stay legal and only come in an odd order.
  const changes = ids.calm && randomInt(random, 10) > 0 ? 0 : Math.max(0, randomInt(random, 4) - 1)
  for (let change = 0; change < changes; change++) {
    const at = 4 + randomInt(random, frame.length - 4)
    switch (randomInt(random, 5)) {
      case 0:
        frame[at] = randomInt(random, 256)
        break
      case 1:
        frame[at] = (frame[at] as number) ^ (1 << randomInt(random, 8))
        break
      case 2:
        frame = Buffer.concat([frame.subarray(0, Math.max(9, at))])
        break
      case 3:
        frame = Buffer.concat([frame, Buffer.from(random.bytes(randomInt(random, 40)))])
        break
      default:
    }
  }
  frame.writeUInt32BE(frame.length - 4)
  // Now and then the length itself lies.
  if (randomInt(random, 50) === 0) frame[randomInt(random, 4)] = randomInt(random, 256)
  return frame
}

/** Mostly an id that fits the frame, so that frames meet each other's exchanges. */
function idFor(random: Random, type: number, ids: Ids): number {
  if (randomInt(random, ids.calm ? 200 : 20) === 0) return randomInt(random, 12)
  if (type === FRAME.OPEN) return (ids.next += 2)
  if (type === FRAME.END || (type !== FRAME.CANCEL && randomInt(random, 4) === 0)) return 2 + 2 * randomInt(random, 2)
  return Math.max(1, ids.next - 2 * randomInt(random, 3))
}

/** One session machine that has said HELLO and has exchanges both ways. */
function startSession(random: Random) {
  const clock = createManualClock()
  let handlers: StreamHandlers | undefined
  let aborted = false
  const rpc = createRpc(
    { clock, random, meter: createMeter(), logger: silentLogger, opener: { open: () => Promise.reject(new Error('never')) } },
    { self: 'b', federation: 'k7f', bootId: 1n, schedule: (flush) => flush(), limits: { maxBody: 4_096, maxBuffered: 8_192, maxConcurrent: 4 } }
  )
  rpc.handle(1, (exchange) => exchange.end(exchange.body))
  rpc.handle(32, (exchange) => {
    exchange.onMessage((body) => exchange.send(body))
    exchange.onCancel(() => exchange.end(exchange.body))
  })
  rpc.accept('a', {
    send: () => randomInt(random, 10) > 0,
    unsent: 0,
    pause() {},
    resume() {},
    close() {},
    abort: () => {
      aborted = true
    },
    attach: (given) => {
      handlers = given
    }
  })
  handlers?.data(hello)
  handlers?.data(kept)
  const asked = [1, 2].map((method) => rpc.open('a', method, new Uint8Array(10), { timeout: 1000, onMessage: () => {} }))
  return {
    /** In two pieces cut anywhere; false once the session is broken off. */
    feed(input: Uint8Array): boolean {
      const cut = randomInt(random, input.length)
      handlers?.data(input.subarray(0, cut))
      handlers?.data(input.subarray(cut))
      if (randomInt(random, 3) === 0) handlers?.drain()
      if (randomInt(random, 8) === 0) clock.advance(40)
      return !aborted
    },
    end(): void {
      asked[0]?.cancel()
      handlers?.closed()
      clock.advance(60_000)
      const left = rpc.sessions().length
      rpc.close()
      if (left !== 0) throw new Error('a session outlived its stream')
    }
  }
}

/**
 * The session machine fed with damaged frames and legal ones in illegal order, and the frame decoders before it. Rejected: the frame was
 * the one that broke the session. A calm session's frames are mostly undamaged.
 */
export function rpcTarget(): FuzzTarget & { lived(): number } {
  const ids: Ids = { next: 1, calm: true }
  let session: ReturnType<typeof startSession> | undefined
  let fed = 0
  let lived = 0
  const finish = () => {
    const ending = session
    session = undefined
    ending?.end()
  }
  return {
    name: 'rpc session',
    // The only one with states: as many inputs as all the others together.
    weight: 20,
    /** Sessions that took all their frames. */
    lived: () => lived,
    next(random) {
      if (session === undefined) Object.assign(ids, { next: 1, calm: randomInt(random, 2) === 0 })
      return mutate(random, ids)
    },
    parse: decodeFields,
    read(input, random) {
      if (session === undefined) {
        session = startSession(seededRandom(randomInt(random, 2 ** 31)))
        fed = 0
      }
      const alive = session.feed(input)
      fed++
      if (alive && fed < FRAMES_PER_SESSION) return true
      if (alive) lived++
      finish()
      return alive
    },
    end: finish
  }
}

/** A frame alone: the decoder of each type. */
export function frameTarget(): FuzzTarget {
  const ids: Ids = { next: 1, calm: false }
  return { name: 'rpc frame', next: (random) => mutate(random, ids), parse: decodeFields, read: (input) => void decodeFields(input) }
}
