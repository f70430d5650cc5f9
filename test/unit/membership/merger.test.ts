import { describe, expect, test } from 'vitest'
import { createMerger, merged } from '../../../src/membership/merger.ts'
import type { Member, MemberEvent, MemberState } from '../../../src/membership/types.ts'

const view = (state: MemberState, more: Partial<Member> = {}): Member => ({
  peer: 'p', state, incarnation: 10, boot: 10, name: 'n', version: '1', addresses: ['/ip4/192.0.2.1/tcp/1'], tier: 'leaf', region: 'eu', since: 0, ...more
})

describe('one view of several', () => {
  test.each<[string, Member[], Partial<Member> | undefined]>([
    ['of none there is none', [], undefined],
    ['of one it is that one', [view('dead')], { state: 'dead' }],
    ['alive wins over everything', [view('dead', { since: 9 }), view('suspect'), view('alive', { since: 5 }), view('left', { since: 9 })], { state: 'alive', since: 5 }],
    ['suspect over those that have ended', [view('left', { since: 9 }), view('suspect', { since: 3 })], { state: 'suspect', since: 3 }],
    ['of those that have ended the last one', [view('left', { since: 9 }), view('dead', { since: 3 })], { state: 'left', since: 9 }],
    ['… whichever it is', [view('left', { since: 3 }), view('dead', { since: 9 })], { state: 'dead', since: 9 }],
    ['… but not one of which only a goodbye was heard', [view('dead', { since: 3 }), view('left', { since: 9, boot: 0, name: '' })], { state: 'dead', name: 'n' }],
    ['what it says of itself is its newest word', [view('alive', { version: '1' }), view('alive', { version: '2', incarnation: 11 })], { version: '2', incarnation: 11 }],
    ['of the newest process first', [view('alive', { version: '2', incarnation: 99 }), view('suspect', { version: '3', boot: 11, incarnation: 11, since: 7 })], { state: 'alive', version: '3', since: 0 }],
    ['but not of one that has ended', [view('alive', { version: '2' }), view('dead', { version: '3', incarnation: 99 })], { state: 'alive', version: '2' }]
  ])('%s', (_, views, expected) => {
    if (expected === undefined) expect(merged(views)).toBeUndefined()
    else expect(merged(views)).toMatchObject(expected)
  })
})

describe('what happened to all pools together', () => {
  /** Each step: how the two pools see it, and what is told. */
  const story = (...steps: [Member[], string | undefined][]) => {
    const merger = createMerger({ self: 'me', clock: { now: () => 77 }, isKnown: () => true })
    for (const [views, expected] of steps) {
      const event = merger.changed('p', views)
      expect(event === undefined ? undefined : [event.type, event.was].filter((part) => part !== undefined).join(' was ')).toBe(expected)
    }
  }
  const [up, doubted, dead, left] = [view('alive'), view('suspect'), view('dead', { since: 1 }), view('left', { since: 1 })]

  test('joined once, whichever pool is first', () => story([[up], 'joined'], [[up, up], undefined], [[up, doubted], undefined]))
  test('dead here, then there', () => story([[up, up], 'joined'], [[dead, up], undefined], [[dead, doubted], 'suspected was alive'], [[dead, dead], 'failed was suspect']))
  test('left here, alive there', () => story([[up, up], 'joined'], [[left, up], undefined], [[left, doubted], 'suspected was alive'], [[left, up], 'recovered was suspect'], [[left, left], 'left was alive']))
  test('left here, later dead there: it failed', () => story([[up, up], 'joined'], [[left, up], undefined], [[left, view('dead', { since: 9 })], 'failed was alive']))
  test('dead here, joined there: it is back', () => story([[up], 'joined'], [[dead], 'failed was alive'], [[dead, up], 'recovered was dead'], [[up, up], undefined]))
  test('left, then joined again', () => story([[up], 'joined'], [[left], 'left was alive'], [[up], 'joined was left']))
  test('who has left is not found dead later, and joins when it comes back', () => story([[up, up], 'joined'], [[left, left], 'left was alive'], [[left, view('dead', { since: 9 })], undefined], [[up, left], 'joined was left']))
  test('who was dead says that it had left', () => story([[up], 'joined'], [[dead], 'failed was alive'], [[view('left', { since: 9 })], 'left was dead'], [[view('dead', { since: 10 })], undefined]))
  test('one that ended before it was seen is not told of', () => story([[left], undefined], [[dead], undefined], [[up], 'joined']))
  test('new words once, though both pools bring them', () => {
    const next = { version: '2', incarnation: 11 }
    story([[up, up], 'joined'], [[view('alive', next), up], 'updated'], [[view('alive', next), view('alive', next)], undefined], [[view('alive', { incarnation: 12, version: '2' }), up], undefined])
  })
  test.each(['name', 'version', 'tier', 'region'] as const)('another %s is new', (key) => story([[up], 'joined'], [[view('alive', { [key]: 'x' })], 'updated']))
  test('so are other addresses and another process', () => story([[up], 'joined'], [[view('alive', { addresses: [] })], 'updated'], [[view('alive', { addresses: [], boot: 11 })], 'updated']))

  test('a pool that this node left takes its members with it', () => {
    story([[up, up], 'joined'], [[up], undefined], [[], 'left was alive'], [[], undefined], [[up], 'joined'])
    story([[dead], undefined], [[], undefined])
  })

  test('who accused, and of what, if that is what happened', () => {
    const merger = createMerger({ self: 'me', clock: { now: () => 77 }, isKnown: () => true })
    merger.changed('p', [up, up])
    const cause: MemberEvent = { type: 'failed', member: dead, was: 'suspect', by: 'q', evidence: 'refused' }
    expect(merger.changed('p', [dead, doubted], cause)).toEqual({ type: 'suspected', member: doubted, was: 'alive' })
    expect(merger.changed('p', [dead, dead], cause)).toEqual({ type: 'failed', member: dead, was: 'suspect', by: 'q', evidence: 'refused' })
    expect(merger.changed('p', [])).toBeUndefined()
  })

  test('of itself a node hears only that it said something new', () => {
    const merger = createMerger({ self: 'p', clock: { now: () => 77 }, isKnown: () => true })
    expect(merger.changed('p', [up])).toBeUndefined()
    expect(merger.changed('p', [up, view('alive', { version: '2', incarnation: 11 })])).toMatchObject({ type: 'updated', member: { version: '2' } })
    expect(merger.changed('p', [])).toBeUndefined()
  })

  test('who is known to no pool any more is forgotten', () => {
    const asked: string[] = []
    const merger = createMerger({ self: 'me', clock: { now: () => 0 }, isKnown: (peer) => (asked.push(peer), false) })
    for (let index = 0; index < 1_000; index++) merger.changed(`p${index}`, [up])
    expect(asked.length).toBeGreaterThan(700)
    // Told anew, since it was forgotten.
    expect(merger.changed('p1', [up])?.type).toBe('joined')
  })
})
