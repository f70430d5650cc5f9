import { describeStorm } from '../frame/suite.ts'
import { FAULT_NAMES } from './faults.ts'
import { runQuorumVopr } from './vopr.ts'

// What it once found is told step by step in test/unit/federation/quorum/scenarios-found.test.ts: seeds would change with every fault that is added.
describeStorm({
  name: 'the quorum',
  promise: 'every register is linearizable, no rule is broken, and the calm mends everything',
  run: runQuorumVopr,
  band: { seeds: 64, ticks: 600, timeout: 300_000 },
  short: { same: 300, masked: 200 },
  faults: FAULT_NAMES,
  reactions: {
    'asked read': 2_000, 'asked change': 2_000, 'asked lease': 400, 'asked voters': 400, 'asked twice': 100, 'twice decided': 10, resigned: 5,
    'outcome decided': 2_000, 'outcome conflict': 500, 'outcome no-quorum': 500, 'outcome expired': 100, 'outcome unknown': 500,
    'voters decided': 50, 'voters conflict': 30, 'crash lost': 60, 'crash kept': 30, 'crash torn': 3, 'disk-full': 10, lost: 5_000,
    'refused ballot': 1_000, 'refused newer': 100, 'refused not-permitted': 200, 'refused damaged': 300,
    'counted carried': 300, 'counted learned': 1_000, 'log decisions': 500, 'log voterChanges': 100, 'log largest': 64 * 3, 'log proven': 1_000, 'lease held': 64, 'lease holders': 40
  },
  flags: '--quorum '
})
