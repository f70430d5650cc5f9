import { describe, expect, test } from 'vitest'
import { SkeinError } from '../../../../src/base/errors.ts'
import { silentLogger } from '../../../../src/base/logger.ts'
import { createMeter } from '../../../../src/base/meter.ts'
import { seededRandom } from '../../../../src/base/random.ts'
import { createTiers } from '../../../../src/federation/tiers/driver.ts'
import { DRIFT, LEASE_TTL, RENEW_EVERY, RENEW_WITHIN, RESIGN_WITHIN, RETRY_AFTER } from '../../../../src/federation/tiers/limits.ts'
import type { TierDecided, TierGroup, TiersDeps } from '../../../../src/federation/tiers/ports.ts'
import { encodeTopologyRequest } from '../../../../src/wire/tiers-topology.ts'
import type { TopologyRequest } from '../../../../src/wire/tiers-types.ts'
import { createManualClock } from '../../../support/manual-clock.ts'
import { flush } from '../../../support/mcp-calls.ts'
import { testSigner } from '../../../support/security-world.ts'

const SELF = testSigner(1).peer
const OTHER = testSigner(2).peer
const STRANGER = testSigner(3).peer

/** A founder of tier global with one neighbour: hub of root after its first vote. */
async function world({ tier = 'global' as 'global' | 'leaf', brokenDisk = false } = {}) {
  const clock = createManualClock()
  const asked: { peer: string; body: Uint8Array; signal: AbortSignal }[] = []
  const state = { votes: 'yes' as 'yes' | 'late' | 'never', changes: 0 }
  let decided: TierDecided | undefined
  const listeners = new Set<(decided: TierDecided) => void>()
  const group: TierGroup = {
    pool: 'root', tier: 'global',
    voters: () => ({ version: 1, peers: [SELF, OTHER], settled: true }),
    known: () => decided,
    change(key, { data }, { within }) {
      state.changes++
      if (state.votes === 'never') return new Promise(() => {})
      if (state.votes === 'late') return new Promise((_, reject) => clock.after(within, () => reject(new SkeinError('SKEIN_PROPOSAL_EXPIRED', 'nobody answered'))))
      decided = { key, version: (decided?.version ?? 0) + 1, data }
      for (const listener of listeners) listener(decided)
      return Promise.resolve(decided)
    },
    read: () => Promise.resolve(decided),
    wouldVote: async () => true,
    changeVoters: () => new Promise(() => {}),
    onDecided(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    }
  }
  const member = { peer: OTHER, state: 'alive' as const, name: 'other', addresses: ['/ip4/127.0.0.1/tcp/1'], tier: 'leaf', region: '', since: 0 }
  const fail = () => {
    if (brokenDisk) throw new Error('database or disk is full')
  }
  const deps: TiersDeps = {
    clock, random: seededRandom(1), meter: createMeter(), logger: silentLogger,
    ask(peer, _method, body, { signal }) {
      asked.push({ peer, body, signal })
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
    },
    connect: () => Promise.resolve(), peers: () => [OTHER],
    members: { members: () => [member], member: (peer) => (peer === OTHER ? member : undefined), onPoolEvent: () => () => {} },
    catalog: { records: () => [] }, quorum: { group: () => group, votesIn: () => [] }, rtt: () => undefined, addresses: () => [],
    hubs: { save: fail, list: () => [] },
    home: { load: () => undefined, save: fail },
    pools: { enter() {}, leave: () => Promise.resolve() },
    load: () => 0
  }
  const tiers = createTiers(deps, { self: SELF, name: 'n', founder: SELF, tier, region: '', limits: { maxRegionalHubs: 10, maxChildHubs: 20, maxClusters: 100 } })
  const started = tiers.start()
  async function pass(ms: number) {
    for (let at = 0; at < ms; at += 50) {
      clock.advance(50)
      await flush()
    }
  }
  await pass(1_000)
  return { clock, tiers, started, state, asked, pass }
}

test('a disk that takes nothing neither ends the process nor keeps the node from its place', async () => {
  const w = await world({ brokenDisk: true })
  await w.started
  expect(w.tiers.state()).toMatchObject({ home: 'root', pools: [{ pool: 'root', isHub: true }] })
})

describe('a lease', () => {
  test('survives two renewals that nobody answers', async () => {
    expect(RENEW_EVERY + 2 * RENEW_WITHIN + 2 * RETRY_AFTER).toBeLessThan(LEASE_TTL)
    // A repeatable call waits 20 s for a successor: a silent hub has one well before.
    expect(LEASE_TTL * DRIFT).toBeLessThanOrEqual(11_000)
    const w = await world()
    expect(w.tiers.state().pools[0]?.isHub).toBe(true)
    await w.pass(RENEW_EVERY - 1_000)
    w.state.votes = 'late'
    const before = w.state.changes
    for (let waited = 0; w.state.changes < before + 2 && waited < LEASE_TTL; waited += 50) await w.pass(50)
    // The second one is under way; the third is answered.
    await w.pass(RENEW_WITHIN - 100)
    expect([w.state.changes - before, w.tiers.state().pools[0]?.isHub]).toEqual([2, true])
    w.state.votes = 'yes'
    await w.pass(1_200)
    expect([w.state.changes - before, w.tiers.state().pools[0]?.isHub]).toEqual([3, true])
  })

  test('that cannot be given back keeps a drain no longer than two seconds', async () => {
    const w = await world()
    w.state.votes = 'never'
    // A renewal is under way that nobody answers.
    await w.pass(RENEW_EVERY)
    let over = false
    void w.tiers.resign().then(() => (over = true))
    await w.pass(RESIGN_WITHIN - 100)
    expect(over).toBe(false)
    await w.pass(200)
    expect(over).toBe(true)
  })
})

describe('the question for the tree', () => {
  const ask = (request: Partial<TopologyRequest> = {}) => encodeTopologyRequest({ up: false, depth: 6, max: 100, within: 5_000, ...request })

  test('is answered to members of a pool of this node only', async () => {
    const { tiers } = await world({ tier: 'leaf' })
    await expect(tiers.answer('topology', ask(), STRANGER)).rejects.toMatchObject({ code: 'SKEIN_BAD_REQUEST' })
    expect((await tiers.answer('topology', ask(), OTHER)).length).toBeGreaterThan(10)
  })

  test('ends when its asker waits no more', async () => {
    const { tiers } = await world({ tier: 'leaf' })
    const controller = new AbortController()
    controller.abort(new Error('gone'))
    await expect(tiers.answer('topology', ask(), OTHER, { signal: controller.signal })).rejects.toThrow('gone')
  })

  test('a pool that this node does not lead is said at once', async () => {
    const { tiers } = await world({ tier: 'leaf' })
    await expect(tiers.answer('topology', ask({ pool: OTHER }), OTHER)).rejects.toMatchObject({ code: 'SKEIN_NOT_FOUND' })
  })
})
