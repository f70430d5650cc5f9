import { expect, test } from 'vitest'
import { silentLogger } from '../../../../src/base/logger.ts'
import { createMeter } from '../../../../src/base/meter.ts'
import { seededRandom } from '../../../../src/base/random.ts'
import { createTiers } from '../../../../src/federation/tiers/driver.ts'
import type { KnownHub, TierGroup } from '../../../../src/federation/tiers/ports.ts'
import { encodeAttachAnswer, encodeLease } from '../../../../src/wire/tiers.ts'
import type { HubInfo } from '../../../../src/wire/tiers-types.ts'
import { createManualClock } from '../../../support/manual-clock.ts'
import { flush } from '../../../support/mcp-calls.ts'
import { testSigner } from '../../../support/security-world.ts'

const SELF = testSigner(1).peer
const LIAR = testSigner(2).peer
const HONEST = testSigner(3).peer
const DAY = 86_400_000
const hub = (peer: string, more: Partial<HubInfo> = {}): HubInfo => ({ peer, addresses: [], name: 'wanted', pool: peer, tier: 'local', region: 'eu', hubRoom: 0, leafRoom: 100, load: 0, ...more })
const FULL = hub(HONEST, { leafRoom: 1, load: 1, region: 'us' })

/** A leaf below the hub that it wishes for by name, which says of another one that it bears the same name. */
function world(peers = [HONEST], home?: string) {
  const clock = createManualClock()
  const saved = new Map<string, KnownHub>()
  const homes: string[] = []
  const state = { liar: false }
  const member = { peer: HONEST, state: 'alive' as const, name: 'wanted', addresses: [], tier: 'local', region: 'us', since: 0 }
  const data = encodeLease({ holder: HONEST, token: 1, ttl: 10_000, tier: 'local', region: 'us', proper: true })
  const group: TierGroup = {
    pool: HONEST, tier: 'local', voters: () => ({ version: 0, peers: [HONEST], settled: true }), known: (key) => (key === 'hub' ? { key, version: 1, data } : undefined),
    change: () => new Promise(() => {}), read: () => new Promise(() => {}), wouldVote: async () => true, changeVoters: () => new Promise(() => {}), onDecided: () => () => {}
  }
  const tiers = createTiers(
    {
      clock, random: seededRandom(1), meter: createMeter(), logger: silentLogger,
      ask: async (peer) => encodeAttachAnswer(
        peer === LIAR
          ? { accept: { pool: LIAR, tier: 'local', hub: hub(LIAR), token: 1, contacts: [] }, hubs: [] }
          : { accept: { pool: HONEST, tier: 'local', hub: FULL, token: 1, contacts: [] }, hubs: state.liar ? [hub(LIAR)] : [] }
      ),
      connect: () => Promise.resolve(), peers: () => peers,
      members: { members: (pool) => (pool === HONEST ? [member] : []), member: (peer, pool) => (peer === HONEST && pool === HONEST ? member : undefined), onPoolEvent: () => () => {} },
      catalog: { records: () => [] }, quorum: { group: (pool) => (pool === HONEST ? group : undefined), votesIn: () => [] }, rtt: () => undefined, addresses: () => [],
      hubs: { save: (...hubs) => hubs.forEach((one) => saved.set(one.peer, one)), list: () => [...saved.values()].toSorted((a, b) => b.lastSeen - a.lastSeen) },
      home: { load: () => (home === undefined ? undefined : { pool: home, tier: 'local' }), save: ({ pool }) => void homes.push(pool) },
      pools: { enter() {}, leave: () => Promise.resolve() },
      load: () => 0
    },
    { self: SELF, name: 'n', founder: HONEST, tier: 'leaf', region: 'eu', parent: 'wanted', limits: { maxRegionalHubs: 10, maxChildHubs: 20, maxClusters: 100 } }
  )
  const started = tiers.start()
  async function pass(ms: number, step = 200) {
    for (let at = 0; at < ms; at += step) {
      clock.advance(step)
      await flush()
    }
  }
  return { clock, tiers, started, pass, homes, saved, state }
}

test('the hub of a name stays that of the name for as long as this node is below it, not for a day from its first word', async () => {
  const w = world()
  await w.pass(5_000)
  expect(w.homes).toEqual([HONEST])
  await w.pass(DAY + 3_600_000, 20_000)
  w.state.liar = true
  await w.pass(600_000)
  expect(w.homes).toEqual([HONEST])
  expect(w.saved.get(HONEST)?.lastSeen).toBeGreaterThan(w.clock.wall() - DAY)
})

test('a node that is stopped while it looks for its place does not wait for it any more', async () => {
  const w = world([])
  let over = false
  void w.started.then(() => (over = true))
  await w.pass(1_000)
  void w.tiers.stop()
  await w.pass(10_000)
  expect(over).toBe(true)
})

test('one timer serves all, and none is left behind by a stop', async () => {
  const w = world([HONEST], HONEST)
  await w.pass(20_000)
  expect(w.clock.pending).toBe(1)
  void w.tiers.stop()
  await w.pass(200)
  expect(w.clock.pending).toBe(0)
})
