import { describe, expect, test } from 'vitest'
import { ACCEPTOR, type Register } from '../../../../src/federation/quorum/acceptor.ts'
import { changed, placeOf } from '../../../../src/federation/quorum/applied.ts'
import { createDecisions } from '../../../../src/federation/quorum/decisions.ts'
import { createOps } from '../../../../src/federation/quorum/ops.ts'
import { chainRows, loadRows, registerRow } from '../../../../src/federation/quorum/rows.ts'
import { compareAttempts, RULES } from '../../../../src/federation/quorum/rules.ts'
import { createVoteSeal } from '../../../../src/federation/quorum/seal.ts'
import type { Certificate, RegisterValue } from '../../../../src/wire/quorum-types.ts'
import { encodeVoterSet, voteBytes } from '../../../../src/wire/quorum-votes.ts'
import { testSigner } from '../../../support/security-world.ts'

const value = (version: number, data = version): RegisterValue => ({ version, data: Uint8Array.of(data), ops: [] })
const attempt = (n: number, voters = 0, peer = 'a') => ({ voters, ballot: { n, peer } })
const sign = () => new Uint8Array(64)

describe('the acceptor', () => {
  const promised = ACCEPTOR.prepare(undefined, attempt(5))
  const register = (promised as { register: Register }).register

  test('promises nothing twice, and nothing lower', () => {
    expect(promised.type).toBe('promised')
    for (const again of [attempt(5), attempt(4), attempt(4, 0, 'z')]) expect(ACCEPTOR.prepare(register, again)).toEqual({ type: 'late', ballot: attempt(5).ballot })
    expect(ACCEPTOR.prepare(register, attempt(5, 0, 'b')).type).toBe('promised')
  })
  test('any ballot of later voters is later', () => {
    expect(ACCEPTOR.prepare(register, attempt(1, 1)).type).toBe('promised')
    expect(compareAttempts(attempt(1, 1), attempt(100, 0))).toBeGreaterThan(0)
  })
  test('votes for what it promised or later, keeps the value with the next promise', () => {
    const voted = ACCEPTOR.accept(register, attempt(5), value(1), sign)
    expect(voted).toMatchObject({ type: 'voted', again: false, register: { promised: attempt(5), accepted: { ...attempt(5), value: value(1) } } })
    const after = (voted as { register: Register }).register
    expect(ACCEPTOR.accept(after, attempt(4), value(2), sign)).toEqual({ type: 'late', ballot: attempt(5).ballot })
    expect(ACCEPTOR.prepare(after, attempt(6))).toMatchObject({ register: { promised: attempt(6), accepted: attempt(5) } })
    expect(ACCEPTOR.accept(after, attempt(7), value(2), sign)).toMatchObject({ type: 'voted', register: { promised: attempt(7) } })
  })
  test('one value for one ballot: the same again is the same vote, another is illegal', () => {
    const after = (ACCEPTOR.accept(register, attempt(5), value(1), sign) as { register: Register }).register
    expect(ACCEPTOR.accept(after, attempt(5), value(1), sign)).toMatchObject({ type: 'voted', again: true })
    expect(ACCEPTOR.accept(after, attempt(5), value(1, 9), sign)).toEqual({ type: 'illegal' })
  })
})

describe('votes that decide', () => {
  test.each([
    ['hub', 1, 0.7, 1], ['hub', 2, 0.7, 2], ['hub', 3, 0.7, 2], ['hub', 5, 1, 3], ['voters', 4, 0.7, 3], ['setting/a', 1, 0.7, 1], ['setting/a', 3, 0.7, 3], ['setting/a', 5, 0.7, 4],
    ['setting/a', 5, 0.6, 3], ['setting/a', 5, 0.5, 3], ['ban/x', 4, 0.5, 3], ['ban/x', 10, 0.7, 7], ['ban/x', 5, 1, 5]
  ])('%s, %i voters, threshold %f: %i', (key, count, threshold, needed) => {
    // The living change nothing (I7).
    for (const living of [0, 1, count]) expect(RULES.needed(key, count, threshold, living)).toBe(needed)
  })
})

describe('voters that may follow', () => {
  const set = (peers: string, settled = true) => ({ peers: [...peers], settled })
  test.each([
    ['abc', true, 'abcd', false, true], ['abc', true, 'ab', false, true], ['abc', true, 'abc', false, false], ['abc', true, 'abd', false, false], ['abc', true, 'abcde', false, false],
    ['abc', true, 'abcd', true, false], ['a', true, '', false, false], ['abc', false, 'abc', true, true], ['abc', false, 'cab', true, true], ['abc', false, 'abcd', false, false], ['abc', false, 'abcd', true, false]
  ])('%s settled %s, then %s settled %s: %s', (before, wasSettled, after, settled, may) => {
    expect(RULES.successor(set(before, wasSettled), set(after, settled)) === undefined).toBe(may)
  })
})

describe('where a change stands', () => {
  const after = (count: number) => Array.from({ length: count }, (_, index) => `op${index}`).reduce((made, op) => changed(made, op, undefined), value(3))
  test('applied as the version after the one it replaces, however many followed, up to 16', () => {
    expect(placeOf(after(1), 'op0', 3, 0)).toEqual({ place: 'applied', version: 4 })
    expect(placeOf(after(16), 'op0', 3, 0)).toEqual({ place: 'applied', version: 4 })
    expect(placeOf(after(17), 'op0', 3, 0)).toEqual({ place: 'forgotten' })
    expect(placeOf(after(2), 'other', 3, 0)).toEqual({ place: 'free' })
    expect(placeOf(after(0), 'op0', 3, 0)).toEqual({ place: 'free' })
  })
  test('of any version: wherever it is, unless so many have followed since it was tried', () => {
    expect(placeOf(after(3), 'op1', undefined, 3)).toEqual({ place: 'applied', version: 5 })
    expect(placeOf(after(3), 'other', undefined, 3)).toEqual({ place: 'free' })
    expect(placeOf(after(16), 'other', undefined, 3)).toEqual({ place: 'forgotten' })
  })
})

describe('rows', () => {
  const register: Register = { promised: attempt(7, 2), accepted: { ...attempt(6, 2), value: { version: 3, ops: ['ab'.repeat(12)], data: Uint8Array.of(1) }, signature: sign() } }
  test('come back as they were', () => {
    const loaded = loadRows([registerRow('hub', register), registerRow('ban/x', { promised: attempt(1) }), ...chainRows([])])
    expect(loaded.registers).toEqual(new Map<string, Register>([['hub', register], ['ban/x', { promised: attempt(1) }]]))
    expect(loaded).toMatchObject({ chain: [], problems: [], votedUpTo: 0 })
  })
  test('a damaged one is named; what has no name of ours, or the chain, stands for everything', () => {
    expect(loadRows([{ key: 'r/hub', bytes: undefined }]).damaged).toEqual(new Set(['hub']))
    expect(loadRows([{ key: 'r/hub', bytes: Uint8Array.of(1, 2, 3) }]).damaged).toEqual(new Set(['hub']))
    expect(loadRows([{ key: 'x', bytes: new Uint8Array(0) }]).damaged).toEqual(new Set(['*']))
    expect(loadRows([{ key: 'v', bytes: undefined }]).damaged).toEqual(new Set(['*']))
  })
  test('what it may have voted under is known from either row, and nobody knows without both', () => {
    const [chain, version] = chainRows([{ key: 'voters', ...attempt(1), value: value(4), votes: [] }])
    if (chain === undefined || version === undefined) throw new Error('two rows')
    const lost = { bytes: undefined }
    expect(loadRows([chain, version]).votedUpTo).toBe(4)
    expect(loadRows([{ ...chain, ...lost }, version]).votedUpTo).toBe(4)
    expect(loadRows([chain, { ...version, ...lost }])).toMatchObject({ votedUpTo: 4, damaged: new Set() })
    expect(loadRows([{ ...chain, ...lost }, { ...version, ...lost }]).votedUpTo).toBe(Infinity)
  })
})

describe('what is learned', () => {
  const signers = [1, 2, 3, 4].map(testSigner)
  const [a, b, c, d] = signers.map(({ peer }) => peer) as [string, string, string, string]
  const scope = { federation: 'fed', pool: 'root' }
  const make = (genesis: string[] = [a]) => createDecisions({ ...scope, genesis, chain: [], known: [], seal: createVoteSeal(signers[0]!) })
  const certificate = (key: string, voters: number, made: RegisterValue, by: number[]): Certificate => {
    const signed = voteBytes({ ...scope, key, ballot: { n: 1, peer: a }, voters, value: made })
    return { key, ballot: { n: 1, peer: a }, voters, value: made, votes: by.map((index) => ({ peer: signers[index]!.peer, signature: signers[index]!.sign(signed) })) }
  }
  const voters = (version: number, peers: string[], settled: boolean, by: number[]) => certificate('voters', version - 1, { version, ops: [], data: encodeVoterSet({ peers, settled }) }, by)
  const grown = [voters(1, [a, b], false, [0]), voters(2, [a, b], true, [0, 1]), voters(3, [a, b, c], false, [0, 1]), voters(4, [a, b, c], true, [1, 2])]

  test('a chain of voters, each proven by those before', () => {
    const decisions = make()
    for (const each of grown) expect(decisions.learn(each, 'told')).toMatchObject({ result: 'news', believed: false })
    expect(decisions.voters()).toEqual({ version: 4, peers: [a, b, c], settled: true })
    expect(decisions.chainFrom(2).map(({ value: { version } }) => version)).toEqual([3, 4])
  })
  test('too few votes, a vote twice, votes of others, another value: not proven', () => {
    const decisions = make()
    for (const each of grown) decisions.learn(each, 'told')
    const good = certificate('hub', 4, value(1), [0, 1])
    const bad = [{ ...good, votes: good.votes.slice(1) }, { ...good, votes: [good.votes[0]!, good.votes[0]!] }, certificate('hub', 4, value(1), [0, 3]), { ...good, value: value(1, 9) }]
    for (const each of bad) expect(decisions.learn(each, 'told').result).toBe('bad')
    expect(decisions.get('hub')).toBeUndefined()
    expect(decisions.learn(good, 'told')).toMatchObject({ result: 'news', loud: true })
    expect(decisions.learn(good, 'told').result).toBe('known')
    expect(decisions.learn(certificate('hub', 4, value(2, 1), [1, 2]), 'told')).toMatchObject({ result: 'news', loud: false })
  })
  test('voters with a gap are believed in an answer only, and nothing is proven by the unknown', () => {
    const decisions = make([])
    expect(decisions.learn(grown[2]!, 'told').result).toBe('gap')
    expect(decisions.learn(certificate('hub', 4, value(1), [0, 1]), 'told').result).toBe('unproven')
    expect(decisions.learn(grown[2]!, 'believed')).toMatchObject({ result: 'news', believed: true })
    expect(decisions.learn(grown[3]!, 'told')).toMatchObject({ result: 'news', believed: false })
    expect(decisions.learn({ ...grown[3]!, value: { version: 5, ops: [], data: encodeVoterSet({ peers: [d], settled: false }) } }, 'believed').result).toBe('bad')
  })
  test('settled voters taken on a word prove what was carried over to them before they were settled', () => {
    const decisions = make([])
    expect(decisions.learn(grown[3]!, 'believed').result).toBe('news')
    expect(decisions.learn(certificate('hub', 3, value(1), [0, 1]), 'told').result).toBe('news')
    expect(decisions.learn(certificate('ban/x', 2, value(1), [0, 1]), 'told').result).toBe('unproven')
  })
  test('two who know the same have the same hash, whichever way they came to it', () => {
    const [one, two] = [make(), make()]
    for (const each of grown) for (const decisions of [one, two]) decisions.learn(each, 'told')
    one.learn(certificate('hub', 4, value(1), [0, 1]), 'told')
    one.learn(certificate('ban/x', 4, value(1), [0, 1]), 'told')
    two.learn(certificate('ban/x', 4, value(1), [1, 2]), 'told')
    expect(one.hash()).not.toEqual(two.hash())
    two.learn(certificate('hub', 4, value(1), [0, 2]), 'told')
    expect(one.hash()).toEqual(two.hash())
  })
})

test('a forwarded change that comes twice runs once, and both hear its outcome, later ones too', () => {
  const ops = createOps()
  const heard: string[] = []
  const hear = (name: string) => (outcome: { type: string }) => void heard.push(`${name} ${outcome.type}`)
  expect(ops.join('x', hear('first'))).toBe(false)
  expect(ops.join('x', hear('second'))).toBe(true)
  ops.ended('x', { type: 'expired', why: '' })
  expect(ops.join('x', hear('third'))).toBe(true)
  expect(heard).toEqual(['first expired', 'second expired', 'third expired'])
})
