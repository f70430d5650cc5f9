import type { StormResult } from './storm.ts'

/** Many runs added up. */
export interface Totals {
  seeds: number
  steps: number
  virtualMs: number
  /** The slowest convergence as a share of its bound. */
  worst: number
  counts: Record<string, number>
  faults: Record<string, number>
  failed: StormResult[]
}

export function noTotals(): Totals {
  return { seeds: 0, steps: 0, virtualMs: 0, worst: 0, counts: {}, faults: {}, failed: [] }
}

export function add(totals: Totals, result: StormResult): void {
  totals.seeds++
  totals.steps += result.steps
  totals.virtualMs += result.virtualMs
  totals.worst = Math.max(totals.worst, result.converged / result.bound)
  for (const kind of ['counts', 'faults'] as const) for (const [name, count] of Object.entries(result[kind])) totals[kind][name] = (totals[kind][name] ?? 0) + count
  if (result.violation !== undefined) totals.failed.push(result)
}
