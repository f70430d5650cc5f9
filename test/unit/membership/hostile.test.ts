import { describe, expect, test } from 'vitest'
import { PROFILES } from '../../../src/membership/profiles.ts'
import { MAX_MEMBERS } from '../../../src/membership/table.ts'
import type { SwimMessage } from '../../../src/wire/swim-types.ts'
import { alive, createOne, dead, forged, leave, SELF, stranger, suspect, type One } from '../../support/swim-one.ts'

/** A member that speaks the protocol as it likes, against one machine. What a flood costs is for hostile-budget.test.ts. */

const LIAR = 'm'
const stateOf = (one: One, peer: string) => one.swim.member(peer)?.state
const gossip = (...updates: Extract<SwimMessage, { kind: 'gossip' }>['updates']): SwimMessage => ({ kind: 'gossip', updates })

/** Members beside self and the liar, all linked; nobody's probe fails. */
function pool(...others: string[]): One {
  const one = createOne()
  one.join(LIAR, ...others)
  return one
}

describe('the power of liars with false evidence', () => {
  test('in a pool of three one is enough against the third', () => {
    const one = pool('v')
    one.hear(LIAR, suspect('v', LIAR, 1, 'refused'))
    expect(stateOf(one, 'v')).toBe('dead')
  })

  test.each([5, 8, 16])('in a pool of %i two are not enough and three are', (size) => {
    const victim = 'v'
    const one = createOne()
    one.join(victim, LIAR, 'n', 'o', ...Array.from({ length: size - 5 }, (_, index) => `a${index}`))
    one.clear()
    one.hear(LIAR, suspect(victim, LIAR, 1, 'refused'))
    one.hear(LIAR, suspect(victim, LIAR, 1, 'refused'), dead(victim, LIAR))
    one.hear(LIAR, suspect(victim, 'n', 1, 'refused'))
    expect(one.told()).toEqual([`suspected ${victim}`])
    one.hear(LIAR, suspect(victim, 'o', 1, 'refused'))
    expect(one.told().at(-1)).toBe(`failed ${victim}`)
  })

  test('in a pool of 4 two are enough: one of them leaves, and the other is one of three', () => {
    const one = pool('n', 'v')
    one.hear(LIAR, suspect('v', LIAR, 1, 'refused'))
    expect(stateOf(one, 'v')).toBe('suspect')
    one.hear('v', alive('v', 2))
    one.hear('n', leave('n'))
    one.hear(LIAR, suspect('v', LIAR, 2, 'refused'))
    expect(stateOf(one, 'v')).toBe('dead')
  })

  test('accusers that have left, are not known, or show no good credential do not count', () => {
    const one = pool('n', 'a', 'b', 'c', 'v')
    one.hear('n', leave('n'))
    one.hear(LIAR, stranger('x'), suspect('v', LIAR, 1, 'refused'), suspect('v', 'n', 1, 'refused'), suspect('v', 'x', 1, 'refused'), suspect('v', 'y', 1, 'refused'))
    expect(stateOf(one, 'v')).toBe('suspect')
    expect(one.counted('stranger')).toBe(4)
  })

  test('whoever was declared dead is back with its next word, and an old accusation does not end it again', () => {
    const one = pool('n', 'o', 'v')
    const accusations = [LIAR, 'n', 'o'].map((liar) => suspect('v', liar, 1, 'refused'))
    one.hear(LIAR, ...accusations)
    expect(stateOf(one, 'v')).toBe('dead')
    one.hear('a', alive('v', 2))
    one.hear(LIAR, ...accusations, dead('v', LIAR), suspect('v', LIAR, 3))
    expect(stateOf(one, 'v')).toBe('alive')
  })
})

describe('words of others and of the past', () => {
  test('forged ones, older ones and those of a dead life change nothing', () => {
    const one = pool('a', 'b')
    one.hear('a', alive('a', 7), leave('b', 3))
    one.clear()
    one.hear(LIAR, forged(alive('a', 9)), forged(leave('a', 9)), forged(suspect('a', 'b', 7)), alive('a', 6), suspect('a', LIAR, 6), alive('b', 3), dead('b', LIAR, 3))
    expect(one.told()).toEqual([])
    expect(one.swim.member('a')).toMatchObject({ state: 'alive', incarnation: 7 })
    expect(stateOf(one, 'b')).toBe('left')
  })

  test('10 000 goodbyes of invented members neither fill the list, nor push out a real tombstone, nor are passed on', () => {
    const one = pool('a', 'gone')
    one.hear('gone', leave('gone', 1))
    one.run(10_000)
    one.clear()
    for (let index = 0; index < 10_000; index += 16) one.hear(LIAR, ...Array.from({ length: 16 }, (_, more) => leave(`invented-${index + more}`, 5)))
    one.run(1_000)
    expect(one.swim.members().length).toBeLessThan(300)
    expect(one.swim.stats().queued).toBe(0)
    expect(Object.keys(one.passedOn()).filter((text) => text.includes('invented'))).toEqual([])
    expect(one.told()).toEqual([])
    one.hear(LIAR, alive('gone', 1))
    expect(stateOf(one, 'gone')).toBe('left')
  })

  test('a goodbye that overtook the first word still holds, and later words of the same member count again', () => {
    const one = pool('a')
    one.hear('a', leave('late', 5))
    one.hear('a', alive('late', 5))
    expect(stateOf(one, 'late')).toBe('left')
    one.hear('a', alive('late', 6))
    one.hear('late', leave('late', 6))
    expect(one.told().slice(-2)).toEqual(['joined late', 'left late'])
  })

  test('nor are they passed on when they are said again, each a little newer', () => {
    const one = pool('a')
    one.clear()
    for (let incarnation = 1; incarnation < 50; incarnation++) one.hear(LIAR, leave('invented', incarnation))
    one.run(2_000)
    expect(Object.keys(one.passedOn())).toEqual([])
  })

  test('when the list is full they make room before any real tombstone', () => {
    const one = pool('gone')
    one.hear('gone', leave('gone', 1))
    for (let index = 0; index < 10; index++) one.hear(LIAR, leave(`invented-${index}`))
    for (let index = one.swim.members().length; index < MAX_MEMBERS + 5; index++) one.hear(LIAR, alive(`member-${index}`))
    expect(one.swim.members()).toHaveLength(MAX_MEMBERS)
    expect(one.swim.members().filter(({ peer }) => peer.startsWith('invented'))).toHaveLength(5)
    expect(stateOf(one, 'gone')).toBe('left')
  })

  test('members with good credentials beyond the bound are not taken, and who is here stays', () => {
    const one = pool('a')
    for (let index = 0; index < MAX_MEMBERS + 100; index++) one.hear(LIAR, alive(`member-${index}`))
    expect(one.swim.members()).toHaveLength(MAX_MEMBERS)
    expect(stateOf(one, 'a')).toBe('alive')
  })
})

describe('an accuser that never stops', () => {
  const storm = (one: One, accuser: (round: number) => string, seconds: number) => {
    for (let round = 0; round < seconds * 100; round++) {
      one.hear(LIAR, suspect(SELF, accuser(round), one.swim.member(SELF)?.incarnation ?? 0))
      one.run(10)
    }
  }

  test('is answered ten times a second, and does not make this node doubt itself', () => {
    const one = pool('a', 'b', 'c')
    let worst = 0
    for (let second = 0; second < 20; second++) {
      storm(one, () => LIAR, 1)
      worst = Math.max(worst, one.swim.stats().health)
    }
    expect(one.counted('refutation')).toBeLessThanOrEqual(200)
    expect(worst).toBeLessThanOrEqual(1)
    expect(one.told()).toEqual([])
  })

  test('nor with the names of members that do not exist', () => {
    const one = pool('a', 'b', 'c')
    storm(one, (round) => `invented-${round}`, 5)
    expect(one.swim.stats().health).toBe(0)
  })

  test('of somebody else, keeps that one suspect and in the list', () => {
    const one = pool('v', 'a', 'b')
    for (let incarnation = 1; incarnation < 200; incarnation++) {
      one.hear(LIAR, suspect('v', LIAR, incarnation), dead('v', LIAR, incarnation), suspect('v', LIAR, incarnation, 'refused'))
      one.run(100)
      one.hear('v', alive('v', incarnation + 1))
    }
    expect(one.told()).not.toContain('failed v')
    expect(one.swim.stats()).toMatchObject({ suspicions: 0, queued: expect.any(Number) })
    expect(one.swim.stats().queued).toBeLessThan(20)
  })
})

test('one that leaves and joins fifty times a second is announced to all at once only now and then', () => {
  const others = Array.from({ length: 20 }, (_, index) => `a${index}`)
  const one = pool(...others)
  for (let round = 1; round <= 100; round++) {
    one.hear(LIAR, leave(LIAR, 2 * round))
    one.hear(LIAR, alive(LIAR, 2 * round + 1))
    one.run(20)
  }
  // One announcement and ten rounds of news to three each.
  expect(one.sent('gossip').length).toBeLessThanOrEqual(others.length + 100 * 6)
  expect(one.sent('sync').length).toBeLessThanOrEqual(12)
})

describe('questions without end', () => {
  test('pings do not drain the news that are meant for all', () => {
    const one = pool('a', 'b', 'c', 'd', 'e', 'f')
    one.hear('a', alive('new', 1, { addresses: [] }))
    for (let count = 0; count < 1_000; count++) one.message(LIAR, { kind: 'ping', nonce: count, target: SELF, updates: [] })
    expect(one.sent('ack', LIAR)).toHaveLength(1_000)
    expect(one.sent('ack', LIAR).filter(({ message }) => message.updates.length > 0)).toHaveLength(1)
    one.clear()
    one.run(2_000)
    expect(one.passedOn()['alive new 1']).toBeGreaterThan(2)
  })

  test('one that asks for thousands of probes does not keep others from being helped', () => {
    const one = pool('a', 'b', 'v')
    one.manners('v', { answers: false })
    for (let count = 0; count < 5_000; count++) one.message(LIAR, { kind: 'ping-req', nonce: count, target: 'v', within: 60_000, updates: [] })
    expect(one.sent('ping', 'v').length).toBeLessThanOrEqual(64 + 10)
    one.clear()
    one.message('a', { kind: 'ping-req', nonce: 7, target: 'v', within: 500, updates: [] })
    expect(one.sent('ping', 'v')).toHaveLength(1)
    expect(one.sent('nack', 'a')).toEqual([])
  })

  test('probes of invented targets are refused at once and remembered nowhere', () => {
    const one = pool('a')
    for (let count = 0; count < 5_000; count++) one.message(LIAR, { kind: 'ping-req', nonce: count, target: `invented-${count}`, within: 60_000, updates: [] })
    expect(one.sent('nack', LIAR)).toHaveLength(5_000)
    expect(one.swim.stats().probes).toBeLessThanOrEqual(1)
  })

  test('a digest of 1 400 invented members is answered with at most 256 questions', () => {
    const one = pool('a')
    const entries = Array.from({ length: 1_400 }, (_, index) => ({ peer: `invented-${index}`, incarnation: 2 ** 47, standing: 'up' as const }))
    one.message(LIAR, { kind: 'digest', nonce: 1, entries, updates: [] })
    expect(one.sent('state', LIAR).reduce((sum, { message }) => sum + message.want.length, 0)).toBe(256)
    expect(one.swim.members()).toHaveLength(3)
    one.clear()
    one.message(LIAR, { kind: 'state', nonce: 1, want: Array.from({ length: 256 }, (_, index) => `unknown-${index}`), updates: [] })
    expect(one.sent('state', LIAR)).toEqual([])
  })
})

describe('a relay that lies', () => {
  const { probeInterval } = PROFILES.lan
  const lying = (others: number) => {
    const one = createOne()
    const names = Array.from({ length: others }, (_, index) => `r${index}`)
    one.join('v', LIAR, ...names)
    one.manners('v', { answers: false })
    for (const name of names) one.manners(name, { relays: 'nack' })
    one.manners(LIAR, { relays: 'ack' })
    one.clear()
    return one
  }

  test('among at most three possible ones keeps a dead member alive for this prober', () => {
    const one = lying(2)
    one.run(60 * probeInterval)
    expect(one.told()).toEqual([])
  })

  test('among eleven does so for a round or two', () => {
    const one = lying(10)
    one.run(60 * probeInterval)
    expect(one.told()).toContain('failed v')
  })

  test('that was not asked, or answers for another, ends no probe', () => {
    const one = lying(2)
    one.manners(LIAR, { relays: 'none' })
    const { message } = one.until('ping', 'v')
    one.message(LIAR, { kind: 'ack', nonce: message.nonce, updates: [] })
    for (let count = 0; count < 1_000; count++) one.message(LIAR, { kind: 'nack', nonce: message.nonce + count, tried: true, updates: [] })
    one.run(probeInterval)
    expect(one.told()).toEqual(['suspected v'])
  })
})

describe('addresses that a member makes up', () => {
  const dials = (one: One) => one.log.filter(({ effect }) => effect.type === 'dial').map(({ at, effect }) => `${at} ${(effect as { peer: string }).peer}`)

  /** Whom this node dials first, since its name is higher. */
  const WANDERER = 'z'

  function away(): One {
    const one = pool('a', 'b', WANDERER)
    one.manners(WANDERER, { dial: 'refused' })
    one.step({ type: 'link-down', peer: WANDERER, expected: true })
    one.clear()
    return one
  }

  test.each([20, 500, 2_000])('a new one each %i ms is dialled a few times in ten seconds, not each time', (every) => {
    const one = away()
    for (let count = 0; count < 60_000 / every; count++) {
      one.hear('a', alive(WANDERER, 2 + count, { addresses: [`/ip4/198.51.100.${count % 250}/tcp/22`] }))
      one.run(every)
    }
    expect(dials(one).length).toBeLessThanOrEqual(20)
  })

  test.each([300, 3_000])('nor when it leaves and joins each %i ms', (every) => {
    const one = away()
    for (let count = 0; count < 60_000 / every; count++) {
      one.hear('a', leave(WANDERER, 1 + 2 * count), alive(WANDERER, 2 + 2 * count, { addresses: [`/ip4/198.51.100.${count % 250}/tcp/22`] }))
      one.run(every)
    }
    expect(dials(one).length).toBeLessThanOrEqual(20)
  })

  test('nobody knocks where the member was not seen itself', () => {
    const one = createOne()
    one.link('a')
    one.hear('a', alive('a'))
    one.step({ type: 'link-up', peer: LIAR, address: '/ip4/203.0.113.5/tcp/51000', dialled: false })
    const addresses = ['/ip4/127.0.0.1/tcp/22', '/ip4/169.254.169.254/tcp/80', '/dns4/victim.example/tcp/443', '/ip4/203.0.113.5/tcp/4001', '/ip4/203.0.113.5/tcp/4001/p2p-circuit']
    one.hear(LIAR, alive(LIAR, 1, { addresses }))
    one.run(2_000)
    one.clear()
    one.step({ type: 'link-down', peer: LIAR, expected: false })
    expect(one.log.flatMap(({ effect }) => (effect.type === 'knock' ? effect.addresses : []))).toEqual(['/ip4/203.0.113.5/tcp/4001'])
  })
})

test('words about its own future bind nobody but their speaker', () => {
  const one = pool('a')
  one.message(LIAR, gossip(alive(LIAR, 2 ** 48 - 1, { boot: 2 ** 48 - 1 }), alive('z', 2 ** 48, { boot: 2 ** 48 }), leave('y', 2 ** 48)))
  expect(one.swim.member(LIAR)).toMatchObject({ incarnation: 2 ** 48 - 1 })
  expect(one.swim.members().map(({ peer }) => peer).toSorted()).toEqual(['a', LIAR, SELF])
  one.message(LIAR, gossip(leave(LIAR, 2 ** 48 - 1)))
  expect(stateOf(one, LIAR)).toBe('left')
})
