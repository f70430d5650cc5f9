import { describe, expect, test } from 'vitest'
import { FAULT_NAMES } from './faults.ts'
import { REGRESSIONS } from './regressions.ts'
import { runVopr } from './vopr.ts'
import type { VoprResult } from './vopr.ts'

const FIRST_SEED = 1
const SEEDS = 200
const TICKS = 1_500

/** What must have happened in 200 runs at least once, or they prove nothing. */
const REACTIONS = [
  'joined', 'updated', 'suspected', 'failed', 'left', 'recovered', 'superseded',
  'probe-ok', 'probe-indirect', 'probe-failed', 'probe-late', 'suspicion', 'refutation', 'nack-missing', 'stall', 'forged', 'stale', 'stranger', 'sync-same',
  'sync-different', 'link-evidence', 'knock-refused', 'knock-open', 'knock-silent', 'dial-ok', 'dial-failed', 'link-lost', 'link-closed', 'lost', 'duplicated', 'delayed'
]

function said({ seed, violation }: VoprResult, ticks: number): string {
  return violation === undefined ? 'nothing' : `${violation}\n  replay: node scripts/sim.ts --seed ${seed} --ticks ${ticks} --trace`
}

describe('membership in a storm', () => {
  test(`${SEEDS} seeds from ${FIRST_SEED}: no rule is broken, and every view is right after the storm`, () => {
    const total: Record<string, number> = {}
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
      const result = runVopr({ seed, ticks: TICKS })
      expect(said(result, TICKS), `seed ${seed}`).toBe('nothing')
      for (const [name, count] of [...Object.entries(result.faults).map(([fault, n]) => [`fault ${fault}`, n] as const), ...Object.entries(result.counts)]) {
        total[name] = (total[name] ?? 0) + count
      }
    }
    for (const name of [...FAULT_NAMES.map((fault) => `fault ${fault}`), ...REACTIONS]) expect(total[name] ?? 0, name).toBeGreaterThan(0)
  }, 120_000)

  test('a run is a function of its seed', () => {
    const first = runVopr({ seed: 4_711, ticks: 600 })
    expect(runVopr({ seed: 4_711, ticks: 600 })).toEqual(first)
    expect(runVopr({ seed: 4_712, ticks: 600 }).steps).not.toBe(first.steps)
  })

  test('a masked fault does not happen', () => {
    const seed = Array.from({ length: 50 }, (_, i) => i).find((i) => runVopr({ seed: i, ticks: 300 }).faults.partition > 0)!
    expect(runVopr({ seed, ticks: 300, masked: new Set(['partition', 'loss']) }).faults).toMatchObject({ partition: 0, loss: 0 })
  })

  test.each(REGRESSIONS)('seed $seed, once failed: $found', ({ seed, ticks, without = [] }) => {
    expect(said(runVopr({ seed, ticks, masked: new Set(without) }), ticks)).toBe('nothing')
  })
})
