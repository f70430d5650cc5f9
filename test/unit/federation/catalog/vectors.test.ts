import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { signerFromSeed } from '../../../../src/wire/envelope.ts'
import { openRecord, sealRecord } from '../../../../src/wire/catalog-record.ts'
import { decodeDefinitionsAnswer } from '../../../../src/wire/catalog.ts'
import { CODECS, fromJson, hexOf, readVectors, toJson } from '../../../support/catalog-vectors.ts'

const vectors = readVectors()
const bytesOf = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'))

test.each(vectors)('golden vector: $kind, $name', ({ kind, value, hex }) => {
  const codec = CODECS[kind]
  expect(toJson(codec?.decode(bytesOf(hex)))).toEqual(value)
  if (codec?.encode !== undefined) expect(hexOf(codec.encode(fromJson(value) as never))).toBe(hex)
})

test('every kind of message has a vector', () => {
  expect([...new Set(vectors.map(({ kind }) => kind))].sort()).toEqual(Object.keys(CODECS).sort())
})

test('sealing the record of a vector again gives the same bytes', () => {
  const sealed = vectors.filter(({ kind }) => kind === 'sealed-record')
  for (const [index, { hex }] of sealed.entries()) {
    expect(hexOf(sealRecord(openRecord(bytesOf(hex)), signerFromSeed(new Uint8Array(32).fill(index + 1))))).toBe(hex)
  }
})

test('the digests in the definitions vectors are the hashes of their JSON', () => {
  const answers = vectors.filter(({ kind }) => kind === 'definitions-answer').map(({ hex }) => decodeDefinitionsAnswer(bytesOf(hex)))
  expect(answers).toHaveLength(2)
  for (const { digest, json } of answers.flatMap(({ definitions }) => definitions)) expect(createHash('sha256').update(json).digest('hex')).toBe(digest)
})
