import { expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { createUpgrades } from '../../../src/net/relay/upgrades.ts'
import { createManualClock } from '../../support/manual-clock.ts'

async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve()
}

test('stopping ends the try that runs and begins no other', async () => {
  const clock = createManualClock()
  const tried: string[] = []
  const upgrades = createUpgrades({
    clock, random: seededRandom(1), logger: silentLogger,
    relayed: () => ['a', 'b', 'c'],
    addressesOf: (peer) => (peer === 'c' ? [] : ['/ip4/10.0.0.1/tcp/1']),
    connect: (peer, _addresses, { signal }) => new Promise((_resolve, reject) => {
      tried.push(peer)
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    }),
    punch: async (peer) => void tried.push(`punch ${peer}`),
    ended() {}
  })
  upgrades.start()
  // All are due: the first waits for longer than any backoff of the others.
  for (let turn = 0; turn < 20; turn++) {
    clock.advance(2_000)
    await settle()
    if (tried.length > 0) clock.jump(20_000)
  }
  expect(tried).toHaveLength(1)
  upgrades.stop()
  await settle()
  expect(tried).toHaveLength(1)
  expect(clock.pending).toBe(0)
})
