import { describe, expect, test } from 'vitest'
import { createEvidence } from '../../../src/membership/evidence.ts'

const AT = ['/ip4/127.0.0.1/tcp/4001']
const knock = (peer: string, addresses = AT) => ({ type: 'knock', peer, addresses })
const nothing = { proven: false, open: false, silent: false }
const many = { members: 16 }

describe('link evidence', () => {
  test('knocks at the direct addresses, and not at all without any', () => {
    const evidence = createEvidence()
    expect(evidence.lost('a', AT, 0)).toEqual([knock('a')])
    expect(evidence.lost('b', [], 0)).toEqual([])
    expect(evidence.nextDue()).toBe(Infinity)
  })

  test.each([
    ['refused', { ...nothing, proven: true }],
    ['open', { ...nothing, open: true }],
    ['silent', { ...nothing, silent: true }]
  ] as const)('one knock answered %s decides among many', (result, expected) => {
    const evidence = createEvidence()
    evidence.lost('a', AT, 0)
    expect(evidence.knocked('a', result, many, 5)).toEqual(expected)
    expect(evidence.knocked('a', result, many, 6), 'a second answer').toEqual(nothing)
    expect(evidence.lost('a', AT, 7)).toEqual([knock('a')])
  })

  test.each([2, 3])('with %i members a second refusal 200 ms later proves it', (members) => {
    const evidence = createEvidence()
    evidence.lost('a', AT, 0)
    expect(evidence.knocked('a', 'refused', { members }, 10)).toEqual(nothing)
    expect(evidence.nextDue()).toBe(210)
    expect(evidence.due(209)).toEqual([])
    expect(evidence.knocked('a', 'refused', { members }, 209), 'nothing was asked').toEqual(nothing)
    expect(evidence.due(210)).toEqual([knock('a')])
    expect(evidence.due(210)).toEqual([])
    expect(evidence.nextDue()).toBe(Infinity)
    expect(evidence.knocked('a', 'refused', { members }, 212)).toEqual({ ...nothing, proven: true })
  })

  test.each(['open', 'silent'] as const)('the second knock answered %s ends it', (result) => {
    const evidence = createEvidence()
    evidence.lost('a', AT, 0)
    evidence.knocked('a', 'refused', { members: 2 }, 0)
    evidence.due(200)
    expect(evidence.knocked('a', result, { members: 2 }, 201)).toEqual({ ...nothing, [result]: true })
    expect(evidence.lost('a', AT, 300)).toEqual([knock('a')])
    expect(evidence.knocked('a', 'refused', { members: 2 }, 301), 'counted from the beginning').toEqual(nothing)
  })

  test('a second loss while one is being asked about starts nothing, unless the answer was lost', () => {
    const evidence = createEvidence()
    evidence.lost('a', AT, 0)
    expect(evidence.lost('a', AT, 900)).toEqual([])
    evidence.knocked('a', 'refused', { members: 3 }, 1_000)
    expect(evidence.lost('a', AT, 1_100)).toEqual([])
    expect(evidence.due(1_200)).toEqual([knock('a')])
    expect(evidence.lost('a', AT, 6_200)).toEqual([knock('a')])
  })

  test('a forgotten one is not asked again and its answer means nothing', () => {
    const evidence = createEvidence()
    evidence.lost('a', AT, 0)
    evidence.forget('a')
    expect(evidence.knocked('a', 'refused', many, 1)).toEqual(nothing)
    evidence.lost('b', AT, 0)
    evidence.knocked('b', 'refused', { members: 2 }, 1)
    evidence.forget('b')
    expect(evidence.nextDue()).toBe(Infinity)
    expect(evidence.due(1_000)).toEqual([])
  })

  test('several second knocks come each in its time', () => {
    const evidence = createEvidence()
    for (const [index, peer] of ['a', 'b', 'c'].entries()) {
      evidence.lost(peer, AT, index * 50)
      evidence.knocked(peer, 'refused', { members: 3 }, index * 50)
    }
    expect(evidence.due(250)).toEqual([knock('a'), knock('b')])
    expect(evidence.nextDue()).toBe(300)
  })

  test('is bounded', () => {
    const evidence = createEvidence()
    for (let index = 0; index < 4_096; index++) evidence.lost(`p${index}`, AT, 0)
    expect(evidence.lost('one-more', AT, 0)).toEqual([])
    evidence.forget('p0')
    expect(evidence.lost('one-more', AT, 0)).toEqual([knock('one-more')])
  })
})
