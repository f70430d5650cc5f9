import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { encodeCbor } from '../../../../src/wire/cbor.ts'
import { decodeSearchAnswer, encodeResolveRequest, encodeSearchAnswer, encodeSyncRequest, decodeSyncAnswer, decodeSyncRequest, decodeResolveRequest, decodeChanged } from '../../../../src/wire/summary.ts'
import { bucketOf, makeBody, makeRow, readBody, readRow, rowValue, serverOf } from '../../../../src/wire/summary-row.ts'
import { signer } from '../../../support/catalog-fixtures.ts'
import { readSummaryVectors, rowOf, SUMMARY_CODECS, SUMMARY_VALUES } from '../../../support/summary-vectors.ts'

const vectors = readSummaryVectors()
const digest = 'ab'.repeat(32)
const facts = { name: 'server', tools: [{ name: 'a', digest, repeatable: false }] }

test('none is missing, and every kind of message has one', () => {
  expect(vectors.map(({ kind, name, value }) => ({ kind, name, value }))).toEqual(SUMMARY_VALUES)
  expect([...new Set(vectors.map(({ kind }) => kind))].sort()).toEqual(Object.keys(SUMMARY_CODECS).sort())
})

test.each(vectors)('golden vector: $kind, $name', ({ kind, value, hex }) => {
  const codec = SUMMARY_CODECS[kind]
  expect(codec?.decode(new Uint8Array(Buffer.from(hex, 'hex')))).toEqual(value)
  expect(Buffer.from(codec?.encode(value as never) ?? []).toString('hex')).toBe(hex)
})

test('a tool with a name of 27 characters weighs at most 64 bytes, its share of the server included', () => {
  const weigh = (name: number, tools: number, more: object = {}) => {
    const list = Array.from({ length: tools }, (_, index) => ({ name: String(index).padStart(name, 'n'), digest, repeatable: index % 2 === 0 }))
    const row = makeRow({ body: makeBody({ name: 'server-0001', ...more, tools: list }), claimed: 1_700_000_000_000, providers: 10, hops: 4 })
    return encodeCbor(rowValue(row)).length / tools
  }
  const [ten, ...others] = [weigh(27, 10), weigh(16, 10), weigh(27, 100), weigh(27, 10, { owner: signer(0).peer, node: 'berlin-1' })]
  console.log(`bytes per tool: ${ten} with names of 27 characters and 10 tools, ${others[0]} with 16 and 10, ${others[1]} with 27 and 100, ${others[2]} with an owner`)
  expect(ten).toBeLessThanOrEqual(64)
  expect(others[0]).toBeLessThanOrEqual(54)
  expect(others[1]).toBeLessThanOrEqual(62)
})

test('rows come back as they were', () => {
  for (const { kind, value } of SUMMARY_VALUES) if (kind === 'row') expect(serverOf(rowOf(value as never))).toEqual(value)
})

test('buckets and hashes are those of the page', () => {
  // The published values of FNV-1a, 32 bit, are 811c9dc5, e40c292c and bf9cf968.
  expect(['', 'a', 'foobar'].map(bucketOf)).toEqual([0xc5, 0x2c, 0x68])
  const row = rowOf(SUMMARY_VALUES[0]?.value as never)
  const sha = (...parts: Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest()
  expect(row.hash).toBe(sha(sha(row.body.bytes), encodeCbor([1_700_000_000_000, 10, 2])).readUIntBE(0, 6))
})

describe('what cannot be right is refused by name', () => {
  const good = [facts.name, 'a\nb', new Uint8Array(64), new Uint8Array(1)] as const
  const read = (values: readonly unknown[]) => () => readBody(encodeCbor(values))
  test.each([
    ['an empty name', ['', ...good.slice(1)], /server\[0\]/],
    ['a name that could be the key of an owner\'s', ['db@12D3Koo', ...good.slice(1)], /server\[0\] must not contain @/],
    ['fewer digests than names', [good[0], good[1], new Uint8Array(32), good[3]], /2 names of tools, but 32 bytes/],
    ['an empty tool name', [good[0], 'a\n', good[2], good[3]], /server\[1\]/],
    ['a tool twice', [good[0], 'a\na', good[2], good[3]], /twice/],
    ['too many bits', [good[0], good[1], good[2], new Uint8Array(2)], /server\[3\]/],
    ['an owner that is no key', [...good, { o: new Uint8Array(3) }], /server\[4\]\.o/],
    ['no array', { name: 'x' } as never, /server must be an array/]
  ])('%s', (_, values, message) => expect(read(values)).toThrow(message))
  test('a good one passes', () => expect(read(good)().tools).toEqual(['a', 'b']))

  const body = makeBody(facts)
  test.each([
    ['no hops', [body.bytes, 1, 1, 0], /\[3\]/],
    ['too many hops', [body.bytes, 1, 1, 9], /\[3\]/],
    ['more of a tool than of its server', [body.bytes, 1, 2, 1, [3]], /\[4\]\[0\]/],
    ['too few counts', [body.bytes, 1, 2, 1, []], /\[4\]/],
    ['no provider', [body.bytes, 1, 0, 1], /\[2\]/]
  ])('a row with %s', (_, values, message) => expect(() => readRow(values, 'row')).toThrow(message))

  test.each([
    ['a direction', () => decodeSyncRequest(encodeCbor({ direction: 'in', pool: 'p', token: 1, hash: 1 })), /direction/],
    ['interest without end', () => decodeSyncRequest(encodeSyncRequest({ direction: 'up', pool: 'p', token: 1, hash: 1, interest: Array.from({ length: 257 }, String) })), /interest/],
    ['hashes of too few buckets', () => decodeSyncAnswer(encodeCbor({ state: 'buckets', hash: 1, buckets: new Uint8Array(6) })), /buckets/],
    ['a visitor that is no peer', () => decodeResolveRequest(encodeResolveRequest({ key: 'a', limit: 1, within: 1, fresh: false, visited: ['me'] })), /visited\[0\]/],
    ['a key that is that of another server', () => decodeSearchAnswer(encodeSearchAnswer({ partial: false, tools: [{ key: 'other', server: 'files', tool: 't', digest, repeatable: true, providers: 1 }] })), /tools\[0\]\.key/],
    ['a change that is no map', () => decodeChanged(encodeCbor([])), /changed must be a map/]
  ])('%s', (_, decode, message) => expect(decode).toThrow(message))
})
