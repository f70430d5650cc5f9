// Scenario list C of the membership anchors: who is asked, who answers, and what is made of silence.
// C3 (the datagram path is blocked, the stream path is open) does not apply: there are no datagrams here, each pair of members has one encrypted connection
// for everything. Its like, a broken connection to a machine that answers, is the knock: link-evidence.test.ts.
import { describe, expect, test } from 'vitest'
import { PROFILES } from '../../../src/membership/profiles.ts'
import type { ProfileName } from '../../../src/membership/profiles.ts'
import { alive, createOne, dead, leave, ROUND_TRIP, SELF, suspect } from '../../support/swim-one.ts'
import type { One } from '../../support/swim-one.ts'

const { probeInterval, probeTimeout } = PROFILES.lan
const OTHERS = ['b', 'c', 'd']

/** Self, a, b, c, d; a answers nothing, and the others relay as told. */
function five(relays: 'ack' | 'nack' | 'no way' | 'none', o: Parameters<typeof createOne>[0] = {}): One {
  const one = createOne(o)
  one.join('a', ...OTHERS)
  one.manners('a', { answers: false })
  for (const peer of OTHERS) one.manners(peer, { relays })
  return one
}

const healthOf = (one: One) => one.swim.stats().health
const runTo = (one: One, at: number) => one.run(at - one.now)
const kindsIn = (updates: readonly { statement: { kind: string; subject: string } }[]) => updates.map(({ statement }) => `${statement.kind} ${statement.subject}`)

/** Somebody accuses this node, so it is not quite well. The same accuser counts once in 10 s only. */
function unsettle(one: One, accuser = 'b'): void {
  one.hear(accuser, suspect(SELF, accuser, one.swim.member(SELF)?.incarnation ?? 0))
}

describe('a probe', () => {
  test('C1 answered: success with its round trip, health - 1, no accusation', () => {
    const one = five('ack')
    unsettle(one)
    expect(healthOf(one)).toBe(1)
    one.clear()
    one.until('ping', 'b')
    one.run(ROUND_TRIP)
    const found = one.log.map(({ effect }) => effect).find((effect) => effect.type === 'counted' && effect.what === 'probe-ok' && effect.peer === 'b')
    expect(found).toMatchObject({ value: ROUND_TRIP })
    expect(healthOf(one)).toBe(0)
    expect(one.told()).toEqual([])
  })

  test('begun without a link, it goes directly as soon as there is one: whoever was asked may be the one that is gone', () => {
    const one = five('none')
    one.manners('a', { answers: true })
    one.step({ type: 'link-down', peer: 'a', expected: false })
    one.run(100)
    expect(one.sent('ping', 'a')).toEqual([])
    one.link('a')
    one.run(probeInterval)
    expect(one.sent('ping', 'a').length).toBeGreaterThan(0)
    expect([one.told(), one.counted('probe-failed')]).toEqual([[], 0])
  })

  test('of two members, one whose machine still took a knock as it died is found dead all the same', () => {
    const one = createOne()
    one.join('a')
    one.manners('a', { answers: false, knock: 'open', dial: 'refused' })
    one.step({ type: 'link-down', peer: 'a', expected: false })
    one.run(10_000)
    expect(one.told().slice(-2)).toEqual(['suspected a', 'failed a'])
  })

  test('C2 not answered, but a relay reaches it: alive', () => {
    const one = five('ack')
    const { at } = one.until('ping', 'a')
    runTo(one, at + probeTimeout - 1)
    expect(one.sent('ping-req')).toEqual([])
    one.run(probeInterval * 20)
    const [asked] = one.sent('ping-req')
    expect(asked?.at).toBe(at + probeTimeout)
    expect(one.sent('ping-req').filter((sent) => sent.at === at + probeTimeout).map(({ to }) => to).toSorted()).toEqual(OTHERS)
    expect(one.told()).toEqual([])
    expect(one.counted('probe-indirect')).toBeGreaterThan(3)
    expect([one.counted('probe-failed'), healthOf(one)]).toEqual([0, 0])
  })

  test.each<[ProfileName, number]>([
    ['lan', 1_000],
    ['wan', 3_000],
    ['local', 1_000],
    // Its time-out is longer than its interval: twice the time-out, or there would be none left for the others.
    ['guide', 10_000]
  ])('C4 nobody reaches it: suspected exactly one probe interval after the ping (%s: %d ms)', (name, expected) => {
    const one = five('nack', { profile: PROFILES[name] })
    const { at } = one.until('ping', 'a')
    runTo(one, at + expected - 1)
    expect(one.told()).toEqual([])
    runTo(one, at + expected)
    expect(one.told()).toEqual(['suspected a'])
    const event = one.log.map(({ effect }) => effect).find((effect) => effect.type === 'event')
    expect(event).toMatchObject({ event: { by: SELF, evidence: 'silence', was: 'alive' } })
  })

  test('C4 without a link others are asked at once, and those without a link ask for somebody else', () => {
    const one = createOne()
    one.join('b', 'c', 'd', 'e', 'f')
    one.hear('b', alive('a'))
    for (const peer of ['b', 'c', 'd', 'e', 'f']) one.manners(peer, { relays: 'no way' })
    one.clear()
    while (one.sent('ping-req').length === 0) one.run(1)
    const from = one.now
    expect(one.sent('ping-req')).toHaveLength(3)
    one.run(5 * ROUND_TRIP)
    expect(one.sent('ping', 'a')).toEqual([])
    expect(one.sent('ping-req').map(({ to }) => to).toSorted()).toEqual(['b', 'c', 'd', 'e', 'f'])
    expect(one.now - from).toBeLessThan(probeTimeout)
  })

  test('the next one starts on time while others wait for their verdict', () => {
    const one = five('nack', { profile: { ...PROFILES.lan, probeTimeout: 2_000 } })
    for (const peer of ['a', ...OTHERS]) one.manners(peer, { answers: false, relays: 'nack' })
    one.clear()
    one.run(4 * probeInterval)
    expect(one.told()).toEqual([])
    expect(one.sent('ping').map(({ to }) => to).toSorted()).toEqual(['a', 'b', 'c', 'd'])
  })
})

describe('C5 health after a failed probe', () => {
  test.each([
    [0, 0],
    [1, 1],
    [2, 2],
    [3, 3]
  ])('%d nacks missing: health %d', (missing, expected) => {
    const one = five('nack')
    for (const peer of OTHERS.slice(0, missing)) one.manners(peer, { relays: 'none' })
    const { at } = one.until('ping', 'a')
    runTo(one, at + probeInterval - 1)
    expect(healthOf(one)).toBe(0)
    runTo(one, at + probeInterval)
    expect(one.told()).toEqual(['suspected a'])
    expect(healthOf(one)).toBe(expected)
    expect(one.counted('nack-missing')).toBe(missing === 0 ? 0 : 1)
  })

  test('with nobody to ask the fault may be here: health + 1', () => {
    const one = createOne()
    one.join('a')
    one.manners('a', { answers: false })
    const { at } = one.until('ping', 'a')
    runTo(one, at + probeInterval)
    expect(one.told()).toEqual(['suspected a'])
    expect(healthOf(one)).toBe(1)
  })
})

describe('C6 a true crash leaves everybody else well', () => {
  test.each<[ProfileName, number]>([
    ['lan', 90],
    ['local', 90],
    ['wan', 290],
    ['guide', 900]
  ])('%s: health stays 0 from the crash to the verdict, round trips up to %d ms (memberlist\'s lan and wan: + 3 each)', (name, roundTrip) => {
    const one = five('nack', { profile: PROFILES[name], roundTrip })
    let worst = 0
    for (let second = 0; second < 400; second++) {
      one.run(1_000)
      worst = Math.max(worst, healthOf(one))
    }
    expect(one.swim.member('a')?.state).toBe('dead')
    expect(one.counted('probe-failed')).toBeGreaterThan(0)
    expect(worst).toBe(0)
  })

  test('a relay says nack as soon as the time it was given is over', () => {
    const one = five('nack')
    const at = one.now
    one.message('b', { kind: 'ping-req', nonce: 5, target: 'a', within: 400, updates: [] })
    expect(one.sent('ping', 'a').map((sent) => sent.at)).toEqual([at])
    runTo(one, at + 399)
    expect(one.sent('nack', 'b')).toEqual([])
    runTo(one, at + 400)
    expect(one.sent('nack', 'b').map(({ message }) => [message.nonce, message.tried])).toEqual([[5, true]])
    one.run(60_000)
    expect(one.sent('nack', 'b')).toHaveLength(1)
  })

  test('it is given 80 % of what the prober has left', () => {
    const one = five('nack')
    one.until('ping', 'a')
    one.run(probeTimeout)
    expect(one.sent('ping-req').map(({ message }) => message.within)).toEqual([400, 400, 400])
  })

  test('a relay passes the answer on, with the nonce it was asked with, once', () => {
    const one = five('nack')
    one.message('b', { kind: 'ping-req', nonce: 5, target: 'c', within: 400, updates: [] })
    one.run(1_000)
    expect(one.sent('ack', 'b').map(({ message }) => message.nonce)).toEqual([5])
    expect(one.sent('nack', 'b')).toEqual([])
    expect(one.sent('ping', 'c')[0]?.message.nonce).not.toBe(5)
  })

  test('a relay without a link says so at once', () => {
    const one = five('nack')
    one.hear('b', alive('x'))
    one.clear()
    for (const [nonce, target] of [[5, 'x'], [6, 'nobody']] as const) one.message('b', { kind: 'ping-req', nonce, target, within: 400, updates: [] })
    expect(one.sent('nack', 'b').map(({ message }) => [message.nonce, message.tried])).toEqual([
      [5, false],
      [6, false]
    ])
  })

  test('an answer that comes through a relay from another than the target does not count', () => {
    const one = five('nack')
    one.message('b', { kind: 'ping-req', nonce: 5, target: 'a', within: 400, updates: [] })
    const nonce = one.sent('ping', 'a')[0]?.message.nonce ?? 0
    one.message('c', { kind: 'ack', nonce, updates: [] })
    expect(one.sent('ack', 'b')).toEqual([])
  })
})

describe('C7 a degraded node gives others more time', () => {
  test('health 1: asks others and accuses after twice the time', () => {
    const one = createOne()
    const accusers = [...OTHERS, 'e', 'f', 'g', 'h']
    one.join('a', ...accusers)
    for (const peer of accusers) one.manners(peer, { relays: 'nack' })
    // Each answered probe heals it, and one accuser is a reason for doubt once in 10 s only: they take turns.
    let turn = 0
    const untilPing = (peer: string) => {
      one.clear()
      while (one.sent('ping', peer).length === 0) {
        if (healthOf(one) === 0) unsettle(one, accusers[turn++ % accusers.length])
        one.run(1)
      }
    }
    untilPing('b')
    one.manners('a', { answers: false })
    untilPing('a')
    const at = one.sent('ping', 'a')[0]?.at ?? 0
    runTo(one, at + 2 * probeInterval - 1)
    expect(one.sent('ping-req')[0]?.at).toBe(at + 2 * probeTimeout)
    expect(one.told()).toEqual([])
    runTo(one, at + 2 * probeInterval)
    expect(one.told()).toEqual(['suspected a'])
  })

  test('it starts half as many probes', () => {
    const one = five('ack')
    one.manners('a', { answers: true })
    const accusers = Array.from({ length: 12 }, (_, index) => `w${index}`)
    one.join(...accusers)
    const count = () => {
      one.clear()
      one.run(10 * probeInterval)
      return one.sent('ping').length
    }
    expect(count()).toBe(10)
    one.clear()
    let probes = 0
    for (let tenth = 0; tenth < 1_000; tenth++) {
      // Also after each answer, so that it never recovers.
      if (healthOf(one) === 0) unsettle(one, accusers.shift())
      one.run(10)
      probes = one.sent('ping').length
    }
    expect(probes).toBeGreaterThanOrEqual(5)
    expect(probes).toBeLessThanOrEqual(7)
  })
})

describe('C8 a ping', () => {
  test('for another identity is not answered', () => {
    const one = five('ack')
    one.message('b', { kind: 'ping', nonce: 3, target: 'somebody', updates: [] })
    expect(one.sent('ack')).toEqual([])
  })

  test('for this one is, with its nonce, to whoever asks', () => {
    const one = five('ack')
    one.message('b', { kind: 'ping', nonce: 3, target: SELF, updates: [] })
    expect(one.sent('ack', 'b').map(({ message }) => message.nonce)).toEqual([3])
  })
})

describe('C9 a late answer', () => {
  const missed = () => {
    const one = five('nack')
    const { at, message } = one.until('ping', 'a')
    runTo(one, at + probeInterval)
    expect(one.told()).toEqual(['suspected a'])
    one.manners('a', { answers: true })
    return { one, nonce: message.nonce }
  }

  test('takes the own accusation back, and is no success', () => {
    const { one, nonce } = missed()
    unsettle(one)
    const health = healthOf(one)
    one.message('a', { kind: 'ack', nonce, updates: [] })
    expect(one.told()).toEqual(['suspected a', 'recovered a'])
    expect(one.swim.member('a')).toMatchObject({ state: 'alive', incarnation: 1 })
    expect([healthOf(one), one.counted('probe-late')]).toEqual([health, 1])
  })

  test('a second time it counts for nothing', () => {
    const { one, nonce } = missed()
    one.message('a', { kind: 'ack', nonce, updates: [] })
    one.hear('b', suspect('a', 'b'))
    one.clear()
    one.message('a', { kind: 'ack', nonce, updates: [] })
    expect([one.counted('probe-late'), one.told()]).toEqual([0, []])
    expect(one.swim.member('a')?.state).toBe('suspect')
  })

  test('does not clear it of what others say: it is told, and only its own word helps', () => {
    const { one, nonce } = missed()
    one.hear('b', suspect('a', 'b'))
    one.run(250)
    one.clear()
    one.message('a', { kind: 'ack', nonce, updates: [] })
    expect(one.swim.member('a')?.state).toBe('suspect')
    expect(one.sent('gossip', 'a').flatMap(({ message }) => kindsIn(message.updates))).toContain('suspect a')
    one.hear('a', alive('a', 2))
    expect(one.told()).toEqual(['recovered a'])
  })
})

describe('C10 round robin', () => {
  const sixteen = () => {
    const one = createOne()
    const names = Array.from({ length: 16 }, (_, n) => `m${n}`)
    one.join(...names)
    return { one, names }
  }

  test('each member is probed within 2N - 1 intervals, and in between all others are', () => {
    const { one, names } = sixteen()
    one.run(320 * probeInterval)
    const pings = one.sent('ping')
    expect(pings).toHaveLength(320)
    for (const name of names) {
      const times = pings.filter(({ to }) => to === name).map(({ at }) => at)
      expect(times.length).toBeGreaterThanOrEqual(19)
      expect(times.length).toBeLessThanOrEqual(21)
      const gaps = times.slice(1).map((at, index) => at - (times[index] as number))
      expect(Math.max(...gaps)).toBeLessThanOrEqual((2 * 16 - 1) * probeInterval)
    }
  })

  test('never itself, never one that is dead or has left', () => {
    const { one } = sixteen()
    one.hear('m5', leave('m5'))
    one.hear('m1', suspect('m3', 'm1'), dead('m3', 'm1'))
    one.run(20_000)
    expect([one.swim.member('m3')?.state, one.swim.member('m5')?.state]).toEqual(['dead', 'left'])
    one.clear()
    one.run(100 * probeInterval)
    const asked = new Set([...one.sent('ping').map(({ message }) => message.target), ...one.sent('ping-req').map(({ message }) => message.target)])
    expect(asked.size).toBe(14)
    for (const peer of [SELF, 'm3', 'm5']) expect(asked).not.toContain(peer)
  })
})

describe('C11 a suspect', () => {
  test('is probed at once by whoever hears of it, and finds the accusation in the ping', () => {
    const one = five('nack')
    const effects = one.hear('b', suspect('a', 'b'))
    const pings = effects.flatMap((effect) => (effect.type === 'send' && effect.message.kind === 'ping' ? [effect] : []))
    expect(pings.map(({ to, message }) => [to, kindsIn(message.updates)])).toEqual([['a', ['suspect a']]])
  })

  test('finds it in every ping while the suspicion lasts', () => {
    const one = five('ack')
    one.hear('b', suspect('a', 'b'))
    one.clear()
    one.run(15_000)
    const pings = one.sent('ping', 'a')
    expect(pings.length).toBeGreaterThan(2)
    for (const { message } of pings) expect(kindsIn(message.updates)).toContain('suspect a')
  })

  test('that says anything is told what it is accused of, not more often than every 200 ms', () => {
    const one = five('ack')
    one.hear('b', suspect('a', 'b'))
    one.run(5_000)
    one.clear()
    for (let times = 0; times < 10; times++) {
      one.message('a', { kind: 'ping', nonce: times, target: SELF, updates: [] })
      one.run(50)
    }
    const told = one.sent('gossip', 'a').filter(({ message }) => kindsIn(message.updates).includes('suspect a'))
    expect(told.length).toBeGreaterThanOrEqual(2)
    expect(told.length).toBeLessThanOrEqual(3)
  })

  test('a dead one that says anything is told that it is dead here', () => {
    const one = five('ack')
    one.hear('b', suspect('a', 'b'), dead('a', 'b'))
    one.run(20_000)
    expect(one.swim.member('a')?.state).toBe('dead')
    one.link('a')
    one.clear()
    one.message('a', { kind: 'ping', nonce: 1, target: SELF, updates: [] })
    expect(one.sent('gossip', 'a').flatMap(({ message }) => kindsIn(message.updates))).toContain('dead a')
  })
})
