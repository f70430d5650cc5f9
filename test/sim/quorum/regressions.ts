import type { Fault } from './faults.ts'

/** Runs that once failed, with what they found. They are run with every test. */
export const QUORUM_REGRESSIONS: readonly { seed: number; ticks: number; without?: readonly Fault[]; found: string }[] = []
