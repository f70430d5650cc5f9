import { expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { createMesh } from '../../../src/net/discovery/mesh.ts'
import type { Candidate } from '../../../src/net/discovery/ports.ts'
import type { Host } from '../../../src/net/host.ts'
import { createNetMetrics } from '../../../src/net/metrics.ts'
import { createManualClock } from '../../support/manual-clock.ts'

test('a source that hears of peers by itself has them dialled at once, and nobody after the end', async () => {
  const clock = createManualClock()
  const dials: string[][] = []
  const host = {
    self: 'self', metrics: createNetMetrics(createMeter()), peers: () => [], addresses: () => ['/ip4/10.0.0.9/tcp/9'],
    async connect(addresses: readonly string[]) {
      dials.push([...addresses])
      return 'p'
    }
  } as unknown as Host
  let tell: (found: Candidate[]) => void = () => {}
  const mesh = createMesh(
    { host, clock, random: seededRandom(1), logger: silentLogger },
    {
      meshSize: 64, maxPeers: 50, discoveryTimeout: 5_000, refreshInterval: 1_800_000, staleAfter: 600_000, dialTimeout: 5_000,
      bootstrap: [], bootstrapRetries: 3, bootstrapTimeout: 5_000,
      sources: [{ name: 'mdns', find: async () => [], onFound: (listener) => (tell = listener) }]
    }
  )
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 100) {
      clock.advance(100)
      for (let turn = 0; turn < 20; turn++) await Promise.resolve()
    }
  }
  mesh.start()
  await pass(5_000)
  expect(dials).toEqual([])
  tell([{ address: '/ip4/10.0.0.9/tcp/9', peer: undefined }, { address: '/ip4/10.0.0.1/tcp/1/p2p/p', peer: 'p' }])
  await pass(1_000)
  expect(dials).toEqual([['/ip4/10.0.0.1/tcp/1/p2p/p']])
  mesh.stop()
  tell([{ address: '/ip4/10.0.0.2/tcp/1/p2p/q', peer: 'q' }])
  await pass(5_000)
  expect(dials).toHaveLength(1)
})
