import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { FIRST_HOLD_MS, FLAP_LIMIT, FLAP_WINDOW_MS, LONGEST_HOLD_MS } from '../../../src/routing/flaps.ts'
import { FIRST_SHARE, WARM_UP_MS } from '../../../src/routing/slow-start.ts'
import { constantOf, expectStated } from '../../support/stated.ts'

const page = readFileSync(new URL('../../../docs/routing.md', import.meta.url), 'utf8')
const of = (file: string, name: string) => constantOf(`routing/${file}.ts`, name)

const STATED: [string, number[]][] = [
  ['(1 + # x wait +', [of('expected-time', 'WAIT_WEIGHT')]],
  ['(#, and 1 ms for each # km,', [of('geo', 'ENDS_MS'), of('geo', 'KM_PER_MS')]],
  ['else #. A way over other nodes counts # more', [of('expected-time', 'DEFAULT_RTT'), of('expected-time', 'RELAY_MS')]],
  ['where that is at least # and above # times the spread of its own answers in logarithms, and at most # times.', [of('estimates', 'SLOW_FROM'), of('estimates', 'SURE_FROM'), of('estimates', 'SLOWEST')]],
  ['One call looks again # after the last answer', [of('estimates', 'LOOK_AFTER')]],
  ['half of what is older than # is forgotten', [of('estimates', 'SLOWNESS_HALF_MS')]],
  ['is believed after #.', [of('estimates', 'REPORT_HALF_MS')]],
  ['adds up to #:', [of('assess', 'FAILURE_COST')]],
  ['is forgiven by half in #.', [of('estimates', 'FORGIVEN_BY_HALF_MS')]],
  ['within a tenth, or #, of the best', [of('choose', 'NEAR_MS')]],
  ['to all within # |', [WARM_UP_MS]],
  ['failed # times within #,', [FLAP_LIMIT, FLAP_WINDOW_MS]],
  ['stable for #; twice that each time it goes on, up to # |', [FIRST_HOLD_MS, LONGEST_HOLD_MS]]
]

describe('docs/routing.md says what the code does', () => {
  test.each(STATED)('%s', (sentence, values) => expectStated(page, sentence, values))

  test('shares', () => {
    expect(page).toContain(`+ ${of('expected-time', 'CROWDING')} x calls / places`)
    expect(page).toContain(`grows from ${FIRST_SHARE} to all`)
    expect([of('assess', 'HALF_OPEN_SHARE'), of('estimates', 'ANSWER_WEIGHT'), Math.round((of('choose', 'NEAR_FACTOR') - 1) * 100) / 100]).toEqual([0.1, 0.1, 0.1])
  })
})
