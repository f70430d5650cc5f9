import type { Fault } from './faults.ts'

/** Runs that once failed, with what they found. They are run with every test. */
export const REGRESSIONS: readonly { seed: number; ticks: number; without?: readonly Fault[]; found: string }[] = [
  { seed: 5, ticks: 1_000, found: 'a member that came back without memory and with a clock in the past was told that it is dead, but never how high it has to rise' },
  { seed: 102, ticks: 1_000, found: 'the same among seven' },
  { seed: 91, ticks: 1_000, found: 'a refusal at an old address counted against the incarnation that had announced a new one' },
  { seed: 166, ticks: 1_000, found: 'the same after an address change that broke the links' },
  { seed: 236, ticks: 5_000, found: 'two processes of one identity gave two contents to one incarnation, and nobody noticed' },
  { seed: 86, ticks: 5_000, found: 'a new life had an incarnation that the other process of its identity had used, and inherited the accusations of that one' },
  { seed: 448, ticks: 5_000, found: 'the same after a clock that went back: the next boot was an incarnation of the life before' },
  { seed: 133, ticks: 1_000, found: 'a member that rejoined after everybody it knew by configuration had left' }
]
