import { expect, test } from 'vitest'
import { silentLogger } from '../../../../src/base/logger.ts'
import { createMeter } from '../../../../src/base/meter.ts'
import { seededRandom } from '../../../../src/base/random.ts'
import { createTiers } from '../../../../src/federation/tiers/driver.ts'
import { AVOID_FOR } from '../../../../src/federation/tiers/limits.ts'
import type { Home, KnownHub } from '../../../../src/federation/tiers/ports.ts'
import { encodeAttachAnswer } from '../../../../src/wire/tiers.ts'
import type { HubInfo } from '../../../../src/wire/tiers-types.ts'
import { createManualClock } from '../../../support/manual-clock.ts'
import { flush } from '../../../support/mcp-calls.ts'
import { testSigner } from '../../../support/security-world.ts'

const SELF = testSigner(1).peer
const LIAR = testSigner(2).peer
const HONEST = testSigner(3).peer
const INVENTED = Array.from({ length: 10 }, (_, index) => testSigner(20 + index).peer)
const hub = (peer: string, more: Partial<HubInfo> = {}): HubInfo => ({ peer, addresses: [], name: '', pool: peer, tier: 'local', region: 'eu', hubRoom: 0, leafRoom: 100, load: 0, ...more })
const LYING = hub(LIAR, { leafRoom: 1_000_000, name: 'wanted' })
const FULL = hub(HONEST, { leafRoom: 1, load: 1, region: 'us' })

/** A leaf between a hub that praises itself and whose pool is empty, and one that is nearly full. */
function world(parent?: string, disk: KnownHub[] = [], remembered?: Home) {
  const clock = createManualClock()
  const saved: KnownHub[] = [...disk]
  let home = ''
  const homes: string[] = []
  const member = { peer: HONEST, state: 'alive' as const, name: 'honest', addresses: [], tier: 'local', region: 'us', since: 0 }
  const tiers = createTiers(
    {
      clock, random: seededRandom(1), meter: createMeter(), logger: silentLogger,
      ask: (peer) =>
        Promise.resolve(encodeAttachAnswer(
          peer === LIAR
            ? { accept: { pool: LIAR, tier: 'local', hub: LYING, token: 1, contacts: [] }, hubs: INVENTED.map((one) => hub(one)) }
            : { accept: { pool: HONEST, tier: 'local', hub: FULL, token: 1, contacts: [] }, hubs: [LYING] }
        )),
      connect: (peer) => (INVENTED.includes(peer) ? Promise.reject(new Error('nobody there')) : Promise.resolve()),
      peers: () => [LIAR, HONEST],
      members: { members: (pool) => (pool === HONEST ? [member] : []), member: (peer, pool) => (peer === HONEST && pool === HONEST ? member : undefined), onPoolEvent: () => () => {} },
      catalog: { records: () => [] }, quorum: { group: () => undefined, votesIn: () => [] }, rtt: () => undefined, addresses: () => [],
      hubs: { save: (...hubs) => void saved.push(...hubs), list: () => saved.toSorted((a, b) => b.lastSeen - a.lastSeen) },
      home: { load: () => remembered, save: ({ pool }) => void homes.push((home = pool)) },
      pools: { enter() {}, leave: () => Promise.resolve() },
      load: () => 0
    },
    { self: SELF, name: 'n', founder: HONEST, tier: 'leaf', region: 'eu', ...(parent === undefined ? {} : { parent }), limits: { maxRegionalHubs: 10, maxChildHubs: 20, maxClusters: 100 } }
  )
  void tiers.start()
  async function pass(ms: number) {
    for (let at = 0; at < ms; at += 100) {
      clock.advance(100)
      await flush()
    }
  }
  return { clock, pass, homes, saved, home: () => home }
}

test('a leaf that was drawn into an empty pool goes elsewhere, and is not drawn in again', async () => {
  const w = world()
  await w.pass(5_000)
  expect(w.home()).toBe(LIAR)
  await w.pass(25_000)
  expect(w.home()).toBe(HONEST)
  await w.pass(AVOID_FOR - 60_000)
  expect(w.homes).toEqual([LIAR, HONEST])
})

test('hubs that it invents do not push those from the disk that were met', async () => {
  const w = world()
  await w.pass(5_000)
  const met = w.saved.filter(({ lastSeen }) => lastSeen > w.clock.wall() - 86_400_000).map(({ peer }) => peer)
  expect([...new Set(met)]).toEqual([LIAR])
  expect(w.saved.some(({ peer }) => INVENTED.includes(peer))).toBe(true)
})

test('the name of the wished one does not help it when that one was met', async () => {
  const met: KnownHub = { peer: HONEST, name: 'wanted', pool: HONEST, tier: 'local', region: 'us', addresses: [], lastSeen: createManualClock().wall() - 1_000 }
  const w = world('wanted', [met])
  await w.pass(5_000)
  expect(w.homes).toEqual([HONEST])
})

test('a home on a damaged disk that no pool can be called is none', async () => {
  const w = world(undefined, [], { pool: 'yyy', tier: 'leaf' })
  await w.pass(1_000)
  expect(w.homes).toEqual([LIAR])
})
