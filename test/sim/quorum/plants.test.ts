import { describe, expect, test } from 'vitest'
import { PLANTS } from './plants.ts'
import { runQuorumVopr } from './vopr.ts'

/** Each bug is found within so many seeds, by every checker and, in more, by what clients see alone. */
const WITHIN: Record<keyof typeof PLANTS, { all: number; blackBox: number }> = {
  'votes are not persisted': { all: 8, blackBox: 32 },
  'quorum of the living': { all: 8, blackBox: 32 },
  'no fencing': { all: 8, blackBox: 8 },
  'two voter changes at once': { all: 8, blackBox: 64 },
  // Certificates of the second are believed by nobody, so clients hardly ever meet what it decided.
  'either of two voters decides': { all: 8, blackBox: 0 },
  'two of three voters shrink unsettled': { all: 8, blackBox: 64 },
  'said before it is written': { all: 32, blackBox: 64 },
  'a running lease is taken over': { all: 8, blackBox: 8 },
  'two values in one ballot': { all: 8, blackBox: 64 }
}
const TICKS = 600

describe('planted bugs', () => {
  test.each(Object.keys(PLANTS) as (keyof typeof PLANTS)[])('%s: is found', (name) => {
    for (const [how, seeds] of Object.entries(WITHIN[name])) {
      if (seeds === 0) continue
      const found = Array.from({ length: seeds }, (_, index) => index + 1).find((seed) => {
        const { checker } = runQuorumVopr({ seed, ticks: TICKS, plant: PLANTS[name], blackBox: how === 'blackBox' })
        // A bug that only makes it slow would prove nothing about safety.
        return checker !== undefined && checker !== 'liveness' && checker !== 'convergence'
      })
      expect(found, `${how}: in none of ${seeds} seeds`).toBeDefined()
    }
  }, 300_000)
})
