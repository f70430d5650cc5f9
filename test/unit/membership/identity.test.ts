// G5 and D8 of the membership anchors, at one member: words of an earlier life, and a second process with the same identity.
import { describe, expect, test } from 'vitest'
import { JOINING_TIME } from '../../../src/membership/self.ts'
import { alive, BOOT, createOne, dead, forged, leave, LOCAL, SELF, suspect } from '../../support/swim-one.ts'
import type { One } from '../../support/swim-one.ts'

const own = (one: One) => one.swim.member(SELF)
const superseded = (one: One) => one.log.flatMap(({ effect }) => (effect.type === 'superseded' ? [effect.by] : []))

/** Just started, linked with a and b, nothing heard yet of itself. */
function newcomer(): One {
  const one = createOne()
  for (const peer of ['a', 'b']) {
    one.link(peer)
    one.hear(peer, alive(peer))
  }
  one.run(1_000)
  one.clear()
  return one
}

function settled(): One {
  const one = createOne()
  one.join('a', 'b')
  expect(one.now).toBeGreaterThan(JOINING_TIME)
  return one
}

describe('while it joins', () => {
  test.each([
    ['a clock that went back: it had a higher boot', BOOT + 500, BOOT + 520],
    ['many refutations: it had a higher incarnation', BOOT - 100, BOOT + 20],
    ['both', BOOT + 500, BOOT + 900]
  ])('it rises above its earlier life (%s)', (_name, boot, incarnation) => {
    const one = newcomer()
    one.hear('a', alive(SELF, incarnation, { boot, name: 'earlier' }), dead(SELF, 'b', incarnation))
    expect(superseded(one)).toEqual([])
    // Some room by chance: the earlier life may have said more than was heard, and two lives must not use one incarnation.
    const risen = own(one)?.incarnation ?? 0
    expect(risen).toBeGreaterThan(incarnation)
    expect(risen).toBeLessThanOrEqual(incarnation + 1_001)
    expect(own(one)?.boot).toBeGreaterThanOrEqual(BOOT)
    expect(own(one)?.boot).toBeGreaterThan(boot)
    expect(own(one)).toMatchObject({ name: 'self', state: 'alive' })
    one.run(5_000)
    expect(one.passedOn()[`alive ${SELF} ${risen}`]).toBeGreaterThan(0)
  })

  test('it rises above a leave of its earlier life', () => {
    const one = newcomer()
    one.hear('a', leave(SELF, BOOT + 40))
    expect(own(one)).toMatchObject({ incarnation: BOOT + 41, state: 'alive' })
  })

  test('but not above what it never said', () => {
    const one = newcomer()
    one.hear('a', forged(alive(SELF, BOOT + 500, { boot: BOOT + 500 })), forged(leave(SELF, BOOT + 500)))
    expect(own(one)).toMatchObject({ incarnation: BOOT, boot: BOOT })
  })
})

describe('later', () => {
  test('a newer process with its identity silences it: superseded once, then not a word', () => {
    const one = settled()
    one.hear('a', alive(SELF, BOOT + 9_000, { boot: BOOT + 9_000, name: 'newer', addresses: ['/ip4/127.0.0.9/tcp/1'] }))
    expect(superseded(one)).toEqual([{ boot: BOOT + 9_000, name: 'newer', addresses: ['/ip4/127.0.0.9/tcp/1'] }])
    one.clear()
    one.hear('a', suspect(SELF, 'b', BOOT), alive(SELF, BOOT + 9_001, { boot: BOOT + 9_000 }))
    one.message('a', { kind: 'ping', nonce: 1, target: SELF, updates: [] })
    one.step({ type: 'local', local: { ...LOCAL, name: 'changed' } })
    one.run(60_000)
    expect(one.log).toEqual([])
  })

  test('an older one is answered louder and never wins', () => {
    const one = settled()
    one.hear('a', alive(SELF, BOOT + 3, { boot: BOOT - 50, name: 'older' }))
    expect(superseded(one)).toEqual([])
    expect(own(one)).toMatchObject({ incarnation: BOOT + 4, boot: BOOT, name: 'self' })
  })

  test('one that somebody else made up does not', () => {
    const one = settled()
    one.hear('a', forged(alive(SELF, BOOT + 9_000, { boot: BOOT + 9_000 })))
    expect(superseded(one)).toEqual([])
    expect(one.counted('forged')).toBe(1)
    one.message('a', { kind: 'ping', nonce: 1, target: SELF, updates: [] })
    expect(one.sent('ack', 'a')).toHaveLength(1)
  })

  test('two processes talk it out: the older falls silent, the newer stays, nobody flaps', () => {
    const older = settled()
    const newer = createOne({ boot: BOOT + 700 })
    const word = (of: One) => {
      of.clear()
      of.step({ type: 'link-up', peer: 'z', address: '/dns4/z/tcp/1', dialled: false })
      return of.sent('sync', 'z')[0]?.message.updates ?? []
    }
    newer.link('a')
    newer.hear('a', alive('a'))
    newer.hear('a', ...word(older))
    expect([superseded(newer), own(newer)?.incarnation]).toEqual([[], BOOT + 700])
    older.hear('a', ...word(newer))
    expect(superseded(older)).toHaveLength(1)
  })

  test('another whose process was replaced: the older one is told, also when the newer one always speaks a moment before it', () => {
    const one = settled()
    const newer = alive('a', BOOT + 9_000, { boot: BOOT + 9_000 })
    one.hear('a', newer)
    for (let second = 0; second < 3; second++) {
      one.run(1_000)
      one.clear()
      // Both over their own connection; each is answered on the one that it came on.
      one.message('a', { kind: 'ping', nonce: 2 * second, target: SELF, updates: [] })
      one.run(84)
      one.message('a', { kind: 'ping', nonce: 2 * second + 1, target: SELF, updates: [] })
      const told = one.sent('gossip', 'a').filter(({ message }) => message.updates.some((update) => update.bytes === newer.bytes))
      expect(told).toHaveLength(2)
    }
  })

  test('what it says about itself is an update at its incarnation + 1, and nothing when nothing changed', () => {
    const one = settled()
    one.step({ type: 'local', local: { ...LOCAL, addresses: [...LOCAL.addresses] } })
    expect(own(one)?.incarnation).toBe(BOOT)
    one.step({ type: 'local', local: { ...LOCAL, addresses: ['/ip4/127.0.0.1/tcp/4999'] } })
    expect(own(one)).toMatchObject({ incarnation: BOOT + 1, addresses: ['/ip4/127.0.0.1/tcp/4999'] })
    one.run(5_000)
    expect(one.passedOn()).toEqual({ [`alive ${SELF} ${BOOT + 1}`]: 4 })
  })
})
