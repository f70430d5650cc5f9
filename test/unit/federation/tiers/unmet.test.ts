import { expect, test } from 'vitest'
import type { Logger } from '../../../../src/base/logger.ts'
import { silentLogger } from '../../../../src/base/logger.ts'
import { createUnmet, type Here, type Said } from '../../../../src/federation/tiers/unmet.ts'
import { createWish } from '../../../../src/federation/tiers/wish.ts'
import type { HubInfo } from '../../../../src/wire/tiers-types.ts'
import { createManualClock } from '../../../support/manual-clock.ts'
import { testSigner } from '../../../support/security-world.ts'

const [SELF, WISHED, OTHER] = [testSigner(1).peer, testSigner(2).peer, testSigner(3).peer]
const hub = (more: Partial<HubInfo> = {}): HubInfo => ({ peer: WISHED, name: 'eu', pool: WISHED, tier: 'regional', region: '', addresses: [], hubRoom: 5, leafRoom: 5, load: 0, ...more })
const US = hub({ peer: OTHER, name: 'us', pool: OTHER })

function world({ parent = WISHED, tier = 'leaf' as 'leaf' | 'global', here = { pool: OTHER, hub: US } as Here } = {}) {
  const warned: string[] = []
  const logger: Logger = { ...silentLogger, warn: (message) => void warned.push(message) }
  const wish = createWish(parent, { save() {}, list: () => [] }, createManualClock())
  return { warned, unmet: createUnmet({ logger, options: { self: SELF, tier, parent }, wish, asker: { as: 'leaf', tier }, here: () => here }) }
}

test.each<[string, Said, readonly HubInfo[], RegExp | undefined, stays?: boolean]>([
  ['eu', 'unknown', [], /"eu" is not the hub above this node: no such hub is known here; it is looked for every 15 s$/],
  ['eu', 'unknown', [hub({ tier: 'leaf' })], /leads no pool of a higher tier/],
  ['eu', 'unknown', [hub({ leafRoom: 0 })], /it is full/],
  ['eu', 'unknown', [hub()], undefined],
  [WISHED, 'silent', [], /it does not answer/],
  [WISHED, { hubs: [hub({ leafRoom: 0 })] }, [], /it is full/],
  [WISHED, { hubs: [hub({ peer: OTHER, name: 'us' })] }, [], /leads no pool of a higher tier/],
  [WISHED, { hubs: [hub()] }, [], /this node votes in the pool/, true],
  [WISHED, { hubs: [hub({ leafRoom: 0 })] }, [], /it is full/, true],
  [SELF, 'silent', [], /it is this node itself/]
])('whom it wishes for (%#) and what came of it is a sentence', (parent, said, known, sentence, stays = false) => {
  const { unmet } = world({ parent })
  expect(unmet.problem()).toBeUndefined()
  unmet.missed(said, known, stays)
  if (sentence === undefined) expect(unmet.problem()).toBeUndefined()
  else expect(unmet.problem()).toMatch(sentence)
})

test('is told in the log once, and not for hubs that start together', () => {
  const { unmet, warned } = world()
  unmet.missed('silent', [], false)
  expect(warned).toEqual([])
  for (let times = 0; times < 3; times++) unmet.missed('silent', [], false)
  expect(warned).toEqual([expect.stringContaining('it does not answer')])
  unmet.clear()
  expect(unmet.problem()).toBeUndefined()
})

test.each([[{ pool: WISHED, hub: US }], [{ pool: OTHER, hub: hub() }], [{ pool: OTHER, hub: hub({ peer: SELF }) }]])('there is no problem below the wished one, nor while a standby leads its pool, nor for one that leads itself, %#', (here) => {
  const { unmet, warned } = world({ here })
  for (let times = 0; times < 3; times++) unmet.missed('silent', [], false)
  expect([warned, unmet.problem()]).toEqual([[], undefined])
})

test('a global hub that wishes for one is told that there is none', () => {
  expect(world({ tier: 'global', here: { pool: 'root', hub: hub({ peer: SELF }) } }).unmet.problem()).toMatch(/nothing is above a global hub/)
})
