import { describe, expect, test } from 'vitest'
import { decodeCbor, encodeCbor, fields } from '../../../src/wire/cbor.ts'
import { openEnvelope, sealEnvelope } from '../../../src/wire/envelope.ts'
import { testSigner } from '../../support/security-world.ts'

const limits = { max: 1000, what: 'the thing' }
const protocolError = (message: string) => expect.objectContaining({ code: 'SKEIN_PROTOCOL', message: expect.stringContaining(message) as string }) as Error

describe('decodeCbor', () => {
  test('reads what encodeCbor wrote, without undefined properties', () => {
    const value = { text: 'é', list: [-5, 0, 2 ** 53 - 1, true, false], map: {}, empty: [], bytes: Uint8Array.of(1, 2) }
    expect(decodeCbor(Buffer.from(encodeCbor({ ...value, none: undefined })), limits)).toEqual(value)
  })
  test.each([
    ['nothing', ''],
    ['null', 'f6'],
    ['a float', 'fb3ff8000000000000'],
    ['a tag', 'c001'],
    ['a key twice', 'a2616101616102'],
    ['an indefinite array', '9f01ff'],
    ['a long integer', '1800'],
    ['an integer over 2^53', '1bffffffffffffffff'],
    ['a number as key', 'a10102'],
    ['text that is not UTF-8', '61ff'],
    ['two values', '0101'],
    ['more items announced than there are', '9b0000ffffffffffff01'],
    ['17 levels', `${'81'.repeat(17)}01`]
  ])('refuses %s, naming what it read', (_name, hex) => {
    expect(() => decodeCbor(Buffer.from(hex, 'hex'), limits)).toThrow(protocolError('the thing is not valid CBOR'))
  })
  test('takes 16 levels, many siblings, and no more bytes than allowed', () => {
    expect(decodeCbor(Buffer.from(`${'81'.repeat(16)}01`, 'hex'), limits)).toBeDefined()
    expect(decodeCbor(encodeCbor(Array.from({ length: 100 }, () => [[]])), limits)).toHaveLength(100)
    expect(() => decodeCbor(new Uint8Array(1001), limits)).toThrow(protocolError('1001 bytes'))
  })
  test('fractions are not written', () => {
    expect(() => encodeCbor({ a: 0.5 })).toThrow(TypeError)
  })
})

describe('fields', () => {
  const read = fields({ text: 'abc', n: 7, yes: true, bytes: new Uint8Array(4), list: ['a', 'b'], map: { inner: 1 } }, 'doc')
  test('reads and bounds every kind', () => {
    expect([read.string('text', { max: 3 }), read.int('n', { min: 7, max: 7 }), read.bool('yes'), read.bytes('bytes', { length: 4 }).length]).toEqual(['abc', 7, true, 4])
    expect([read.optionalInt('none'), read.oneOf('text', ['x', 'abc']), read.map('map').int('inner')]).toEqual([undefined, 'abc', 1])
  })
  test.each([
    [() => read.string('none', { max: 1 }), 'doc.none is missing'],
    [() => read.string('toString', { max: 1 }), 'doc.toString is missing'],
    [() => read.string('text', { max: 2 }), 'doc.text has 3 characters'],
    [() => read.string('n', { max: 2 }), 'doc.n must be text'],
    [() => read.int('n', { max: 6 }), 'doc.n must be from 0 to 6'],
    [() => read.bytes('bytes', { length: 5 }), 'doc.bytes must have 5 bytes'],
    [() => read.bytes('bytes', { max: 3 }), 'doc.bytes has 4 bytes'],
    [() => read.bool('n'), 'doc.n must be true or false'],
    [() => read.oneOf('text', ['x']), 'doc.text must be one of x'],
    [() => read.array('list', { max: 1 }, String), 'doc.list has 2 items'],
    [() => read.array('list', { max: 2 }, (item, path) => fields(item, path)), 'doc.list[0] must be a map'],
    [() => read.map('map').string('inner', { max: 1 }), 'doc.map.inner must be text'],
    [() => read.optionalString('n', { max: 1 }), 'doc.n must be text']
  ])('names the field that is wrong: %#', (run, message) => {
    expect(run).toThrow(protocolError(message))
  })
})

describe('envelopes', () => {
  const payload = Uint8Array.of(1, 2, 3)
  const sealed = sealEnvelope('skein/x/1\0', payload, testSigner(1))
  test('open with payload and signer; the same input gives the same bytes', () => {
    expect(openEnvelope('skein/x/1\0', sealed, limits)).toEqual({ payload, signer: testSigner(1).peer, publicKey: testSigner(1).publicKey })
    expect(sealEnvelope('skein/x/1\0', payload, testSigner(1))).toEqual(sealed)
  })
  test('do not open in another domain, or with any bit changed', () => {
    expect(() => openEnvelope('skein/y/1\0', sealed, limits)).toThrow(protocolError('not signed'))
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const bad = Uint8Array.from(sealed)
      bad[bit >> 3] = (bad[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(() => openEnvelope('skein/x/1\0', bad, limits)).toThrow(expect.objectContaining({ code: 'SKEIN_PROTOCOL' }))
    }
  })
})
