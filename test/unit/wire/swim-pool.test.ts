import { describe, expect, test } from 'vitest'
import { randomInt, seededRandom } from '../../../src/base/random.ts'
import { encodeCbor } from '../../../src/wire/cbor.ts'
import { encodeSwimFrame } from '../../../src/wire/swim.ts'
import { poolOf } from '../../../src/wire/swim-pool.ts'
import type { SwimMessage } from '../../../src/wire/swim-types.ts'
import { signer } from '../../support/catalog-fixtures.ts'

const POOL = signer(0).peer
const target = signer(1).peer
const messages: SwimMessage[] = [
  { kind: 'ping', nonce: 1, target, updates: [] },
  { kind: 'ack', nonce: 2 ** 32 - 1, updates: [] },
  { kind: 'ping-req', nonce: 3, target, within: 500, updates: [] },
  { kind: 'nack', nonce: 4, tried: true, updates: [] },
  { kind: 'gossip', updates: [] },
  { kind: 'sync', nonce: 5, hash: new Uint8Array(16), updates: [] },
  { kind: 'same', nonce: 6, updates: [] },
  { kind: 'digest', nonce: 7, entries: [{ peer: target, incarnation: 9, standing: 'up' }], updates: [] },
  { kind: 'state', nonce: 8, want: [target], updates: [] }
]
const bytesOf = (message: SwimMessage, pool = POOL) => encodeSwimFrame({ federation: 'f', pool }, message).subarray(4)

describe('the pool of a message, read without the rest', () => {
  test.each(messages.map((message) => [message.kind, message] as const))('%s', (_, message) => {
    expect(poolOf(bytesOf(message))).toBe(POOL)
    expect(poolOf(bytesOf(message, 'root'))).toBe('root')
  })

  test('keys that later versions put before it are passed over, whatever is in them', () => {
    const odd = { a: [1, [2, { x: 'pool', y: new Uint8Array(300) }]], ab: { pool: 'inner' }, b: -5, c: true, d: 'x'.repeat(70_000), e: 2 ** 40, pool: 'p' }
    expect(poolOf(encodeCbor(odd))).toBe('p')
  })

  test.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array()],
    ['no map', encodeCbor(['pool', 'p'])],
    ['an empty map', encodeCbor({})],
    ['a map without it', encodeCbor({ kind: 'ping', nonce: 1 })],
    ['no text', encodeCbor({ pool: 7 })],
    ['an empty name', encodeCbor({ pool: '' })],
    ['a name too long', encodeCbor({ pool: 'p'.repeat(65) })],
    ['an indefinite map', Uint8Array.of(0xbf, 0x64, 0x70, 0x6f, 0x6f, 0x6c, 0x61, 0x70, 0xff)],
    ['a key that is no text', Uint8Array.of(0xa1, 0x01, 0x61, 0x70)],
    ['a length beyond the end', Uint8Array.of(0xa2, 0x61, 0x61, 0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)],
    ['more items than bytes', Uint8Array.of(0xbb, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x61, 0x61, 0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)]
  ])('%s: none', (_, bytes) => expect(poolOf(bytes)).toBeUndefined())

  test('cut and changed anywhere it never throws, and reads in a window as alone', () => {
    const random = seededRandom(7)
    for (const message of messages) {
      const bytes = bytesOf(message)
      for (let length = 0; length < bytes.length; length++) expect([undefined, POOL]).toContain(poolOf(bytes.subarray(0, length)))
      for (let round = 0; round < 200; round++) {
        const changed = Uint8Array.from(bytes)
        changed[randomInt(random, changed.length)] = randomInt(random, 256)
        expect(() => poolOf(changed)).not.toThrow()
      }
      expect(poolOf(Buffer.concat([new Uint8Array(5), bytes]).subarray(5))).toBe(POOL)
    }
  })
})
