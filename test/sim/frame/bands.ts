/**
 * The seeds of a simulation that runs as a test: 1 to `count`, or, to repeat one or to look at more, those of the environment: SKEIN_SIM_SEED is the first,
 * SKEIN_SIM_SEEDS how many.
 */
export function bandOf(count: number): number[] {
  const { SKEIN_SIM_SEED: first, SKEIN_SIM_SEEDS: many } = process.env
  return Array.from({ length: Number(many ?? (first === undefined ? count : 1)) }, (_, index) => Number(first ?? 1) + index)
}

/** One after the other in one test; what goes wrong names its seed. */
export async function inEach(seeds: readonly number[], play: (seed: number) => Promise<void>): Promise<void> {
  for (const seed of seeds) {
    await play(seed).catch((error: unknown) => {
      throw new Error(`seed ${seed}; SKEIN_SIM_SEED=${seed} repeats it alone`, { cause: error })
    })
  }
}
