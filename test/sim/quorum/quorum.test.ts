import { describe, expect, test } from 'vitest'
import { FAULT_NAMES } from './faults.ts'
import { runQuorumVopr } from './vopr.ts'
import type { QuorumVoprResult } from './vopr.ts'

const FIRST_SEED = 1
const SEEDS = 64
const TICKS = 600

/** What must have happened in 64 runs at least so often, or they prove nothing. */
const REACTIONS: Record<string, number> = {
  'asked read': 2_000, 'asked change': 2_000, 'asked lease': 400, 'asked voters': 400, 'asked twice': 100, 'twice decided': 10, resigned: 5,
  'outcome decided': 2_000, 'outcome conflict': 500, 'outcome no-quorum': 500, 'outcome expired': 100, 'outcome unknown': 500,
  'voters decided': 50, 'voters conflict': 30, 'crash lost': 60, 'crash kept': 30, 'crash torn': 3, 'disk-full': 10, lost: 5_000,
  'refused ballot': 1_000, 'refused newer': 100, 'refused not-permitted': 200, 'refused damaged': 300,
  'counted carried': 300, 'counted learned': 1_000, 'log decisions': 500, 'log voterChanges': 100, 'log largest': 64 * 3, 'log proven': 1_000, 'lease held': 64, 'lease holders': 40
}

function said({ seed, violation }: QuorumVoprResult, ticks: number): string {
  return violation === undefined ? 'nothing' : `${violation}\n  replay: node scripts/sim.ts --quorum --seed ${seed} --ticks ${ticks} --trace`
}

// What it once found is told step by step in test/unit/federation/quorum/scenarios-found.test.ts: seeds would change with every fault that is added.
describe('the quorum in a storm', () => {
  test(`${SEEDS} seeds from ${FIRST_SEED}: every register is linearizable, no rule is broken, and the calm mends everything`, () => {
    const total: Record<string, number> = {}
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
      const result = runQuorumVopr({ seed, ticks: TICKS })
      expect(said(result, TICKS), `seed ${seed}`).toBe('nothing')
      for (const [name, count] of [...Object.entries(result.faults).map(([fault, n]) => [`fault ${fault}`, n] as const), ...Object.entries(result.counts)]) {
        total[name] = (total[name] ?? 0) + count
      }
    }
    for (const name of FAULT_NAMES) expect(total[`fault ${name}`] ?? 0, name).toBeGreaterThan(0)
    for (const [name, least] of Object.entries(REACTIONS)) expect(total[name] ?? 0, name).toBeGreaterThanOrEqual(least)
  }, 300_000)

  test('a run is a function of its seed', () => {
    const first = runQuorumVopr({ seed: 4_711, ticks: 300 })
    expect(runQuorumVopr({ seed: 4_711, ticks: 300 })).toEqual(first)
    expect(runQuorumVopr({ seed: 4_712, ticks: 300 }).steps).not.toBe(first.steps)
  })

  test('a masked fault does not happen', () => {
    const seed = Array.from({ length: 50 }, (_, i) => i).find((i) => runQuorumVopr({ seed: i, ticks: 200 }).faults.partition > 0)!
    expect(runQuorumVopr({ seed, ticks: 200, masked: new Set(['partition', 'loss']) }).faults).toMatchObject({ partition: 0, loss: 0 })
  })
})
