import { describe, expect, test } from 'vitest'
import { randomInt, seededRandom } from '../../../src/base/random.ts'
import type { Random } from '../../../src/base/random.ts'
import { bruteForceLinearizable } from '../../support/linearizable-brute.ts'
import { checkLinearizable } from '../../support/linearizable.ts'
import type { Operation, Outcome } from '../../support/linearizable.ts'

type Answer = number | 'conflict' | 'not-applied' | 'unknown'

const NEVER = Infinity

/** `at`: [called, returned]. An answer that is a number is the version that was made. */
function set(data: string | undefined, expect: number | 'any', answer: Answer, at: readonly [number, number?], key = 'k'): Operation {
  const outcome: Outcome = typeof answer === 'number' ? { type: 'ok', version: answer, data } : { type: answer }
  return { key, client: 'c', action: { type: 'change', expect, data }, outcome, called: at[0], returned: at[1] ?? NEVER }
}

function get(version: number, data: string | undefined, at: readonly [number, number], key = 'k'): Operation {
  return { key, client: 'c', action: { type: 'read' }, outcome: { type: 'ok', version, data }, called: at[0], returned: at[1] }
}

const good: Record<string, Operation[]> = {
  'nothing at all': [],
  'a read of what was never written': [get(0, undefined, [1, 2])],
  'a read during a change sees the old': [set('a', 0, 1, [1, 4]), get(0, undefined, [2, 3])],
  'a read during a change sees the new': [set('a', 0, 1, [1, 4]), get(1, 'a', [2, 3]), get(1, 'a', [5, 6])],
  'two at once: one wins, one conflicts': [set('a', 0, 1, [1, 4]), set('b', 0, 'conflict', [2, 3]), get(1, 'a', [5, 6])],
  'a conflict with a change whose outcome is unknown': [set('a', 0, 'unknown', [1]), set('b', 0, 'conflict', [2, 3])],
  'an unknown change that takes effect long after': [set('a', 0, 'unknown', [1]), get(0, undefined, [2, 3]), get(0, undefined, [4, 5]), get(1, 'a', [6, 7])],
  'an unknown change that never does': [set('a', 0, 'unknown', [1]), set('b', 0, 1, [2, 3]), get(1, 'b', [4, 5])],
  'an unknown change overwritten before anybody saw it': [set('a', 0, 'unknown', [1]), set('b', 'any', 2, [2, 3]), get(2, 'b', [4, 5])],
  'three unknown ones in some order below a known one': [set('a', 'any', 'unknown', [1]), set('b', 'any', 'unknown', [2]), set('c', 1, 'unknown', [3]), set('d', 'any', 4, [4, 5]), get(4, 'd', [6, 7])],
  'an unknown one that is kept for a later version': [set('a', 'any', 'unknown', [1]), set('b', 'any', 'unknown', [2]), set('x', 1, 2, [3, 4]), get(3, 'a', [5, 6])],
  'one that expired, and is not seen': [set('a', 0, 'not-applied', [1, 2]), set('b', 0, 1, [3, 4])],
  'a value that is deleted and set again': [set('a', 0, 1, [1, 2]), set(undefined, 1, 2, [3, 4]), get(2, undefined, [5, 6]), set('a', 2, 3, [7, 8])],
  'keys that have nothing to do with each other': [set('a', 0, 1, [1, 2]), set('b', 0, 1, [3, 4], 'other'), get(1, 'a', [5, 6]), get(1, 'b', [5, 6], 'other')],
  'overlapping changes that only fit in the other order': [set('b', 1, 2, [1, 10]), set('a', 0, 1, [2, 9]), get(2, 'b', [11, 12])]
}

const bad: Record<string, Operation[]> = {
  'a stale read': [set('a', 0, 1, [1, 2]), get(0, undefined, [3, 4])],
  'a lost update': [set('a', 0, 1, [1, 2]), set('b', 1, 2, [3, 4]), get(1, 'a', [5, 6])],
  'an acknowledged change that is gone': [set('a', 0, 1, [1, 2]), set('b', 0, 1, [3, 4])],
  'two winners of one compare-and-set': [set('a', 0, 1, [1, 4]), set('b', 0, 1, [2, 3])],
  'an expired change that appears later': [set('a', 0, 'not-applied', [1, 2]), get(1, 'a', [3, 4])],
  'a conflicting change that appears later': [set('x', 0, 1, [1, 2]), set('a', 0, 'conflict', [3, 4]), set('y', 1, 2, [5, 6]), get(3, 'a', [7, 8])],
  'reads that go back in time': [set('a', 0, 'unknown', [1]), get(1, 'a', [2, 3]), get(0, undefined, [4, 5])],
  'a version that repeats with other data': [set('a', 0, 'unknown', [1]), set('b', 0, 'unknown', [2]), get(1, 'a', [3, 4]), get(1, 'b', [5, 6])],
  'a version that nobody can have made': [set('a', 0, 1, [1, 2]), get(2, 'a', [3, 4])],
  'a version out of nothing': [set('a', 'any', 2, [1, 2])],
  'a conflict where the version fitted': [set('a', 0, 'conflict', [1, 2])],
  'a change that ignores what it expects': [set('a', 0, 1, [1, 2]), set('b', 0, 2, [3, 4])],
  'an unknown change that is applied twice': [set('a', 'any', 'unknown', [1]), get(1, 'a', [2, 3]), set('b', 1, 2, [4, 5]), get(3, 'a', [6, 7])],
  'an unknown change seen before it was asked for': [get(1, 'a', [1, 2]), set('a', 0, 'unknown', [3])],
  'wrong at the second key only': [set('a', 0, 1, [1, 2]), get(1, 'a', [3, 4]), set('b', 0, 1, [5, 6], 'other'), get(0, undefined, [7, 8], 'other')]
}

describe('histories', () => {
  test.each(Object.entries(good))('accepts %s', (_, history) => {
    expect(checkLinearizable(history)).toMatchObject({ type: 'linearizable' })
  })

  test.each(Object.entries(bad))('rejects %s', (_, history) => {
    expect(checkLinearizable(history)).toMatchObject({ type: 'violated' })
  })

  test('says which key, how far it came, and what does not fit', () => {
    const verdict = checkLinearizable(bad['a stale read']!)
    expect(verdict).toMatchObject({ type: 'violated', key: 'k', why: expect.stringContaining('1 of 2 operations fit, up to version 1 = a; then none of these does: c reads k -> version 0 = undefined [3, 4]') })
  })

  test('says undecided when the bound is reached first', () => {
    expect(checkLinearizable(good['a value that is deleted and set again']!, { steps: 2 })).toMatchObject({ type: 'undecided', key: 'k' })
  })
})

/** A register that is right, asked by several at once; some answers get lost. Then, mostly, one answer is made wrong. */
function randomHistory(random: Random, operations: number, { spoil = false, unique = false } = {}): Operation[] {
  const ends = Array.from({ length: operations }, () => {
    const called = randomInt(random, operations * 3)
    const point = called + randomInt(random, 6)
    return { called, point, returned: point + randomInt(random, 6) }
  }).toSorted((a, b) => a.point - b.point)
  let version = 0
  let current: string | undefined
  const history = ends.map(({ called, returned }, index): Operation => {
    // Half steps, so that no two calls or returns are at the same time as a return: ties would be read in two ways.
    const at = [called, returned + 0.5] as const
    if (random.float() < 0.35) return get(version, current, at)
    const expect = random.float() < 0.3 ? 'any' : Math.max(0, version - (random.float() < 0.3 ? 1 : 0))
    const data = random.float() < 0.1 ? undefined : unique ? `d${index}` : 'abc'[randomInt(random, 3)]
    const fits = expect === 'any' || expect === version
    const fate = random.float()
    if (fate < 0.3) {
      if (fits && fate < 0.2) [version, current] = [version + 1, data]
      return set(data, expect, 'unknown', [called])
    }
    if (fate < 0.35) return set(data, expect, 'not-applied', at)
    if (!fits) return set(data, expect, 'conflict', at)
    version++
    current = data
    return set(data, expect, version, at)
  })
  if (!spoil || history.length === 0) return history
  const which = randomInt(random, history.length)
  const victim = history[which]!
  const { outcome } = victim
  if (outcome.type === 'ok' && victim.action.type === 'read') {
    history[which] = { ...victim, outcome: random.float() < 0.5 ? { ...outcome, version: Math.max(0, outcome.version + (random.float() < 0.5 ? 1 : -1)) } : { ...outcome, data: 'abc'[randomInt(random, 3)] } }
  } else if (outcome.type === 'ok') {
    history[which] = { ...victim, outcome: random.float() < 0.5 ? { type: 'conflict' } : { ...outcome, version: outcome.version + 1 } }
  } else if (outcome.type === 'conflict' && victim.action.type === 'change') {
    history[which] = { ...victim, outcome: { type: 'ok', version: 1 + randomInt(random, 3), data: victim.action.data } }
  } else if (outcome.type === 'unknown') {
    history[which] = { ...victim, outcome: { type: 'not-applied' }, returned: victim.called + 3.5 }
  }
  return history
}

describe('beside the definition', () => {
  test('agrees with it on 20 000 small random histories, right and wrong ones', () => {
    const random = seededRandom(7)
    const verdicts = { linearizable: 0, violated: 0 }
    for (let round = 0; round < 20_000; round++) {
      const history = randomHistory(random, 2 + randomInt(random, 6), { spoil: random.float() < 0.6 })
      const { type } = checkLinearizable(history)
      if ((type === 'linearizable') !== bruteForceLinearizable(history)) expect.fail(`${type} in round ${round}: ${JSON.stringify(history)}`)
      if (type !== 'undecided') verdicts[type]++
    }
    expect(verdicts.linearizable).toBeGreaterThan(5_000)
    expect(verdicts.violated).toBeGreaterThan(5_000)
  })

  test('takes a step for each of 600 operations with lost answers, and rejects them as fast with one wrong read', () => {
    const history = randomHistory(seededRandom(11), 600, { unique: true })
    expect(history.filter(({ outcome }) => outcome.type === 'unknown').length).toBeGreaterThan(80)
    const right = checkLinearizable(history)
    expect(right.type).toBe('linearizable')
    expect(right.steps).toBeLessThan(700)
    const wrong = checkLinearizable([...history, get(0, undefined, [10_000, 10_001])])
    expect(wrong.type).toBe('violated')
    expect(wrong.steps).toBeLessThan(2_000)
  })

  test('decides a long wrong history too', () => {
    const history = Array.from({ length: 400 }, (_, at) => (at % 3 === 2 ? set(`lost ${at}`, 'any', 'unknown', [at * 2]) : get(0, undefined, [at * 2, at * 2 + 7])))
    expect(checkLinearizable([...history, set('a', 0, 1, [900, 901]), set('b', 0, 1, [902, 903])])).toMatchObject({ type: 'violated' })
  })
})
