import { describe, expect, test } from 'vitest'
import type { StormOptions, StormResult } from './storm.ts'
import { add, noTotals } from './totals.ts'

export interface StormSuite<F extends string> {
  /** What stands in the storm. */
  name: string
  /** What holds in all runs. */
  promise: string
  run: (options: StormOptions<F>) => StormResult<F>
  /** Seeds 1 to `seeds`, of so many ticks each, in at most so long, ms. */
  band: { seeds: number; ticks: number; timeout: number }
  /** Ticks of the runs that prove that chance is all in the seed, and that a mask works. */
  short: { same: number; masked: number }
  /** Each of these happens at least once. */
  faults: readonly F[]
  /** What the machines must have done in all runs together at least so often, or they prove nothing. */
  reactions: Readonly<Record<string, number>>
  /** Of scripts/sim.ts, before the seed. */
  flags?: string
}

/** What went wrong in a run, with the command that repeats it. */
export function said({ seed, violation }: StormResult, ticks: number, flags = ''): string {
  return violation === undefined ? 'nothing' : `${violation}\n  replay: node scripts/sim.ts ${flags}--seed ${seed} --ticks ${ticks} --trace`
}

/** What is tested of each simulation of storms. */
export function describeStorm<F extends string>({ name, promise, run, band, short, faults, reactions, flags }: StormSuite<F | 'partition' | 'loss'>): void {
  describe(`${name} in a storm`, () => {
    test(`${band.seeds} seeds from 1: ${promise}`, () => {
      const totals = noTotals()
      for (let seed = 1; seed <= band.seeds; seed++) {
        const result = run({ seed, ticks: band.ticks })
        expect(said(result, band.ticks, flags), `seed ${seed}`).toBe('nothing')
        add(totals, result)
      }
      for (const fault of faults) expect(totals.faults[fault] ?? 0, fault).toBeGreaterThan(0)
      for (const [reaction, least] of Object.entries(reactions)) expect(totals.counts[reaction] ?? 0, reaction).toBeGreaterThanOrEqual(least)
    }, band.timeout)

    test('a run is a function of its seed', () => {
      const first = run({ seed: 4_711, ticks: short.same })
      expect(run({ seed: 4_711, ticks: short.same })).toEqual(first)
      expect(run({ seed: 4_712, ticks: short.same }).steps).not.toBe(first.steps)
    })

    test('a masked fault does not happen', () => {
      const seed = Array.from({ length: 50 }, (_, i) => i).find((i) => run({ seed: i, ticks: short.masked }).faults.partition > 0) as number
      expect(run({ seed, ticks: short.masked, masked: new Set(['partition', 'loss']) }).faults).toMatchObject({ partition: 0, loss: 0 })
    })
  })
}
