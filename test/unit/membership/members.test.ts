// Scenario list B of the membership anchors: what one member makes of statements (B11 is in sync.test.ts, B13 in incarnation-limit.test.ts). Where memberlist's rule differs from ours the name of the test says so:
// statements are signed by their subject or accuser, only the subject raises its incarnation, and a `dead` of another only hastens the own verdict.
import { describe, expect, test } from 'vitest'
import { PROFILES } from '../../../src/membership/profiles.ts'
import { retransmitLimit, suspicionMin } from '../../../src/membership/suspicion.ts'
import { alive, BOOT, createOne, dead, forged, leave, SELF, stranger, suspect } from '../../support/swim-one.ts'
import type { One } from '../../support/swim-one.ts'

/** Self, a, b, c, d. */
function five(o: Parameters<typeof createOne>[0] = {}): One {
  const one = createOne(o)
  one.join('a', 'b', 'c', 'd')
  return one
}

const stateOf = (one: One, peer: string) => one.swim.member(peer)?.state
const incarnationOf = (one: One, peer: string) => one.swim.member(peer)?.incarnation
const LIMIT = retransmitLimit(PROFILES.lan.retransmitMult, 5)
const MIN = suspicionMin(PROFILES.lan.suspicionMult, 5, PROFILES.lan.probeInterval)
const MAX = MIN * PROFILES.lan.suspicionMaxMult

describe('alive', () => {
  test('B1 a new one joins and is passed on as often as the formula says', () => {
    const one = five()
    one.hear('a', alive('x'))
    expect(one.told()).toEqual(['joined x'])
    expect(one.swim.member('x')).toMatchObject({ state: 'alive', incarnation: 1, name: 'x', tier: 'edge', region: 'here', addresses: ['/dns4/x/tcp/4001'] })
    one.run(10_000)
    expect(one.passedOn()).toEqual({ 'alive x 1': LIMIT })
    expect(one.swim.stats().queued).toBe(0)
  })

  test('B2 the same incarnation twice: nothing the second time', () => {
    const one = five()
    one.hear('b', alive('a'))
    one.run(5_000)
    expect(one.told()).toEqual([])
    expect(one.passedOn()).toEqual({})
    expect(one.counted('stale')).toBe(1)
  })

  test('B3 a higher incarnation with another name is an update, passed on', () => {
    const one = five()
    one.hear('b', alive('a', 2, { name: 'new' }))
    expect(one.told()).toEqual(['updated a'])
    expect(one.swim.member('a')).toMatchObject({ name: 'new', incarnation: 2 })
    one.run(5_000)
    expect(one.passedOn()).toEqual({ 'alive a 2': LIMIT })
  })

  test('B3 a higher incarnation with the same content is passed on without an event: nobody but the members needs to know', () => {
    const one = five()
    one.hear('b', alive('a', 2))
    one.run(5_000)
    expect(one.told()).toEqual([])
    expect(one.passedOn()).toEqual({ 'alive a 2': LIMIT })
  })

  test.each([
    ['at its incarnation', BOOT],
    ['at a higher one', BOOT + 7]
  ])('B4 alive about self with other content %s: it says its own again, louder', (_name, incarnation) => {
    const one = five()
    one.hear('a', alive(SELF, incarnation, { name: 'other', boot: BOOT }))
    expect(incarnationOf(one, SELF)).toBe(incarnation + 1)
    one.run(5_000)
    expect(one.passedOn()[`alive self ${incarnation + 1}`]).toBe(LIMIT)
    expect(one.swim.member(SELF)).toMatchObject({ name: 'self', state: 'alive' })
  })

  test('B4 alive about self from before, and its own words come back: nothing', () => {
    const one = five()
    one.hear('a', suspect(SELF, 'b', BOOT))
    one.run(5_000)
    one.clear()
    one.hear('a', alive(SELF, BOOT, { name: 'old', boot: BOOT }))
    const own = one.sent('gossip').length
    one.run(5_000)
    expect(incarnationOf(one, SELF)).toBe(BOOT + 1)
    expect(one.passedOn()).toEqual({})
    expect(own).toBe(0)
  })

  test('B5 other addresses at the same incarnation are ignored (memberlist: conflict)', () => {
    const one = five()
    one.hear('b', alive('a', 1, { addresses: ['/dns4/elsewhere/tcp/1'] }))
    one.run(5_000)
    expect(one.told()).toEqual([])
    expect(one.passedOn()).toEqual({})
    expect(one.swim.member('a')?.addresses).toEqual(['/dns4/a/tcp/4001'])
  })

  test('B5 G4 other addresses at a higher incarnation are an update: the subject has signed them (memberlist: conflict)', () => {
    const one = five()
    one.hear('b', alive('a', 2, { addresses: ['/dns4/elsewhere/tcp/1'] }))
    expect(one.told()).toEqual(['updated a'])
    expect(one.swim.member('a')?.addresses).toEqual(['/dns4/elsewhere/tcp/1'])
  })

  test('B6 one that left comes back with another address at a higher incarnation, at once (no reclaim time here)', () => {
    const one = five()
    one.hear('a', leave('a'))
    one.clear()
    one.hear('b', alive('a', 2, { boot: 2, addresses: ['/dns4/elsewhere/tcp/1'] }))
    expect(one.told()).toEqual(['joined a'])
    expect(one.swim.member('a')).toMatchObject({ state: 'alive', addresses: ['/dns4/elsewhere/tcp/1'] })
  })

  test('B6 a dead one comes back with another address at a higher incarnation, at once', () => {
    const one = five()
    kill(one, 'a')
    one.hear('b', alive('a', 2, { boot: 2, addresses: ['/dns4/elsewhere/tcp/1'] }))
    expect(one.told()).toEqual(['recovered a'])
    expect(one.swim.member('a')).toMatchObject({ state: 'alive', addresses: ['/dns4/elsewhere/tcp/1'] })
  })

  test('B14 an update of only the version is an event (memberlist fires none)', () => {
    const one = five()
    one.hear('b', alive('a', 2, { version: '1.0.1' }))
    expect(one.told()).toEqual(['updated a'])
    expect(one.swim.member('a')?.version).toBe('1.0.1')
  })

  test('H1 one that its subject did not sign is refused and counted, so is one whose credential does not hold', () => {
    const one = five()
    one.hear('a', forged(alive('x')), forged(alive('b', 9, { name: 'hijacked' })), stranger('y'))
    one.run(5_000)
    expect(one.told()).toEqual([])
    expect([one.counted('forged'), one.counted('stranger')]).toEqual([2, 1])
    expect([one.swim.member('x'), one.swim.member('y'), one.swim.member('b')?.incarnation]).toEqual([undefined, undefined, 1])
    expect(one.passedOn()).toEqual({})
  })

  test('an older process of the same identity does not push out the newer one, however high its incarnation', () => {
    const one = five()
    one.hear('b', alive('a', 5, { boot: 5, name: 'newer' }))
    one.hear('b', alive('a', 9, { boot: 4, name: 'older' }))
    expect(one.swim.member('a')).toMatchObject({ incarnation: 5, name: 'newer' })
  })
})

/** By its suspicion running out here. */
function kill(one: One, peer: string, incarnation = 1): void {
  one.hear('b', suspect(peer, 'b', incarnation))
  one.hear('c', dead(peer, 'c', incarnation))
  one.run(MIN + 5_000)
  expect(stateOf(one, peer)).toBe('dead')
  one.clear()
}

describe('suspect', () => {
  test.each([
    ['B7 about an unknown one', suspect('x', 'b')],
    ['B7 of an older incarnation', suspect('a', 'b', 4)],
    ['of an incarnation its subject never said (memberlist accepts)', suspect('a', 'b', 6)],
    ['H2 by an accuser nobody knows', suspect('a', 'invented', 5)],
    ['H1 not signed by its accuser', forged(suspect('a', 'b', 5))]
  ])('%s: ignored', (_name, statement) => {
    const one = five()
    one.hear('b', alive('a', 5))
    one.run(5_000)
    one.clear()
    one.hear('c', statement)
    one.run(5_000)
    expect(one.told()).toEqual([])
    expect(stateOf(one, 'a')).toBe('alive')
    expect(one.passedOn()).toEqual({})
  })

  test('B7 twice by the same one: passed on once, counted once', () => {
    const one = five()
    one.hear('b', suspect('a', 'b'))
    const at = one.now
    one.run(500)
    one.hear('c', suspect('a', 'b'))
    one.run(4_500)
    expect(one.told()).toEqual(['suspected a'])
    const passedOn = one.passedOn()
    expect(Object.keys(passedOn)).toEqual(['suspect a 1 by b'])
    expect(passedOn['suspect a 1 by b']).toBeLessThanOrEqual(LIMIT)
    one.run(at + MAX - 1 - one.now)
    expect(stateOf(one, 'a')).toBe('suspect')
    one.run(2)
    expect(stateOf(one, 'a')).toBe('dead')
  })

  test('B7 confirmations by others are passed on until enough are there; then it ends at the shortest time', () => {
    const one = five()
    const at = one.now
    for (const accuser of ['b', 'c', 'd']) one.hear(accuser, suspect('a', accuser))
    one.run(MIN - 1)
    expect(stateOf(one, 'a')).toBe('suspect')
    expect(one.told()).toEqual(['suspected a'])
    one.run(at + MIN + 1 - one.now)
    expect(one.told()).toEqual(['suspected a', 'failed a'])
    one.run(5_000)
    expect(Object.keys(one.passedOn()).toSorted()).toEqual(['dead a 1 by self', 'suspect a 1 by b', 'suspect a 1 by c', 'suspect a 1 by d'])
  })

  test('B7 beyond the wanted confirmations an accusation is not passed on', () => {
    const one = five()
    one.hear('a', alive('e'), alive('f'))
    one.run(10_000)
    one.clear()
    for (const accuser of ['b', 'c', 'd', 'e', 'f']) one.hear(accuser === 'e' || accuser === 'f' ? 'b' : accuser, suspect('a', accuser))
    one.run(1_000)
    expect(Object.keys(one.passedOn()).toSorted()).toEqual(['suspect a 1 by b', 'suspect a 1 by c', 'suspect a 1 by d'])
  })

  test('B7 about self: says alive again at its incarnation + 1, tells who brought it at once, health + 1', () => {
    const one = five()
    const effects = one.hear('b', suspect(SELF, 'a', BOOT))
    expect(incarnationOf(one, SELF)).toBe(BOOT + 1)
    expect(one.swim.stats().health).toBe(1)
    expect(one.counted('refutation')).toBe(1)
    const answered = effects.flatMap((effect) => (effect.type === 'send' && effect.to === 'b' ? effect.message.updates : []))
    expect(answered.map(({ statement }) => [statement.kind, statement.incarnation])).toEqual([['alive', BOOT + 1]])
    one.run(10_000)
    expect(one.passedOn()[`alive self ${BOOT + 1}`]).toBe(LIMIT + 1)
    expect(one.told()).toEqual([])
  })

  test.each([
    ['older', BOOT - 1],
    ['never said', BOOT + 50]
  ])('B7 about self at an incarnation %s: nothing to refute', (_name, incarnation) => {
    const one = five()
    one.hear('b', suspect(SELF, 'a', incarnation))
    expect(incarnationOf(one, SELF)).toBe(BOOT)
    expect(one.swim.stats().health).toBe(0)
  })

  test('B7 about self, not signed by its accuser: not refuted', () => {
    const one = five()
    one.hear('b', forged(suspect(SELF, 'a', BOOT)))
    expect(incarnationOf(one, SELF)).toBe(BOOT)
    expect(one.counted('forged')).toBe(1)
  })

  test('B8 a higher incarnation of the suspect ends the suspicion for good', () => {
    const one = five()
    for (const accuser of ['b', 'c', 'd']) one.hear(accuser, suspect('a', accuser))
    one.run(1_000)
    one.hear('b', alive('a', 2))
    one.run(2 * MAX)
    expect(one.told()).toEqual(['suspected a', 'recovered a'])
    expect(stateOf(one, 'a')).toBe('alive')
  })

  test('B8 the same incarnation again does not', () => {
    const one = five()
    for (const accuser of ['b', 'c', 'd']) one.hear(accuser, suspect('a', accuser))
    one.hear('b', alive('a', 1))
    one.run(MIN + 1)
    expect(stateOf(one, 'a')).toBe('dead')
  })
})

describe('dead', () => {
  test.each([
    ['B9 about an unknown one', dead('x', 'b')],
    ['B9 of an older incarnation', dead('a', 'b', 4)],
    ['of an incarnation its subject never said (memberlist accepts)', dead('a', 'b', 6)],
    ['H2 by an accuser nobody knows', dead('a', 'invented', 5)],
    ['H1 not signed by its accuser', forged(dead('a', 'b', 5))]
  ])('%s: ignored', (_name, statement) => {
    const one = five()
    one.hear('b', alive('a', 5))
    one.run(5_000)
    one.clear()
    one.hear('c', statement)
    one.run(2 * MAX)
    expect(one.told()).toEqual([])
    expect(stateOf(one, 'a')).toBe('alive')
    expect(one.passedOn()).toEqual({})
  })

  test('B11 by another it is a suspicion of the shortest time, not a death (memberlist: a death at once)', () => {
    const one = five()
    const at = one.now
    one.hear('b', dead('a', 'b'))
    expect(one.told()).toEqual(['suspected a'])
    one.run(at + MIN - 1 - one.now)
    expect(stateOf(one, 'a')).toBe('suspect')
    one.run(2)
    expect(one.told()).toEqual(['suspected a', 'failed a'])
  })

  test('the event names who said it when nobody else accused', () => {
    const one = five()
    one.hear('b', dead('a', 'b'))
    one.run(MIN + 1)
    const events = one.log.flatMap(({ effect }) => (effect.type === 'event' ? [[effect.event.type, effect.event.by]] : []))
    expect(events).toEqual([
      ['suspected', 'b'],
      ['failed', 'b']
    ])
  })

  test('B11 the suspect can still object', () => {
    const one = five()
    one.hear('b', dead('a', 'b'))
    one.run(MIN - 500)
    one.hear('a', alive('a', 2))
    one.run(2 * MAX)
    expect(one.told()).toEqual(['suspected a', 'recovered a'])
  })

  test('B9 twice: one suspicion, one death', () => {
    const one = five()
    one.hear('b', dead('a', 'b'))
    one.hear('c', dead('a', 'c'))
    one.run(MIN + 1)
    one.hear('b', dead('a', 'b'))
    one.hear('d', dead('a', 'd'))
    one.run(5_000)
    expect(one.told()).toEqual(['suspected a', 'failed a'])
  })

  test('B9 about self: refuted like a suspicion', () => {
    const one = five()
    one.hear('b', dead(SELF, 'a', BOOT))
    expect(incarnationOf(one, SELF)).toBe(BOOT + 1)
    expect(one.swim.stats().health).toBe(1)
  })

  test('B9 about self after it left: silence', () => {
    const one = five()
    one.step({ type: 'leave' })
    one.clear()
    expect(one.hear('b', dead(SELF, 'a', BOOT))).toEqual([])
    expect(one.hear('b', suspect(SELF, 'a', BOOT))).toEqual([])
    expect(stateOf(one, SELF)).toBe('left')
  })

  test('B9 from itself it is a leave: left, never failed, even out of a suspicion', () => {
    const one = five()
    one.manners('a', { answers: false })
    one.hear('b', suspect('a', 'b'))
    one.hear('c', leave('a'))
    one.run(2 * MAX)
    expect(one.told()).toEqual(['suspected a', 'left a'])
    expect(stateOf(one, 'a')).toBe('left')
    expect(one.passedOn()['leave a 1']).toBe(LIMIT)
  })

  test('B9 a leave of a dead one makes it left; words about the dead or suspect come too late after a leave', () => {
    const one = five()
    kill(one, 'a')
    one.hear('c', leave('a'))
    expect(one.told()).toEqual(['left a'])
    one.hear('c', suspect('a', 'b'), dead('a', 'b'), leave('a'))
    one.run(MAX)
    expect(one.told()).toEqual(['left a'])
  })

  test('B10 an alive of the same incarnation does not bring the dead back', () => {
    const one = five()
    kill(one, 'a')
    one.hear('b', alive('a', 1))
    one.run(5_000)
    expect(one.told()).toEqual([])
    expect(stateOf(one, 'a')).toBe('dead')
  })

  test('B10 nor one that left, not even one that was never seen here', () => {
    const one = five()
    one.hear('a', leave('a'), leave('x'))
    one.hear('b', alive('a', 1), alive('x', 1))
    expect(one.told()).toEqual(['left a'])
    expect([stateOf(one, 'a'), stateOf(one, 'x')]).toEqual(['left', 'left'])
    one.hear('b', alive('x', 2))
    expect(one.told()).toEqual(['left a', 'joined x'])
  })

  test('B12 alive 1, dead 1, dead 10, alive 2: nobody but its subject can say 10, so dead 10 is void and its own 2 brings it back', () => {
    const one = five()
    kill(one, 'a')
    one.hear('b', dead('a', 'b', 10))
    expect(incarnationOf(one, 'a')).toBe(1)
    one.hear('b', alive('a', 2))
    expect(one.told()).toEqual(['recovered a'])
  })

  test('B12 alive 1, alive 10, dead 10, a late alive 2: stays dead (memberlist brings it back when it has missed alive 10)', () => {
    const one = five()
    one.hear('b', alive('a', 10))
    kill(one, 'a', 10)
    one.hear('b', alive('a', 2), alive('a', 10))
    one.run(5_000)
    expect(one.told()).toEqual([])
    expect(one.swim.member('a')).toMatchObject({ state: 'dead', incarnation: 10 })
  })
})
