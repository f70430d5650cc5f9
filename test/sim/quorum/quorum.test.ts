import { describe, expect, test } from 'vitest'
import { FAULT_NAMES } from './faults.ts'
import { QUORUM_REGRESSIONS } from './regressions.ts'
import { runQuorumVopr } from './vopr.ts'
import type { QuorumVoprResult } from './vopr.ts'

const FIRST_SEED = 1
const SEEDS = 64
const TICKS = 600

/** What must have happened in 64 runs at least so often, or they prove nothing. */
const REACTIONS: Record<string, number> = {
  'asked read': 500, 'asked change': 2_000, 'asked lease': 200, 'asked voters': 200, 'asked twice': 50, 'twice decided': 5, resigned: 5,
  'outcome decided': 2_000, 'outcome conflict': 100, 'outcome no-quorum': 20, 'outcome expired': 5, 'outcome unknown': 20,
  'crash lost': 5, 'crash kept': 5, 'crash torn': 3, 'disk-full': 3, lost: 1_000,
  'refused ballot': 50, 'refused newer': 20, 'refused behind': 20, 'refused not-permitted': 20, 'refused damaged': 5,
  'counted carried': 50, 'counted learned': 100, 'log voterChanges': 200, 'log largest': 64 * 4, 'log proven': 1_000, 'lease holders': 64
}

function said({ seed, violation }: QuorumVoprResult, ticks: number): string {
  return violation === undefined ? 'nothing' : `${violation}\n  replay: node scripts/sim.ts --quorum --seed ${seed} --ticks ${ticks} --trace`
}

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

  test.each(QUORUM_REGRESSIONS)('seed $seed, once failed: $found', ({ seed, ticks, without = [] }) => {
    expect(said(runQuorumVopr({ seed, ticks, masked: new Set(without) }), ticks)).toBe('nothing')
  })
})
