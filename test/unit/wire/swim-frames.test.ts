import { describe, expect, test } from 'vitest'
import { seededRandom, randomInt } from '../../../src/base/random.ts'
import { createSwimSplitter, frameSwim, MAX_SWIM_FRAME } from '../../../src/wire/swim-frames.ts'

function collecting() {
  const messages: Uint8Array[] = []
  return { messages, splitter: createSwimSplitter((bytes) => void messages.push(bytes)) }
}

const badLength = (length: number) => expect.objectContaining({ code: 'SKEIN_PROTOCOL', message: expect.stringContaining(`not ${length}`) as string }) as Error
const header = (length: number) => {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, length)
  return bytes
}

describe('splitting frames', () => {
  const sizes = [1, 2, 3, 5, 200, 4_096, MAX_SWIM_FRAME]
  const wanted = sizes.map((size, index) => new Uint8Array(size).fill(index + 1))
  const stream = Buffer.concat(wanted.map(frameSwim))

  test('the whole at once, without copies', () => {
    const { messages, splitter } = collecting()
    splitter.push(stream)
    expect(messages.map((message) => Buffer.compare(message, wanted[messages.indexOf(message)] as Uint8Array))).toEqual(sizes.map(() => 0))
    expect(messages.every(({ buffer }) => buffer === stream.buffer)).toBe(true)
  })

  test('byte by byte', () => {
    const { messages, splitter } = collecting()
    const short = stream.subarray(0, stream.length - MAX_SWIM_FRAME - 4)
    for (let at = 0; at < short.length; at++) splitter.push(short.subarray(at, at + 1))
    expect(messages).toEqual(wanted.slice(0, -1))
  })

  test('in pieces cut anywhere, empty ones too', () => {
    const random = seededRandom(4)
    for (let round = 0; round < 50; round++) {
      const { messages, splitter } = collecting()
      for (let at = 0; at < stream.length; ) {
        const end = at + randomInt(random, randomInt(random, 2) === 0 ? 8 : 9_000)
        splitter.push(stream.subarray(at, end))
        at = end
      }
      expect(messages.map(({ length }) => length)).toEqual(sizes)
      expect(messages.every((message, index) => Buffer.compare(message, wanted[index] as Uint8Array) === 0)).toBe(true)
    }
  })

  test.each([0, MAX_SWIM_FRAME + 1, 1_000_000, 2 ** 32 - 1])('a length of %i ends it for good, whatever the pieces', (length) => {
    for (const pieces of [[header(length)], [header(length).subarray(0, 3), header(length).subarray(3)]]) {
      const { messages, splitter } = collecting()
      splitter.push(frameSwim(Uint8Array.of(7)))
      expect(() => {
        for (const piece of pieces) splitter.push(piece)
      }).toThrow(badLength(length))
      expect(() => splitter.push(frameSwim(Uint8Array.of(8)))).toThrow(badLength(length))
      expect(messages).toEqual([Uint8Array.of(7)])
    }
  })

  test('room is made only for lengths that are allowed, and only once they are known', () => {
    const before = process.memoryUsage().arrayBuffers
    const splitters = Array.from({ length: 100 }, () => collecting().splitter)
    for (const splitter of splitters) {
      splitter.push(header(MAX_SWIM_FRAME).subarray(0, 3))
      expect(() => collecting().splitter.push(header(2 ** 31))).toThrow()
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000)
  })

  test('what the handler throws ends it', () => {
    const messages: Uint8Array[] = []
    const splitter = createSwimSplitter((bytes) => {
      if (messages.push(bytes) === 1) throw new RangeError('no')
    })
    expect(() => splitter.push(Uint8Array.of(...frameSwim(Uint8Array.of(1)), ...frameSwim(Uint8Array.of(2))))).toThrow(RangeError)
    expect(() => splitter.push(frameSwim(Uint8Array.of(3)))).toThrow(RangeError)
    expect(messages).toEqual([Uint8Array.of(1)])
  })
})
