import { isDeepStrictEqual } from 'node:util'
import { randomInt, seededRandom, type Random } from '../../src/base/random.ts'
import { createVivaldi } from '../../src/membership/coordinates/vivaldi.ts'
import { decodeCbor, encodeCbor } from '../../src/wire/cbor.ts'
import { COORDINATES_BYTES, DIMENSIONS, isWithinBounds, MAX_COORDINATE, MAX_ERROR, packCoordinates, unpackCoordinates } from '../../src/wire/coordinates.ts'
import { openEnvelope, sealEnvelope } from '../../src/wire/envelope.ts'
import { createSwimSplitter } from '../../src/wire/swim-frames.ts'
import { createPeerKeys } from '../../src/wire/swim-peers.ts'
import { createStatementReader } from '../../src/wire/swim-reader.ts'
import { STATEMENT_DOMAIN, verifyStatement } from '../../src/wire/swim-statements.ts'
import { decodeSwimMessageWith, encodeSwimFrame } from '../../src/wire/swim.ts'
import { testSigner } from '../support/security-world.ts'
import { readSwimVectors, SCOPE } from '../support/swim-vectors.ts'
import type { FuzzTarget } from './driver.ts'
import { mutateBytes, mutateValue } from './mutate.ts'

const max = 1 << 20
const parse = (input: Uint8Array) => decodeCbor(input, { max, what: 'the input' })
const bytesOf = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'))
const statements = readSwimVectors('statements').vectors.map(({ hex, seed }) => {
  const bytes = bytesOf(hex)
  return { bytes, payload: parse(openEnvelope(STATEMENT_DOMAIN, bytes, { max }).payload), signer: testSigner(seed) }
})
const frames = readSwimVectors('messages').vectors.map(({ frame }) => bytesOf(frame))

function pick<T>(random: Random, from: readonly T[]): T {
  return from[randomInt(random, from.length)] as T
}

/** Damaged bytes, a damaged envelope, or a damaged payload with a good signature of the right member. */
function damagedStatement(random: Random): Uint8Array {
  const { bytes, payload, signer } = pick(random, statements)
  const dice = random.float()
  if (dice < 0.25) return mutateBytes(bytes, random)
  if (dice < 0.45) return encodeCbor(mutateValue(parse(bytes), random))
  return sealEnvelope(STATEMENT_DOMAIN, encodeCbor(mutateValue(payload, random)), signer)
}

function damagedMessage(random: Random): Uint8Array {
  const message = pick(random, frames).subarray(4)
  const dice = random.float()
  if (dice < 0.25) return mutateBytes(message, random)
  const map = parse(message) as Record<string, unknown>
  if (dice < 0.65) return encodeCbor(mutateValue(map, random))
  // Few are damaged: signing is slow.
  const updates = Array.from({ length: randomInt(random, 20) }, (_, index) => (index < 2 ? damagedStatement(random) : pick(random, statements).bytes))
  return encodeCbor({ ...map, updates })
}

/** Few places, so that statements come and go. */
const memory = () => {
  const peers = createPeerKeys({ max: 3 })
  return { peers, reader: createStatementReader(SCOPE, { max: 4, peers }) }
}

function statementTarget(): FuzzTarget {
  const { reader, peers } = memory()
  return {
    name: 'swim statement',
    parse,
    next: damagedStatement,
    read(input) {
      const sealed = reader.open(input)
      if (reader.open(Uint8Array.from(input)) !== sealed || reader.size > 4) throw new Error('the reader does not know what it has read')
      return verifyStatement(sealed, SCOPE, peers)
    }
  }
}

function messageTarget(): FuzzTarget {
  const { reader, peers } = memory()
  return {
    name: 'swim message',
    parse,
    next: damagedMessage,
    read(input, random) {
      const { message } = decodeSwimMessageWith(input, SCOPE, { statements: reader, peers })
      // What could be read can be said again, and means the same to one that remembers nothing. Not each time: that is slow.
      if (random.float() > 0.2) return
      const again = decodeSwimMessageWith(encodeSwimFrame(SCOPE, message, { peers }).subarray(4), SCOPE)
      if (again.dropped.length > 0 || !isDeepStrictEqual(again.message, message)) throw new Error('read, written and read again it is another message')
    }
  }
}

/** Streams of frames with lengths that lie, cut anywhere. */
function framesTarget(): FuzzTarget {
  return {
    name: 'swim frames',
    next(random) {
      const parts = Array.from({ length: 1 + randomInt(random, 4) }, () => Uint8Array.from(pick(random, frames)))
      const dice = random.float()
      const lying = pick(random, parts)
      if (dice < 0.15) lying[randomInt(random, 2)] = randomInt(random, 256)
      else if (dice < 0.3) lying[3] = randomInt(random, 256)
      else if (dice < 0.35) lying.fill(0, 0, 4)
      const stream = Buffer.concat(parts)
      return dice < 0.5 ? mutateBytes(stream, random) : stream.subarray(0, dice < 0.7 ? randomInt(random, stream.length) : stream.length)
    },
    parse: (input) => createSwimSplitter(() => {}).push(input),
    read(input, random) {
      const whole: string[] = []
      const pieces: string[] = []
      const into = (list: string[]) => createSwimSplitter((bytes) => void list.push(Buffer.from(bytes).toString('hex')))
      const piecewise = into(pieces)
      const error = thrownBy(() => into(whole).push(input))
      const other = thrownBy(() => {
        for (let at = 0; at < input.length; ) {
          const end = at + 1 + randomInt(random, randomInt(random, 2) === 0 ? 6 : 600)
          piecewise.push(input.subarray(at, end))
          at = end
        }
      })
      if (!isDeepStrictEqual(whole, pieces) || error?.message !== other?.message) throw new Error('the cuts of the stream make a difference')
      if (error !== undefined) throw error
    }
  }
}

function thrownBy(run: () => void): Error | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    return error as Error
  }
}

/** Numbers that break arithmetic. */
const ODD_NUMBERS = [NaN, Infinity, -Infinity, -0, 1e-45, -1e-45, 3e38, MAX_COORDINATE, -MAX_COORDINATE, 10_000.001, 1.5, 1.500001]

/** Mostly whole, with numbers of any kind; a machine that takes them in, with any round trip, stays where it may be. */
function coordinatesTarget(): FuzzTarget {
  const vivaldi = createVivaldi(seededRandom(1))
  return {
    name: 'swim coordinates',
    next(random) {
      const number = (least: number, most: number) => (random.float() < 0.04 ? pick(random, ODD_NUMBERS) : least + random.float() * (most - least))
      const range = 10 ** (random.float() * 4)
      const vector = Array.from({ length: DIMENSIONS }, () => number(-range, range))
      const bytes = packCoordinates({ vector, height: number(0, range), error: number(0, MAX_ERROR), adjustment: number(-range, range) })
      return random.float() < 0.2 ? mutateBytes(bytes, random) : bytes
    },
    parse(input) {
      if (input.length !== COORDINATES_BYTES) throw new Error('another length')
    },
    read(input, random) {
      const coordinates = unpackCoordinates(input)
      if (coordinates === undefined) return false
      if (Buffer.compare(packCoordinates(coordinates), input) !== 0) throw new Error('read and written again they are others')
      const roundTrip = random.float() < 0.1 ? pick(random, ODD_NUMBERS) : random.float() * 10 ** (random.float() * 5)
      vivaldi.sample(coordinates, roundTrip)
      if (!isWithinBounds(vivaldi.own) || !((vivaldi.predict(coordinates) ?? 0) >= 0)) throw new Error(`a round trip of ${roundTrip} led to ${JSON.stringify(vivaldi.own)}`)
      return undefined
    }
  }
}

/** Everything that reads what /skein/swim/1.0.0 brings; new ones each time, because readers remember. */
export function swimTargets(): FuzzTarget[] {
  return [statementTarget(), messageTarget(), coordinatesTarget(), framesTarget()]
}
