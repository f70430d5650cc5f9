import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { chooseProvider, DEFAULT_RTT } from '../../../src/routing/choose.ts'
import { afterFailure, callerCode, MAX_ATTEMPTS } from '../../../src/routing/retry.ts'

const chosen = (candidates: Parameters<typeof chooseProvider>[0]) => {
  const random = seededRandom(7)
  return [...new Set(Array.from({ length: 300 }, () => chooseProvider(candidates, random)))].sort()
}

describe('chooseProvider', () => {
  test.each([
    ['nobody', [], [undefined]],
    ['one', [{ peer: 'a', local: false }], ['a']],
    ['the local one, however loaded', [{ peer: 'a', local: false, rtt: 0.1 }, { peer: 'me', local: true, load: 99 }], ['me']],
    ['the nearest', [{ peer: 'a', local: false, rtt: 20 }, { peer: 'b', local: false, rtt: 80 }], ['a']],
    ['all within half again', [{ peer: 'a', local: false, rtt: 20 }, { peer: 'b', local: false, rtt: 30 }, { peer: 'c', local: false, rtt: 30.1 }], ['a', 'b']],
    ['all within 2 ms', [{ peer: 'a', local: false, rtt: 0.2 }, { peer: 'b', local: false, rtt: 2.2 }, { peer: 'c', local: false, rtt: 2.3 }], ['a', 'b']],
    ['an unmeasured one as the default', [{ peer: 'a', local: false }, { peer: 'b', local: false, rtt: DEFAULT_RTT * 2 }], ['a']],
    ['a LAN peer before an unmeasured one', [{ peer: 'a', local: false }, { peer: 'b', local: false, rtt: 0.3 }], ['b']],
    ['a nonsense measurement as the default', [{ peer: 'a', local: false, rtt: Number.NaN }, { peer: 'b', local: false, rtt: 100 }], ['a']],
    ['a trusted one before a suspect, however near', [{ peer: 'a', local: false, rtt: 0.1, suspect: true }, { peer: 'b', local: false, rtt: 80, suspect: false }], ['b']],
    ['the best of the trusted', [{ peer: 'a', local: false, rtt: 1, suspect: true }, { peer: 'b', local: false, rtt: 80 }, { peer: 'c', local: false, rtt: 20 }], ['c']],
    ['the local one although it is suspected', [{ peer: 'me', local: true, suspect: true }, { peer: 'b', local: false }], ['me']],
    ['the best suspects when there is nobody else', [{ peer: 'a', local: false, rtt: 1, suspect: true }, { peer: 'b', local: false, rtt: 80, suspect: true }], ['a']],
    ['the less loaded of two', [{ peer: 'a', local: false, rtt: 1, load: 3 }, { peer: 'b', local: false, rtt: 1, load: 2 }], ['b']]
  ])('takes %s', (_, candidates, expected) => {
    expect(chosen(candidates)).toEqual(expected)
  })

  test('two choices never take the most loaded of three, and spread over the rest', () => {
    const candidates = ['a', 'b', 'c'].map((peer, load) => ({ peer, local: false, rtt: 1, load }))
    expect(chosen(candidates)).toEqual(['a', 'b'])
  })
})

describe('afterFailure', () => {
  const facts = { repeatable: false, triedPeers: ['a'], providers: ['a', 'b'], attempts: 1, timeLeft: 1000 }
  test.each([
    ['SKEIN_BUSY', {}, 'next'],
    ['SKEIN_GOAWAY', {}, 'next'],
    ['SKEIN_NOT_FOUND', {}, 'next'],
    ['SKEIN_UNDELIVERED', {}, 'next'],
    ['SKEIN_UPSTREAM_DOWN', {}, 'next'],
    ['SKEIN_DIAL_FAILED', {}, 'next'],
    ['SKEIN_NO_PROVIDER', {}, 'next'],
    ['SKEIN_BUSY', { triedPeers: ['a', 'b'] }, 'fail'],
    ['SKEIN_BUSY', { repeatable: true, triedPeers: ['a', 'b'] }, 'fail'],
    ['SKEIN_BUSY', { attempts: MAX_ATTEMPTS }, 'fail'],
    ['SKEIN_BUSY', { timeLeft: 0 }, 'fail'],
    ['SKEIN_SESSION_CLOSED', {}, 'fail'],
    ['SKEIN_OUTCOME_UNKNOWN', {}, 'fail'],
    ['SKEIN_SESSION_CLOSED', { repeatable: true }, 'repeat'],
    ['SKEIN_OUTCOME_UNKNOWN', { repeatable: true, providers: ['a'] }, 'repeat'],
    ['SKEIN_OUTCOME_UNKNOWN', { repeatable: true, providers: [] }, 'fail'],
    ['SKEIN_OUTCOME_UNKNOWN', { repeatable: true, attempts: MAX_ATTEMPTS }, 'fail'],
    ['SKEIN_OUTCOME_UNKNOWN', { repeatable: true, timeLeft: -1 }, 'fail'],
    ['SKEIN_DEADLINE', { repeatable: true }, 'fail'],
    ['SKEIN_CANCELLED', { repeatable: true }, 'fail'],
    ['SKEIN_HOPS', { repeatable: true }, 'fail'],
    ['SKEIN_INTERNAL', { repeatable: true }, 'fail'],
    ['SKEIN_BAD_REQUEST', { repeatable: true }, 'fail']
  ] as const)('%s with %o: %s', (code, more, verdict) => {
    expect(afterFailure(code, { ...facts, ...more })).toBe(verdict)
  })

  test('a lost session reaches the caller as an unknown outcome, other codes as they are', () => {
    expect(callerCode('SKEIN_SESSION_CLOSED')).toBe('SKEIN_OUTCOME_UNKNOWN')
    expect(callerCode('SKEIN_BUSY')).toBe('SKEIN_BUSY')
  })
})
