import { describe, expect, test } from 'vitest'
import { afterFailure, callerCode, endingOf, MAX_ATTEMPTS } from '../../../src/routing/retry.ts'

describe('afterFailure', () => {
  const facts = { repeatable: false, triedPeers: ['a'], providers: ['a', 'b'], attempts: 1, timeLeft: 1000 }
  test.each([
    ['SKEIN_BUSY', {}, 'next'],
    ['SKEIN_BREAKER_OPEN', {}, 'next'],
    ['SKEIN_GOAWAY', {}, 'next'],
    ['SKEIN_NOT_FOUND', {}, 'next'],
    ['SKEIN_UNDELIVERED', {}, 'next'],
    ['SKEIN_UPSTREAM_DOWN', {}, 'next'],
    ['SKEIN_DIAL_FAILED', {}, 'next'],
    ['SKEIN_NO_PROVIDER', {}, 'next'],
    ['SKEIN_BUSY', { triedPeers: ['a', 'b'] }, 'fail'],
    ['SKEIN_BREAKER_OPEN', { triedPeers: ['a', 'b'] }, 'fail'],
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

describe('what a failure says of its provider', () => {
  test.each([
    ['SKEIN_SESSION_CLOSED', 'failed'],
    ['SKEIN_OUTCOME_UNKNOWN', 'failed'],
    ['SKEIN_DEADLINE', 'refused'],
    ['SKEIN_UPSTREAM_INVALID', 'failed'],
    ['SKEIN_PROTOCOL', 'failed'],
    ['SKEIN_BUSY', 'refused'],
    ['SKEIN_UPSTREAM_DOWN', 'refused'],
    ['SKEIN_UNDELIVERED', 'refused'],
    ['SKEIN_DIAL_FAILED', 'refused'],
    ['SKEIN_CANCELLED', 'cancelled'],
    ['SKEIN_BREAKER_OPEN', 'cancelled'],
    ['SKEIN_BAD_REQUEST', 'cancelled'],
    ['SKEIN_LIMIT', 'cancelled']
  ] as const)('%s: %s', (code, ending) => expect(endingOf(code)).toBe(ending))
})
