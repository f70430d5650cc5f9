import { expect, test } from 'vitest'
import { silentLogger } from '../../../../src/base/logger.ts'
import { createMeter } from '../../../../src/base/meter.ts'
import { seededRandom } from '../../../../src/base/random.ts'
import { createKeeper } from '../../../../src/federation/tiers/keeper.ts'
import { createTiersMetrics } from '../../../../src/federation/tiers/metrics.ts'
import type { TierDecided, TierGroup } from '../../../../src/federation/tiers/ports.ts'
import { decodeLease } from '../../../../src/wire/tiers.ts'
import type { Lease } from '../../../../src/wire/tiers-types.ts'
import { createManualClock } from '../../../support/manual-clock.ts'
import { flush } from '../../../support/mcp-calls.ts'
import { testSigner } from '../../../support/security-world.ts'

const SELF = testSigner(1).peer
const OTHERS = [testSigner(2).peer, testSigner(3).peer]

/** The hub of a pool of three; the others vote, and take nothing by themselves. */
async function hub({ damaged = [] as string[] } = {}) {
  const clock = createManualClock()
  const listeners = new Set<(decided: TierDecided) => void>()
  let decided: TierDecided | undefined
  const leases: Lease[] = []
  const group: TierGroup = {
    pool: 'root', tier: 'global',
    voters: () => ({ version: 4, peers: [SELF, ...OTHERS], settled: true }),
    known: () => decided,
    async change(key, { data }) {
      decided = { key, version: (decided?.version ?? 0) + 1, data }
      if (data !== undefined) leases.push(decodeLease(data))
      for (const listener of listeners) listener(decided)
      return decided
    },
    read: async () => decided,
    wouldVote: async () => true,
    changeVoters: () => new Promise(() => {}),
    status: () => ({ damaged, damagedAt: [] }),
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
  return { keeper, pass, leases }
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

test('a hub with a damaged row gives its role to another one, which can heal it; if nobody takes it, it goes on, and asks again much later', async () => {
  const { pass, leases } = await hub({ damaged: ['setting/max_tools'] })
  await pass(300_000)
  expect(leases.filter(({ resigned }) => resigned)).toMatchObject([{ holder: SELF, token: 1, successor: OTHERS[0] }])
  expect(leases.at(-1)).toMatchObject({ holder: SELF, token: 2 })
})
