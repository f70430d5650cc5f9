// Leaving and coming back in the same process, which memberlist cannot do (#140, #217), and leaving in one message (consul #3706).
import { describe, expect, test } from 'vitest'
import { BOOT, createOne, leave, LOCAL, SELF, suspect } from '../../support/swim-one.ts'
import type { One } from '../../support/swim-one.ts'

function five(): One {
  const one = createOne()
  one.join('a', 'b', 'c', 'd')
  return one
}

const incarnationOf = (one: One, peer: string) => one.swim.member(peer)?.incarnation

describe('leave and return', () => {
  test('a leave is one signed statement, straight to every linked member, and then silence', () => {
    const one = five()
    const effects = one.step({ type: 'leave' })
    const told = effects.flatMap((effect) => (effect.type === 'send' ? [[effect.to, ...effect.message.updates.map(({ statement }) => statement.kind)]] : []))
    expect(told.toSorted()).toEqual(['a', 'b', 'c', 'd'].map((peer) => [peer, 'leave']))
    one.clear()
    one.run(60_000)
    expect(one.log).toEqual([])
  })

  test('it joins again in the same process, louder than its leave (memberlist #140)', () => {
    const one = five()
    one.step({ type: 'leave' })
    one.run(60_000)
    one.clear()
    one.step({ type: 'start', local: LOCAL, boot: BOOT + 5 })
    expect(one.swim.member(SELF)).toMatchObject({ state: 'alive' })
    expect(incarnationOf(one, SELF)).toBeGreaterThan(BOOT)
    one.hear('a', leave(SELF, BOOT))
    one.run(10_000)
    expect(one.swim.member(SELF)?.state).toBe('alive')
    expect(one.told()).not.toContain(`left ${SELF}`)
  })

  test('what was on its way when it left is not judged when it comes back: no word was heard meanwhile', () => {
    const one = five()
    one.manners('a', { answers: false, relays: 'none' })
    one.hear('b', suspect('c', 'b'))
    one.until('ping', 'a')
    one.step({ type: 'leave' })
    one.run(120_000)
    one.clear()
    one.step({ type: 'start', local: LOCAL, boot: BOOT + 1 })
    expect(one.told().filter((event) => event.startsWith('failed') || event === 'suspected a')).toEqual([])
  })
})
