import type { Faults } from './faults.ts'
import { Violation } from './violation.ts'

/** What a run is a function of. */
export interface StormOptions<F extends string = string> {
  seed: number
  ticks: number
  masked?: ReadonlySet<F>
  trace?: (line: string) => void
}

/** What every run tells. */
export interface StormResult<F extends string = string> {
  seed: number
  /** Of all machines. */
  steps: number
  virtualMs: number
  faults: Record<F, number>
  counts: Record<string, number>
  /** ms of calm until everything was right, and the bound for it. */
  converged: number
  bound: number
  /** What went wrong, in a sentence; undefined if nothing did. */
  violation: string | undefined
  checker: string | undefined
}

export interface Storm {
  ticks: number
  /** ms */
  tick: number
  /** Starts whoever is there at first. */
  begin: () => void
  /** Once per tick, beside the faults. */
  each?: () => void
  /** Ends the faults, and waits until everything is right; throws a Violation if it does not become so in time. */
  calm: () => void
}

/** Faults for so many ticks, then a calm that must mend everything. Returns the rule that was broken. */
export function runStorm(world: { run(ms: number): void }, faults: Pick<Faults<string>, 'tick'>, { ticks, tick, begin, each, calm }: Storm): Pick<StormResult, 'violation' | 'checker'> {
  try {
    begin()
    for (let done = 0; done < ticks; done++) {
      faults.tick()
      each?.()
      world.run(tick)
    }
    calm()
    return { violation: undefined, checker: undefined }
  } catch (error) {
    if (!(error instanceof Violation)) throw error
    return { violation: error.message, checker: error.checker }
  }
}
