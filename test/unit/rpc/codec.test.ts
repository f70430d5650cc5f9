import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { createSplitter } from '../../../src/wire/rpc-splitter.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { attributesSize, encodeEndError, encodePing } from '../../../src/wire/rpc-encode.ts'
import { VECTOR_FIELDS, decodeFields, encodeFields, type Vector } from '../../support/rpc-vectors.ts'

const vectors: Vector[] = JSON.parse(readFileSync(new URL('../../../protocols/vectors/rpc/frames.json', import.meta.url), 'utf8'))

describe('golden frames', () => {
  test('none is missing', () => expect(vectors.map(({ name }) => name)).toEqual(VECTOR_FIELDS.map(([name]) => name)))

  test.each(vectors.map((vector) => [vector.name, vector] as const))('%s', (_, { hex, fields }) => {
    expect(encodeFields(fields).toString('hex')).toBe(hex)
    expect(decodeFields(Buffer.from(hex, 'hex'))).toEqual(fields)
  })
})

describe('bad frames name the rule', () => {
  const ok = (name: string) => Buffer.from(vectors.find((vector) => vector.name === name)!.hex, 'hex')
  const changed = (name: string, at: number, value: number) => {
    const frame = ok(name)
    frame[at] = value
    return frame
  }
  test.each([
    ['flags', changed('open, plain', 9, 4), /flags 4 are unknown/],
    ['deadline 0', encodeFields({ ...VECTOR_FIELDS[1]![1], deadline: 0 }), /deadline is in 1-/],
    ['attribute too long', changed('open with everything, body goes on', 45, 0xff), /runs past its frame/],
    ['attribute twice', encodeFields({ ...VECTOR_FIELDS[1]![1], attributes: [[1, 'aa'], [2, 'bb']] }).fill(1, 47, 48), /tag comes twice/],
    ['status', changed('end', 10, 2), /status is 0 or 1/],
    ['error that goes on', changed('end, error', 9, 1), /one frame/],
    ['error message too long', changed('end, error', 15, 0xff), /does not fit/],
    ['error data', changed('end, error with data', 24, 0x21), /not JSON/],
    ['credit 0', encodeFields({ type: 'CREDIT', id: 1, bytes: 0 }), /at least 1/],
    ['version', changed('hello', 10, 9), /version 9/],
    ['federation', changed('hello', 44, 200), /does not fit/],
    ['ping', ok('ping').subarray(0, 15), /8 bytes/],
    ['reason not UTF-8', changed('goaway', 16, 0xff), /not UTF-8/]
  ])('%s', (_, frame, rule) => {
    expect(() => decodeFields(frame)).toThrow(rule)
  })

  test('attributes over 8 KiB are refused before they leave', () => {
    expect(() => attributesSize(new Map([[1, new Uint8Array(8192)]]))).toThrow(/8192 are allowed/)
    expect(() => attributesSize(new Map([[256, new Uint8Array(1)]]))).toThrow(/0-255/)
  })

  test('long error texts are cut between characters, large or impossible data is left out', () => {
    const cycle: Record<string, unknown> = {}
    cycle['me'] = cycle
    for (const data of [cycle, 'x'.repeat(10_000)]) {
      const { error } = decodeFields(encodeEndError(1, 0, new SkeinError('SKEIN_BUSY', 'ä'.repeat(5_000), { data })))
      expect(error).toEqual({ code: 'SKEIN_BUSY', message: 'ä'.repeat(2_048) })
    }
  })
})

describe('the splitter', () => {
  const stream = Buffer.concat(vectors.map(({ hex }) => Buffer.from(hex, 'hex')))
  const collect = (max = 100_000) => {
    const frames: string[] = []
    const splitter = createSplitter(max, (type, id, bytes, start, end) => {
      frames.push(`${type} ${id} ${Buffer.from(bytes.subarray(start, end)).toString('hex')}`)
      return true
    })
    return { frames, splitter }
  }

  test('gives the same frames however the bytes are cut', () => {
    const whole = collect()
    whole.splitter.push(stream)
    expect(whole.frames).toHaveLength(vectors.length)
    for (let size = 1; size < 60; size++) {
      const cut = collect()
      for (let at = 0; at < stream.length; at += size) cut.splitter.push(stream.subarray(at, at + size))
      expect(cut.frames).toEqual(whole.frames)
      expect(cut.splitter.held).toBe(0)
    }
  })

  test.each([0, 4, 101, 0xffff_ffff])('refuses length %i before it allocates', (length) => {
    const head = Buffer.alloc(4)
    head.writeUInt32BE(length)
    for (const bytes of [[head], [head.subarray(0, 2), head.subarray(2)], [Buffer.concat([head, Buffer.alloc(20)])]]) {
      const { splitter } = collect(100)
      expect(() => bytes.forEach((part) => splitter.push(part))).toThrow(/length is in 5-100/)
    }
  })

  test('stops when told', () => {
    let count = 0
    const splitter = createSplitter(100, () => ++count < 2)
    const ping = encodePing(9, new Uint8Array(8))
    splitter.push(Buffer.concat([ping, ping, ping, ping]))
    expect(count).toBe(2)
  })
})
