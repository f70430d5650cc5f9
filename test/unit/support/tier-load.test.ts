import { describe, expect, test } from 'vitest'
import { faults, recoveryOf, tally } from '../../support/tier-load.ts'
import type { TierCall } from '../../support/tier-processes.ts'

const call = (change: Partial<TierCall>): TierCall => ({ id: 'read-1', from: 'a', to: 'b', tool: 'read', began: 100, ended: 110, code: 'ok', ...change })
const pair = { from: 'a', to: 'b' }

describe('the time until new calls succeed', () => {
  test('is 0 where none failed, and infinite where none succeeds any more', () => {
    expect(recoveryOf([call({ began: 100 }), call({ began: 200 })], pair, 100)).toBe(0)
    expect(recoveryOf([call({ began: 150, code: 'SKEIN_DEADLINE' })], pair, 100)).toBe(Infinity)
  })

  test('ends with the first answer after the last failure of those that began after the kill', () => {
    const calls = [
      call({ began: 90, code: 'SKEIN_NO_PROVIDER' }), call({ began: 120 }), call({ began: 300, ended: 340 }), call({ began: 200, ended: 900, code: 'SKEIN_DEADLINE' }), call({ began: 400, ended: 410 }),
      call({ from: 'c', began: 500, code: 'SKEIN_NO_PROVIDER' })
    ]
    expect(recoveryOf(calls, pair, 100)).toBe(240)
  })
})

describe('what is wrong with the answers', () => {
  const outage = { from: 100, to: 200 }
  const faultsOf = (change: Partial<TierCall>, ran: number, outages = [outage]) => faults([call(change)], new Map([[change.id ?? 'read-1', ran]]), outages)

  test.each([
    ['a read that ran twice', {}, 2],
    ['an append that ran once', { tool: 'append' }, 1],
    ['an append that may have run', { tool: 'append', code: 'SKEIN_OUTCOME_UNKNOWN' }, 1],
    ['an append that did not run', { tool: 'append', code: 'SKEIN_NO_PROVIDER' }, 0],
    ['a read that failed while a hub was away', { code: 'SKEIN_NO_PROVIDER', began: 150 }, 0]
  ] as const)('nothing: %s', (_what, change, ran) => expect(faultsOf(change, ran)).toEqual([]))

  test.each([
    ['an append that ran twice', { tool: 'append' }, 2, /run twice/],
    ['a success that did not run', {}, 0, /did not run/],
    ['an append said not to have run', { tool: 'append', code: 'SKEIN_UNDELIVERED' }, 1, /said not to have run/],
    ['an error that says nothing', { code: 'SKEIN_INTERNAL', began: 150 }, 0, /no known class/],
    ['a wrong answer', { code: 'a wrong answer: {}' }, 1, /no known class/],
    ['a read in flight when the hub died', { code: 'SKEIN_OUTCOME_UNKNOWN', began: 99 }, 1, /repeatable call that was lost/],
    ['a read after it was over', { code: 'SKEIN_NO_PROVIDER', began: 201 }, 0, /repeatable call that was lost/]
  ] as const)('%s', (_what, change, ran, message) => expect(faultsOf(change, ran)).toEqual([expect.stringMatching(message)]))
})

test('the tally counts by tool', () => {
  expect(tally([call({}), call({}), call({ code: 'SKEIN_BUSY' }), call({ tool: 'append' })])).toBe('read ok 2, SKEIN_BUSY 1; append ok 1')
})
