import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../../../src/base/random.ts'
import { MAX_PROPOSALS } from '../../../../src/federation/quorum/turns.ts'
import { COMPARE_EVERY, COMPARE_QUIET, COMPARE_SOON } from '../../../../src/federation/quorum/spread.ts'
import { ROUND_TIMEOUT } from '../../../../src/federation/quorum/ask-voters.ts'
import { SETTLING_TIME } from '../../../../src/federation/quorum/proposal.ts'
import { createVoteSeal } from '../../../../src/federation/quorum/seal.ts'
import { encodeCbor } from '../../../../src/wire/cbor.ts'
import { METHOD } from '../../../../src/wire/protocols.ts'
import { REFUSAL_REASONS } from '../../../../src/wire/quorum-types.ts'
import { decodeQuorumAnswer, decodeQuorumRequest, encodeQuorumAnswer, encodeQuorumRequest, MAX_DECIDED, MAX_KEYS, MAX_QUORUM_BYTES, MAX_WITHIN, quorumMethod } from '../../../../src/wire/quorum.ts'
import { decodeVoterSet, MAX_CHAIN, MAX_DATA_BYTES, MAX_KEY, MAX_OPS, MAX_POOL, MAX_VOTERS, OP_BYTES, voteBytes } from '../../../../src/wire/quorum-votes.ts'
import { fromJson, hexOf, toJson } from '../../../support/catalog-vectors.ts'
import { ANSWERS, FEDERATION, POOL, readQuorumVectors, REQUESTS } from '../../../support/quorum-vectors.ts'
import { testSigner } from '../../../support/security-world.ts'
import { constantOf, expectStated } from '../../../support/stated.ts'

const vectors = readQuorumVectors()
const bytesOf = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'))
const wrong = expect.objectContaining({ code: 'SKEIN_PROTOCOL' })

describe('golden messages', () => {
  test('none is missing', () => {
    expect(vectors.requests.map(({ name }) => name)).toEqual(Object.keys(REQUESTS))
    expect(vectors.answers.map(({ name }) => name)).toEqual(Object.keys(ANSWERS))
  })
  test.each(vectors.requests)('request: $name', ({ name, method, value, hex }) => {
    const decoded = decodeQuorumRequest(method as number, bytesOf(hex))
    expect(toJson(decoded)).toEqual(value)
    expect(decoded).toEqual(REQUESTS[name])
    expect(quorumMethod(decoded)).toBe(method)
    expect(hexOf(encodeQuorumRequest(fromJson(value) as typeof decoded))).toBe(hex)
  })
  test.each(vectors.answers)('answer: $name', ({ name, value, hex }) => {
    const decoded = decodeQuorumAnswer(bytesOf(hex))
    expect(toJson(decoded)).toEqual(value)
    expect(decoded).toEqual(ANSWERS[name])
    expect(hexOf(encodeQuorumAnswer(fromJson(value) as typeof decoded))).toBe(hex)
  })
  test('the votes in them are right, and those of nobody else', () => {
    const request = REQUESTS['learn: told']
    if (request?.kind !== 'learn') throw new Error('no such vector')
    const seal = createVoteSeal(testSigner(9))
    for (const certificate of request.told) {
      const signed = voteBytes({ federation: FEDERATION, pool: POOL, ...certificate })
      expect(certificate.votes.map(({ peer, signature }) => seal.verify(peer, signed, signature))).toEqual([true, true])
      expect(seal.verify(testSigner(3).peer, signed, certificate.votes[0]!.signature)).toBe(false)
      expect(seal.verify('nobody', signed, certificate.votes[0]!.signature)).toBe(false)
    }
  })
})

describe('what a vote covers', () => {
  const vote = { federation: 'f', pool: 'p', key: 'k', ballot: { n: 1, peer: 'a' }, voters: 2, value: { version: 1, ops: [], data: Uint8Array.of(1) } }
  test.each([
    ['federation', { federation: 'g' }], ['pool', { pool: 'q' }], ['key', { key: 'l' }], ['ballot', { ballot: { n: 2, peer: 'a' } }], ['proposer', { ballot: { n: 1, peer: 'b' } }],
    ['voters', { voters: 3 }], ['version', { value: { ...vote.value, version: 2 } }], ['data', { value: { ...vote.value, data: Uint8Array.of(2) } }],
    ['no data', { value: { version: 1, ops: [] } }], ['ops', { value: { ...vote.value, ops: ['00'.repeat(12)] } }]
  ])('another %s gives other bytes', (_name, change) => {
    expect(hexOf(voteBytes({ ...vote, ...change }))).not.toBe(hexOf(voteBytes(vote)))
  })
})

describe('bad bodies are refused', () => {
  const good = { t: 'accept', p: POOL, g: 1, k: 'hub', b: [1, 'a'], x: { v: 1, o: [] } }
  test.each([
    ['no map', []], ['no kind', { p: POOL }], ['a kind of another method', { ...good, t: 'prepare' }], ['a long key', { ...good, k: 'k'.repeat(MAX_KEY + 1) }],
    ['a ballot without peer', { ...good, b: [1] }], ['a negative ballot', { ...good, b: [-1, 'a'] }], ['too much data', { ...good, x: { v: 1, o: [], d: new Uint8Array(MAX_DATA_BYTES + 1) } }],
    ['too many ops', { ...good, x: { v: 1, o: Array.from({ length: MAX_OPS + 1 }, () => new Uint8Array(OP_BYTES)) } }], ['a short op', { ...good, x: { v: 1, o: [new Uint8Array(3)] } }],
    ['a long chain', { ...good, c: Array.from({ length: MAX_CHAIN + 1 }, () => ({})) }], ['a long pool', { ...good, p: 'p'.repeat(MAX_POOL + 1) }]
  ])('%s', (_name, body) => {
    expect(() => decodeQuorumRequest(METHOD.QUORUM_ACCEPT, encodeCbor(body))).toThrow(wrong)
  })
  test('what is too long is not even read', () => {
    expect(() => decodeQuorumRequest(METHOD.QUORUM_LEARN, new Uint8Array(MAX_QUORUM_BYTES + 1))).toThrow(wrong)
    expect(() => decodeQuorumAnswer(new Uint8Array(MAX_QUORUM_BYTES + 1))).toThrow(wrong)
  })
  test('another method than one of ours', () => {
    expect(() => decodeQuorumRequest(METHOD.ECHO, encodeCbor(good))).toThrow(wrong)
  })
  test('voters: too many, none twice', () => {
    expect(() => decodeVoterSet(encodeCbor({ peers: Array.from({ length: MAX_VOTERS + 1 }, (_, index) => `p${index}`), settled: true }))).toThrow(wrong)
    expect(decodeVoterSet(encodeCbor({ peers: ['a', 'b', 'a'], settled: true })).peers).toEqual(['a', 'b'])
  })
  test('golden messages with bytes changed at random: read, or refused by code, never anything else', () => {
    const random = seededRandom(5)
    for (let round = 0; round < 4_000; round++) {
      const { hex, method } = vectors.requests[round % vectors.requests.length]!
      const bytes = bytesOf(hex)
      for (let change = 0; change <= round % 3; change++) bytes[Math.floor(random.float() * bytes.length)] = Math.floor(random.float() * 256)
      for (const read of [() => decodeQuorumRequest(method as number, bytes), () => decodeQuorumAnswer(bytes)]) {
        try {
          read()
        } catch (error) {
          expect(error).toMatchObject({ code: 'SKEIN_PROTOCOL' })
        }
      }
    }
  })
})

describe('the page says what the code does', () => {
  const page = readFileSync(new URL('../../../../protocols/quorum.md', import.meta.url), 'utf8')
  test.each<[string, number[]]>([
    ['`p` is the pool (at most # characters)', [MAX_POOL]],
    ['Names have 1 to # characters; a pool has at most # of them.', [MAX_KEY, MAX_KEYS]],
    ['`d` the data (at most #;', [MAX_DATA_BYTES]],
    ['`o` the ids (# bytes) of the last changes, newest first, at most #:', [OP_BYTES, MAX_OPS]],
    ['signature]`, at most #.', [MAX_VOTERS]],
    ['in order of succession, at most #, and', [MAX_VOTERS]],
    ['A round has #.', [ROUND_TIMEOUT]],
    ['it is then tried for # more', [SETTLING_TIME]],
    ['it has # registers', [MAX_KEYS]],
    ['the first in order of succession after #,', [constantOf('federation/quorum/group.ts', 'SETTLE_AFTER')]],
    ['it lacks, at most the last #.', [MAX_CHAIN]],
    ['certificates `l` (at most #,', [MAX_DECIDED]],
    ['Every # (a quarter more or less, and within # of knowing', [COMPARE_EVERY, COMPARE_SOON]],
    ['every # after a comparison that found no difference', [COMPARE_QUIET]],
    ['is compared with after #, and again', [constantOf('federation/quorum/spread.ts', 'MISSED_AGAIN')]],
    ['has not answered after #.', [constantOf('federation/quorum/proposal.ts', 'ASK_REST_AFTER')]],
    ['the time in ms, at most #.', [MAX_WITHIN]],
    ['A node runs at most # proposals', [MAX_PROPOSALS]],
    ['A message has at most #.', [Math.ceil(MAX_QUORUM_BYTES / 1_024) * 1_024]]
  ])('%s', (sentence, values) => expectStated(page, sentence, values))
  test('every reason of a refusal', () => {
    for (const reason of REFUSAL_REASONS) expect(page).toContain(`| \`${reason}\` |`)
  })
})
