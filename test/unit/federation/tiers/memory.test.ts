import { expect, test } from 'vitest'
import type { Logger } from '../../../../src/base/logger.ts'
import { silentLogger } from '../../../../src/base/logger.ts'
import { createAvoided } from '../../../../src/federation/tiers/avoid.ts'
import { createMemory, hearsay, metAs, NAME_KEPT } from '../../../../src/federation/tiers/memory.ts'
import type { Home, KnownHub } from '../../../../src/federation/tiers/ports.ts'
import { createWish } from '../../../../src/federation/tiers/wish.ts'
import type { HubInfo } from '../../../../src/wire/tiers-types.ts'
import { createManualClock } from '../../../support/manual-clock.ts'
import { testSigner } from '../../../support/security-world.ts'

const WALL = 1_700_000_000_000
const hub = (peer: string, name = ''): HubInfo => ({ peer, name, addresses: [], pool: peer, tier: 'local', region: '', hubRoom: 0, leafRoom: 1, load: 0 })
const known = (peer: string, lastSeen: number, name = ''): KnownHub => ({ peer, name, pool: peer, tier: 'local', region: '', addresses: [], lastSeen })

test('a full disk is told once; the home that could not be written is written later', () => {
  const state = { full: true }
  const homes: Home[] = []
  const warnings: string[] = []
  const logger: Logger = { ...silentLogger, warn: (message) => void warnings.push(message) }
  const memory = createMemory(
    { save() { if (state.full) throw new Error('disk is full') }, list: () => [] },
    { load: () => undefined, save(home) { if (state.full) throw new Error('disk is full'); homes.push(home) } },
    logger
  )
  memory.home.save({ pool: 'p', tier: 'local' })
  memory.hubs.save(known('a', 1))
  memory.hubs.list()
  memory.again()
  expect([homes, warnings.length]).toEqual([[], 1])
  state.full = false
  memory.again()
  memory.again()
  expect(homes).toEqual([{ pool: 'p', tier: 'local' }])
  state.full = true
  memory.hubs.save(known('a', 1))
  expect(warnings).toHaveLength(2)
})

test('a disk that cannot be read is an empty one', () => {
  const broken = () => { throw new Error('malformed') }
  const memory = createMemory({ save() {}, list: broken }, { load: broken, save() {} }, silentLogger)
  expect([memory.hubs.list(), memory.home.load()]).toEqual([[], undefined])
})

test('hubs that somebody named are kept as older than any that was met, and never in place of one', () => {
  const saved = hearsay([hub('a'), hub('b')], [known('a', WALL - 1_000)], WALL)
  expect(saved.map(({ peer }) => peer)).toEqual(['b'])
  expect(saved[0]?.lastSeen).toBeLessThan(WALL - 7 * 86_400_000)
  // Named again, it is no newer.
  expect(hearsay([hub('b')], saved, WALL + 5_000)[0]?.lastSeen).toBeLessThan(WALL)
})

test('a name means who was met last under it, for a day', () => {
  const hubs = [known('old', WALL - 60_000, 'eu'), known('new', WALL - 1_000, 'eu'), known('other', WALL, 'us')]
  expect(metAs('eu', hubs, WALL)?.peer).toBe('new')
  expect(metAs('eu', hubs, WALL + NAME_KEPT)).toBeUndefined()
  expect(metAs('eu', hearsay([hub('x', 'eu')], [], WALL), WALL)).toBeUndefined()
})

test('federation.parent by name: whoever bears it until one was met, then that one only', () => {
  const clock = createManualClock(0, WALL)
  const hubs: KnownHub[] = []
  const wish = createWish('eu', { save() {}, list: () => hubs }, clock)
  expect([wish.text(), wish.isFor(hub('impostor', 'eu')), wish.peer()]).toEqual(['eu', true, undefined])
  hubs.push(known('real', WALL, 'eu'))
  clock.advance(2_000)
  expect([wish.text(), wish.isFor(hub('impostor', 'eu')), wish.isFor(hub('real', 'renamed'))]).toEqual(['real', false, true])
  clock.advance(NAME_KEPT)
  expect(wish.isFor(hub('replacement', 'eu'))).toBe(true)
})

test('federation.parent by key is that key, whatever names are on disk', () => {
  const { peer } = testSigner(1)
  const wish = createWish(`/ip4/10.0.0.1/tcp/1/p2p/${peer}`, { save() {}, list: () => [known('x', WALL, 'eu')] }, createManualClock(0, WALL))
  expect(wish.peer()).toEqual({ peer, addresses: ['/ip4/10.0.0.1/tcp/1'] })
  expect(wish.isFor(hub(peer))).toBe(true)
})

test('an empty pool is avoided for ten minutes, another one when it is lost a second time', () => {
  const clock = createManualClock()
  const avoided = createAvoided(clock)
  avoided.lost('trap', { empty: true })
  avoided.lost('poor', { empty: false })
  expect([avoided.has('trap'), avoided.has('poor')]).toEqual([true, false])
  clock.advance(300_000)
  avoided.lost('poor', { empty: false })
  expect(avoided.has('poor')).toBe(true)
  clock.advance(300_000)
  expect([avoided.has('trap'), avoided.has('poor')]).toEqual([false, true])
})
