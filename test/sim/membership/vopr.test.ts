import { expect, test } from 'vitest'
import { describeStorm, said } from '../frame/suite.ts'
import { FAULT_NAMES } from './faults.ts'
import { REGRESSIONS } from './regressions.ts'
import { runVopr } from './vopr.ts'

const REACTIONS = [
  'joined', 'updated', 'suspected', 'failed', 'left', 'recovered', 'superseded',
  'probe-ok', 'probe-indirect', 'probe-failed', 'probe-late', 'suspicion', 'refutation', 'nack-missing', 'stall', 'forged', 'stale', 'stranger', 'sync-same',
  'sync-different', 'link-evidence', 'knock-refused', 'knock-open', 'knock-silent', 'dial-ok', 'dial-failed', 'link-lost', 'link-closed', 'lost', 'duplicated', 'delayed'
]

describeStorm({
  name: 'membership',
  promise: 'no rule is broken, and every view is right after the storm',
  run: runVopr,
  band: { seeds: 200, ticks: 1_500, timeout: 120_000 },
  short: { same: 600, masked: 300 },
  faults: FAULT_NAMES,
  reactions: Object.fromEntries(REACTIONS.map((name) => [name, 1]))
})

test.each(REGRESSIONS)('seed $seed, once failed: $found', ({ seed, ticks, without = [] }) => {
  expect(said(runVopr({ seed, ticks, masked: new Set(without) }), ticks)).toBe('nothing')
})
