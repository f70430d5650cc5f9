import { describe, expect, test } from 'vitest'
import { decodeCbor, encodeCbor } from '../../../src/wire/cbor.ts'
import { sealEnvelope } from '../../../src/wire/envelope.ts'
import { peerIdOfKey } from '../../../src/wire/peer-id.ts'
import { ENTRY_BYTES, PEER_BYTES } from '../../../src/wire/swim-digest.ts'
import { MAX_SWIM_FRAME } from '../../../src/wire/swim-frames.ts'
import { createPeerKeys } from '../../../src/wire/swim-peers.ts'
import { createStatementReader } from '../../../src/wire/swim-reader.ts'
import { sealStatement, STATEMENT_DOMAIN } from '../../../src/wire/swim-statements.ts'
import { MAX_INCARNATION, type DigestEntry, type Sealed, type SwimMessage } from '../../../src/wire/swim-types.ts'
import {
  decodeSwimMessage, decodeSwimMessageWith, encodeSwimFrame, MAX_DIGEST_ENTRIES, MAX_STATE_UPDATES, MAX_UPDATES, MAX_UPDATES_BYTES, MAX_WITHIN
} from '../../../src/wire/swim.ts'
import { constantOf } from '../../support/stated.ts'
import { a, b, BOOT, MESSAGES, REFUSED, SCOPE, sealed } from '../../support/swim-vectors.ts'

const times = <T>(length: number, item: T): T[] => Array.from({ length }, () => item)
const protocolError = (message: string, data?: unknown) =>
  expect.objectContaining({ code: 'SKEIN_PROTOCOL', message: expect.stringContaining(message) as string, ...(data === undefined ? {} : { data }) }) as Error
const limitError = expect.objectContaining({ code: 'SKEIN_LIMIT' }) as Error
/** Without the length. */
const encode = (message: SwimMessage) => encodeSwimFrame(SCOPE, message).subarray(4)
const raw = (map: Record<string, unknown>) => encodeCbor({ federation: SCOPE.federation, pool: 'root', nonce: 1, ...map })
const peerNumber = (index: number) => {
  const key = new Uint8Array(32)
  new DataView(key.buffer).setUint32(0, index)
  return peerIdOfKey(key)
}
const entriesOf = (count: number): DigestEntry[] => Array.from({ length: count }, (_, index) => ({ peer: peerNumber(index), incarnation: BOOT + index, standing: 'up' }))

describe('messages', () => {
  test.each(Object.entries(MESSAGES))('%s is read as it was written', (_name, message) => {
    const frame = encodeSwimFrame(SCOPE, message)
    expect(new DataView(frame.buffer).getUint32(0)).toBe(frame.length - 4)
    expect(decodeSwimMessageWith(frame.subarray(4), SCOPE)).toEqual({ message, dropped: [] })
    expect(decodeSwimMessage(frame.subarray(4), SCOPE, { statements: createStatementReader(SCOPE), peers: createPeerKeys() })).toEqual(message)
  })

  test('nothing of another federation or pool is read', () => {
    for (const scope of [{ ...SCOPE, pool: 'eu' }, { ...SCOPE, federation: 'a'.repeat(26) }]) {
      expect(() => decodeSwimMessage(encode(MESSAGES['ping'] as SwimMessage), scope)).toThrow(protocolError('not for ours', { reason: 'foreign' }))
    }
  })

  test('what is said of a foreign pool does not reach a terminal as it is', () => {
    const bytes = encodeCbor({ federation: 'x', pool: 'a\u001b[2J\u009b2J\u202eb', kind: 'gossip' })
    expect(() => decodeSwimMessage(bytes, SCOPE)).toThrow(protocolError('pool "a?[2J?2J?b"'))
  })

  test.each<[Record<string, unknown>, string]>([
    [{ kind: 'ping' }, 'target is missing'],
    [{ kind: 'ping', target: b.peer }, 'target must be bytes'],
    [{ kind: 'ping', target: new Uint8Array(33) }, 'target must have 32 bytes'],
    [{ kind: 'ack', nonce: -1 }, 'nonce must be from 0'],
    [{ kind: 'ack', nonce: 2 ** 32 }, 'nonce must be from 0 to 4294967295'],
    [{ kind: 'ack', nonce: undefined }, 'nonce is missing'],
    [{ kind: 'ack', coordinates: new Uint8Array(257) }, 'coordinates has 257 bytes'],
    [{ kind: 'ping-req', target: b.publicKey, within: 0 }, 'within must be from 1'],
    [{ kind: 'ping-req', target: b.publicKey, within: 60_001 }, 'within must be from 1 to 60000'],
    [{ kind: 'nack' }, 'tried is missing'],
    [{ kind: 'nack', tried: 1 }, 'tried must be true or false'],
    [{ kind: 'sync', hash: new Uint8Array(33) }, 'hash has 33 bytes'],
    [{ kind: 'digest', entries: [[b.publicKey, 1]] }, 'entries must be bytes'],
    [{ kind: 'digest', entries: new Uint8Array(ENTRY_BYTES + 1) }, 'no multiple of 40'],
    [{ kind: 'digest', entries: new Uint8Array(ENTRY_BYTES) }, 'entries[0] has an incarnation'],
    [{ kind: 'digest', entries: new Uint8Array(ENTRY_BYTES).fill(1) }, 'entries[0] has an incarnation'],
    [{ kind: 'digest', entries: new Uint8Array(ENTRY_BYTES).fill(3, 32, 33) }, 'entries[0] has the unknown standing 3'],
    [{ kind: 'state', want: new Uint8Array(PEER_BYTES - 1) }, 'no multiple of 32'],
    [{ kind: 'gossip', updates: times(MAX_UPDATES + 1, 0) }, 'updates has 17 items'],
    [{ kind: 'state', want: new Uint8Array(0), updates: times(MAX_STATE_UPDATES + 1, 0) }, 'updates has 257 items'],
    [{ kind: 'gossip', updates: 7 }, 'updates must be an array']
  ])('%j is refused', (map, message) => {
    expect(() => decodeSwimMessage(raw(map), SCOPE)).toThrow(protocolError(message))
  })

  test('coordinates that cannot be read are left out, and the answer counts; later versions are ignored', () => {
    const answer = { kind: 'ack', nonce: 1, updates: [] }
    const starting = (version: number, size = 45) => Uint8Array.from({ length: size }, (_, index) => (index === 0 ? version : 0))
    for (const bad of [new Uint8Array(0), starting(0), starting(1, 44), starting(1, 46), Uint8Array.from(Buffer.from(starting(1)).fill(0xff, 1))]) {
      const { message, dropped } = decodeSwimMessageWith(raw({ kind: 'ack', coordinates: bad }), SCOPE)
      expect([message, dropped]).toEqual([answer, [protocolError('message.coordinates')]])
    }
    for (const later of [starting(2), starting(2, 1), starting(255, 256)]) {
      expect(decodeSwimMessageWith(raw({ kind: 'ack', coordinates: later }), SCOPE)).toEqual({ message: answer, dropped: [] })
    }
    expect(decodeSwimMessage(raw({ kind: 'ack', coordinates: starting(1) }), SCOPE)).toMatchObject({ coordinates: { vector: times(8, 0), height: 0, error: 0, adjustment: 0 } })
  })

  test('kinds of later versions are told from damage; their keys are ignored', () => {
    expect(() => decodeSwimMessage(raw({ kind: 'map' }), SCOPE)).toThrow(protocolError('message.kind', { reason: 'kind' }))
    expect(decodeSwimMessage(raw({ kind: 'nack', tried: true, because: 'x', list: [1, { a: 2 }] }), SCOPE)).toEqual({ kind: 'nack', nonce: 1, tried: true, updates: [] })
  })

  test('a cut message is refused wherever it is cut', () => {
    const bytes = encode(MESSAGES['ping with news'] as SwimMessage)
    for (let end = 0; end < bytes.length; end += 7) expect(() => decodeSwimMessage(bytes.subarray(0, end), SCOPE)).toThrow(protocolError(''))
  })

  test('updates that cannot be read are left out one by one', () => {
    const good = sealed('dead')
    const bad = Object.values(REFUSED).filter(({ reason }) => reason !== 'signature').map(({ bytes }) => bytes)
    const later = sealEnvelope(STATEMENT_DOMAIN, encodeCbor({ ...SCOPE, kind: 'moved', subject: b.publicKey, incarnation: 1 }), b)
    const { message, dropped } = decodeSwimMessageWith(raw({ kind: 'gossip', updates: [...bad, 7, new Uint8Array(0), new Uint8Array(20_000), good.bytes, later] }), SCOPE)
    expect(message).toEqual({ kind: 'gossip', updates: [good] })
    expect(dropped.map(({ code, data }) => [code, data])).toEqual([
      ['SKEIN_PROTOCOL', { reason: 'forged' }], ['SKEIN_PROTOCOL', { reason: 'forged' }], ['SKEIN_PROTOCOL', { reason: 'foreign' }],
      ...times(4, ['SKEIN_PROTOCOL', undefined])
    ])
  })

  test('a time for the relay that is too long is sent as the longest', () => {
    expect(decodeSwimMessage(encode({ kind: 'ping-req', nonce: 1, target: b.peer, within: 90_000, updates: [] }), SCOPE)).toMatchObject({ within: MAX_WITHIN })
  })

  test('what is kept of a message does not keep its frame', () => {
    const { updates } = decodeSwimMessage(Buffer.from(encode(MESSAGES['ping with news'] as SwimMessage)), SCOPE)
    for (const { bytes } of updates) expect(bytes.buffer.byteLength).toBe(bytes.length)
  })
})

describe('sizes', () => {
  test('digests of 1 000 members and of the most fit, with news', () => {
    const updates = times(Math.floor(MAX_UPDATES_BYTES / sealed('alive').bytes.length), sealed('alive'))
    for (const count of [1_000, MAX_DIGEST_ENTRIES]) {
      const entries = entriesOf(count)
      expect(decodeSwimMessage(encode({ kind: 'digest', nonce: 1, entries, updates }), SCOPE)).toEqual({ kind: 'digest', nonce: 1, entries, updates })
    }
  })

  test('what does not fit is not written', () => {
    expect(() => encode({ kind: 'digest', nonce: 1, entries: entriesOf(1_700), updates: [] })).toThrow(limitError)
    expect(() => encode({ kind: 'gossip', updates: times(MAX_UPDATES + 1, sealed('leave')) })).toThrow(limitError)
    expect(() => encode({ kind: 'state', nonce: 1, want: [], updates: times(100, sealed('alive')) })).toThrow(limitError)
    expect(() => encode({ kind: 'state', nonce: 1, want: ['nobody'], updates: [] })).toThrow(protocolError('want[0]'))
    expect(() => encode({ kind: 'digest', nonce: 1, entries: [{ peer: a.peer, incarnation: MAX_INCARNATION + 1, standing: 'up' }], updates: [] })).toThrow(protocolError('entries[0]'))
  })

  test('a state as full as sync makes it fits, whatever the names of the pool', () => {
    const want = Array.from({ length: constantOf('membership/sync.ts', 'MAX_WANT') }, (_, index) => peerNumber(index))
    for (const scope of [SCOPE, { federation: '\u20ac'.repeat(64), pool: '\u20ac'.repeat(64) }]) {
      const alive = sealStatement({ ...(sealed('alive').statement as Extract<Sealed['statement'], { kind: 'alive' }>) }, scope, b)
      const leave = sealStatement({ kind: 'leave', subject: b.peer, incarnation: 1 }, scope, b)
      for (const one of [alive, leave]) {
        const updates = times(Math.floor(constantOf('membership/sync.ts', 'STATE_BUDGET') / one.bytes.length), one)
        expect(updates.length).toBeLessThanOrEqual(MAX_STATE_UPDATES)
        expect(encodeSwimFrame(scope, { kind: 'state', nonce: 2 ** 32 - 1, want, updates }).length).toBeLessThanOrEqual(MAX_SWIM_FRAME + 4)
      }
    }
  })
})

test('arrays announced larger than the message cost nothing', () => {
  const head = encodeCbor({ federation: SCOPE.federation, kind: 'digest', pool: 'root', nonce: 1 })
  /** One more key than the map had: `updates` or `entries`, announced with 10^6 items or bytes. */
  const announcing = (key: string, type: number) => {
    const bytes = Buffer.concat([head, encodeCbor(key), Uint8Array.of((type << 5) | 26, 0, 0x0f, 0x42, 0x40)])
    bytes[0] = (bytes[0] as number) + 1
    return bytes
  }
  for (const bytes of [announcing('updates', 4), announcing('entries', 2), announcing('updates', 5), announcing('kind', 3)]) {
    const before = process.memoryUsage()
    expect(() => decodeSwimMessage(bytes, SCOPE)).toThrow(protocolError('not valid CBOR'))
    const after = process.memoryUsage()
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(500_000)
    // 8 MB are what so many pointers take.
    expect(after.heapUsed - before.heapUsed).toBeLessThan(4_000_000)
  }
  expect(() => decodeSwimMessage(new Uint8Array(MAX_SWIM_FRAME + 1), SCOPE)).toThrow(protocolError('at most 65536'))
  // And one that does bring as many items as a frame can hold.
  const filled = encodeCbor(times(65_000, 0))
  const full = Buffer.concat([head, encodeCbor('updates'), filled])
  full[0] = (full[0] as number) + 1
  expect(() => decodeSwimMessage(full, SCOPE)).toThrow(protocolError('updates has 65000 items'))
  expect(decodeCbor(filled, { max: MAX_SWIM_FRAME, what: 'the array' })).toHaveLength(65_000)
})
