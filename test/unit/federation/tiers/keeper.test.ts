import { expect, test } from 'vitest'
import { silentLogger } from '../../../../src/base/logger.ts'
import { createMeter } from '../../../../src/base/meter.ts'
import { seededRandom } from '../../../../src/base/random.ts'
import { createKeeper } from '../../../../src/federation/tiers/keeper.ts'
import { createTiersMetrics } from '../../../../src/federation/tiers/metrics.ts'
import type { TierDecided, TierGroup } from '../../../../src/federation/tiers/ports.ts'
import { createManualClock } from '../../../support/manual-clock.ts'
import { flush } from '../../../support/mcp-calls.ts'
import { testSigner } from '../../../support/security-world.ts'

const SELF = testSigner(1).peer
const OTHERS = [testSigner(2).peer, testSigner(3).peer]

/** The hub of a pool of three; the others vote, and take nothing by themselves. */
async function hub() {
  const clock = createManualClock()
  const listeners = new Set<(decided: TierDecided) => void>()
  let decided: TierDecided | undefined
  const group: TierGroup = {
    pool: 'root', tier: 'global',
    voters: () => ({ version: 4, peers: [SELF, ...OTHERS], settled: true }),
    known: () => decided,
    async change(key, { data }) {
      decided = { key, version: (decided?.version ?? 0) + 1, data }
      for (const listener of listeners) listener(decided)
      return decided
    },
    read: async () => decided,
    wouldVote: async () => true,
    changeVoters: () => new Promise(() => {}),
    onDecided(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    }
  }
  const members = OTHERS.map((peer) => ({ peer, state: 'alive' as const, name: '', addresses: [], tier: 'regional', region: '', since: -100_000 }))
  const keeper = createKeeper(
    {
      deps: { clock, random: seededRandom(1), members: { members: () => members, member: (peer) => members.find((one) => one.peer === peer), onPoolEvent: () => () => {} }, catalog: { records: () => [] }, quorum: { group: () => group } },
      options: { self: SELF, name: 'n', founder: SELF, tier: 'regional', region: '', limits: { maxRegionalHubs: 10, maxChildHubs: 20, maxClusters: 100 } },
      logger: silentLogger, metrics: createTiersMetrics(createMeter()), signal: new AbortController().signal,
      resigning: () => false, leaving: () => false, hubElsewhere: () => true, above: () => ({}), kick() {}
    },
    'root', 'global'
  )
  async function pass(ms: number) {
    for (let at = 0; at < ms; at += 20) {
      clock.advance(20)
      keeper.step(clock.now())
      await flush()
    }
  }
  await pass(1_000)
  return { keeper, pass }
}

test('a node that leaves a pool gives the lease back and does not take it again before it has gone', async () => {
  const { keeper, pass } = await hub()
  expect([keeper.acting(), keeper.lease()?.token]).toEqual([true, 1])
  let over = false
  void keeper.resign(2_000).then(() => (over = true))
  await pass(1_900)
  expect([over, keeper.acting(), keeper.lease()?.resigned, keeper.lease()?.token]).toEqual([false, false, true, 1])
  await pass(200)
  expect(over).toBe(true)
})

test('two that wait for the same lease to be given back both wait', async () => {
  const { keeper, pass } = await hub()
  const over: number[] = []
  void keeper.resign(2_000).then(() => over.push(1))
  void keeper.resign(2_000).then(() => over.push(2))
  await pass(1_000)
  expect(over).toEqual([])
  await pass(1_500)
  expect(over.length).toBe(2)
})
