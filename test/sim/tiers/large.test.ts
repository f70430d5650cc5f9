import { describe, expect, test } from 'vitest'
import type { Shape } from '../../support/large-world.ts'
import { HEAL_BAR, PUBLISH_BAR } from './large-report.ts'
import { runLarge } from './large.ts'

const SMALL: Shape = { regions: 2, areas: 3, leaves: 8, servers: 20, copies: 3, every: 1, running: 4, seed: 1 }

/** Of pools of this size, as test/sim/tiers/large-swim.ts measures it, ms. */
const DETECTION = { killed: { first: 17, median: 18, last: 30 }, silent: { first: 6_000, median: 8_000, last: 10_000 } }

describe('the tree of npm run sim -- --tiers, 2 x 3 x 8', () => {
  test('a tool published at one leaf is callable at the farthest, and the death of any hub heals', async () => {
    const result = await runLarge(SMALL, {
      detection: () => DETECTION, window: 30_000, rest: 0, spread: 5_000, between: 80_000, print: () => {},
      heals: [{ role: 'local', how: 'killed' }, { role: 'regional', how: 'killed' }, { role: 'global', how: 'killed' }]
    })
    expect(result.nodes).toBe(57)
    for (const { resolvable, shown } of [result.published, result.publishedWithLoss]) {
      expect(resolvable).toBeLessThanOrEqual(PUBLISH_BAR)
      // Twenty servers fit into the tables: it is listed at the farthest leaf although nobody asked for it.
      expect(shown).toBeLessThanOrEqual(PUBLISH_BAR)
    }
    for (const { role, resolved, problem } of result.heals) {
      expect(problem, role).toBeUndefined()
      expect(resolved, role).toBeLessThanOrEqual(HEAL_BAR)
    }
    // Nobody sends much at rest; a leaf less than the hubs.
    expect(result.costs.leaf.bytes.max).toBeLessThan(5_000)
    expect(result.costs.leaf.messages.median).toBeLessThan(result.costs.local.messages.median)
  })
})
