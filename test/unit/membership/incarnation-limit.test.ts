import { describe, expect, test } from 'vitest'
import { MAX_INCARNATION } from '../../../src/wire/swim-types.ts'
import { alive, BOOT, createOne, dead, SELF, suspect } from '../../support/swim-one.ts'
import type { One } from '../../support/swim-one.ts'

function five(): One {
  const one = createOne()
  one.join('a', 'b', 'c', 'd')
  return one
}

const incarnationOf = (one: One, peer: string) => one.swim.member(peer)?.incarnation

describe('B13 incarnations at the limit', () => {
  test('refuting at the limit does not overflow', () => {
    const one = createOne({ boot: MAX_INCARNATION })
    one.join('a', 'b')
    for (let times = 0; times < 5; times++) {
      one.hear('a', suspect(SELF, 'b', incarnationOf(one, SELF) ?? 0))
      one.run(5_000)
      expect(incarnationOf(one, SELF)).toBeLessThan(MAX_INCARNATION)
    }
    expect(incarnationOf(one, SELF)).toBe(MAX_INCARNATION - 1)
  })

  test('no third party can push a member there: what it says of another is void above the known incarnation (memberlist #358)', () => {
    const one = five()
    one.hear('b', dead('a', 'b', MAX_INCARNATION - 1), suspect('a', 'b', MAX_INCARNATION - 1), dead(SELF, 'b', MAX_INCARNATION - 1))
    expect([incarnationOf(one, 'a'), incarnationOf(one, SELF), one.swim.member('a')?.state]).toEqual([1, BOOT, 'alive'])
    expect(one.swim.stats().health).toBe(0)
  })

  test('a member that raises itself above the limit is not followed', () => {
    const one = five()
    one.hear('a', alive('a', MAX_INCARNATION))
    expect(incarnationOf(one, 'a')).toBe(1)
    one.hear('a', alive('a', MAX_INCARNATION - 1))
    expect(incarnationOf(one, 'a')).toBe(MAX_INCARNATION - 1)
  })
})
