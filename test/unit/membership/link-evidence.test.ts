// What a broken connection is worth: nothing by itself; a machine that refuses new connections is evidence, and enough of it is a death without a suspicion.
import { describe, expect, test } from 'vitest'
import { createOne, dead, forged, suspect } from '../../support/swim-one.ts'
import type { One } from '../../support/swim-one.ts'
import type { KnockResult } from '../../../src/membership/types.ts'

function among(others: string[], knock: KnockResult): One {
  const one = createOne()
  one.join('a', ...others)
  one.manners('a', { answers: false, knock })
  for (const peer of others) one.manners(peer, { relays: 'no way' })
  return one
}

const breakLink = (one: One, expected = false) => void one.step({ type: 'link-down', peer: 'a', expected })
const refused = (accuser: string) => suspect('a', accuser, 1, 'refused')
const stateOf = (one: One) => one.swim.member('a')?.state
const knocks = (one: One) => one.log.filter(({ effect }) => effect.type === 'knock').map(({ at }) => at)

describe('the connection breaks and the machine refuses', () => {
  test.each([
    ['two members', []],
    ['three members', ['b']]
  ])('%s: two refused knocks, 200 ms apart, are a death', (_name, others) => {
    const one = among(others, 'refused')
    const at = one.now
    breakLink(one)
    one.run(1_000)
    const [first, second] = knocks(one)
    expect(first).toBe(at)
    expect((second ?? 0) - at).toBeGreaterThanOrEqual(200)
    expect(one.told()).toEqual(['suspected a', 'failed a'])
    const failed = one.log.map(({ effect }) => effect).findLast((effect) => effect.type === 'event')
    expect(failed).toMatchObject({ event: { type: 'failed', evidence: 'refused', was: 'suspect' } })
  })

  test('five members: three that were refused are a death, in less than a second', () => {
    const one = among(['b', 'c', 'd'], 'refused')
    breakLink(one)
    one.run(500)
    expect(stateOf(one)).toBe('suspect')
    one.hear('b', refused('b'))
    expect(stateOf(one)).toBe('suspect')
    one.hear('b', refused('c'))
    expect(one.told()).toEqual(['suspected a', 'failed a'])
  })

  test('the three accusations are the proof and are passed on; a `dead` of one alone would make others wait', () => {
    const one = among(['b', 'c', 'd'], 'refused')
    breakLink(one)
    one.run(500)
    one.hear('b', refused('b'), refused('c'))
    one.run(2_000)
    expect(Object.keys(one.passedOn()).toSorted()).toEqual(['suspect a 1 by b', 'suspect a 1 by c', 'suspect a 1 by self'])
  })

  test('five members: this one need not be among the three', () => {
    const one = among(['b', 'c', 'd'], 'refused')
    one.hear('b', refused('b'), refused('c'), refused('d'))
    expect(stateOf(one)).toBe('dead')
  })

  test.each([
    ['the same one three times', [refused('b'), refused('b'), refused('b')]],
    ['two, and one that nobody knows', [refused('b'), refused('c'), refused('invented')]],
    ['two, and one not signed by its accuser', [refused('b'), refused('c'), forged(refused('d'))]],
    ['two, and one of silence', [refused('b'), refused('c'), suspect('a', 'd')]],
    ['two, and a `dead`', [refused('b'), refused('c'), dead('a', 'd')]]
  ])('five members: %s are not enough', (_name, statements) => {
    const one = among(['b', 'c', 'd'], 'refused')
    one.hear('b', ...statements)
    expect(stateOf(one)).toBe('suspect')
  })

  test('who said silence may still say refused, not the other way round', () => {
    const one = among(['b', 'c', 'd'], 'refused')
    one.hear('b', suspect('a', 'b'), refused('c'), refused('d'))
    expect(stateOf(one)).toBe('suspect')
    one.hear('b', refused('b'), suspect('a', 'b'))
    expect(stateOf(one)).toBe('dead')
  })
})

describe('the connection breaks otherwise', () => {
  test('somebody accepts connections there: it is dialled again, not accused', () => {
    const one = among(['b', 'c', 'd'], 'open')
    breakLink(one)
    one.run(900)
    expect(one.told()).toEqual([])
    const dial = one.log.find(({ effect }) => effect.type === 'dial' && effect.peer === 'a')
    expect(dial?.effect).toMatchObject({ addresses: ['/dns4/a/tcp/4001'] })
  })

  test('somebody accepted and then the dial was refused: a dying process; one more look is evidence', () => {
    const one = among(['b', 'c', 'd'], 'open')
    one.manners('a', { dial: 'refused' })
    breakLink(one)
    one.run(5)
    one.manners('a', { knock: 'open' })
    one.run(20)
    one.manners('a', { knock: 'refused' })
    one.run(700)
    expect(knocks(one)).toHaveLength(2)
    expect(one.told()).toEqual(['suspected a'])
    expect(one.counted('link-evidence')).toBe(1)
  })

  test('somebody accepts everybody and throws them out: two looks, then no more until there was a link', () => {
    const one = among(['b', 'c', 'd'], 'open')
    one.manners('a', { dial: 'refused' })
    breakLink(one)
    one.run(3_000)
    expect(knocks(one)).toHaveLength(2)
    expect(one.counted('link-evidence')).toBe(0)
  })

  test('the machine says nothing: the others are asked at once', () => {
    const one = among(['b', 'c', 'd'], 'silent')
    const at = one.now
    breakLink(one)
    one.run(100)
    expect(one.sent('ping-req').map(({ to }) => to).toSorted()).toEqual(['b', 'c', 'd'])
    expect((one.sent('ping-req')[0]?.at ?? 0) - at).toBeLessThan(50)
  })

  test('this node has closed it: nothing', () => {
    const one = among(['b', 'c', 'd'], 'refused')
    breakLink(one, true)
    one.run(200)
    expect([one.told(), knocks(one), one.sent('ping-req')]).toEqual([[], [], []])
  })

  test('it is back before the second knock: nothing', () => {
    const one = among([], 'refused')
    breakLink(one)
    one.run(100)
    one.link('a')
    one.manners('a', { answers: true })
    one.run(30_000)
    expect(one.told()).toEqual([])
  })
})
