import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { createMesh, type MeshOptions } from '../../../src/net/discovery/mesh.ts'
import { listSource } from '../../../src/net/discovery/sources.ts'
import { createTallyBook } from '../../../src/net/discovery/stats.ts'
import type { Host } from '../../../src/net/host.ts'
import { createNetMetrics } from '../../../src/net/metrics.ts'
import { createManualClock } from '../../support/manual-clock.ts'

const OTHER = '/ip4/10.0.0.1/tcp/1'
const OWN = '/ip4/10.0.0.9/tcp/9'

async function settle(): Promise<void> {
  for (let turn = 0; turn < 30; turn++) await Promise.resolve()
}

function setup(options: Partial<MeshOptions>, connect: () => Promise<string>) {
  const clock = createManualClock()
  const meter = createMeter()
  const connected = new Set<string>()
  const metrics = createNetMetrics(meter)
  const host = {
    self: 'self', metrics, peers: () => [...connected], addresses: () => [OWN],
    async connect() {
      const peer = await connect()
      connected.add(peer)
      return peer
    }
  } as unknown as Host
  const mesh = createMesh(
    { host, clock, random: seededRandom(1), logger: silentLogger },
    { meshSize: 64, maxPeers: 50, discoveryTimeout: 5_000, refreshInterval: 30_000, staleAfter: 600_000, dialTimeout: 5_000, bootstrap: [], bootstrapRetries: 3, bootstrapTimeout: 5_000, sources: [], ...options }
  )
  const counted = (name: string) => meter.snapshot().find((metric) => metric.name === name)?.samples.map(({ labels, value }) => [...labels, value])
  return { clock, mesh, counted, stats: () => metrics.discovery() }
}

describe('what is counted while looking for peers', () => {
  test('a bogus bootstrap address: failures, never a success', async () => {
    const { mesh, stats, counted } = setup({ bootstrap: [listSource('ipfs_nodes', () => [OTHER])] }, () => Promise.reject(new Error('refused')))
    mesh.start()
    await settle()
    mesh.stop()
    expect(stats().bootstraps).toMatchObject({ total: 3, successful: 0, failed: 3, by: { ipfs_nodes: { successful: 0, failed: 3 } } })
    expect(stats().discoveries).toMatchObject({ total: 3, successful: 0, failed: 3 })
    expect(counted('p2p_bootstrap_attempts_total')).toEqual([['ipfs_nodes', 'failure', 3]])
    expect(counted('p2p_peer_discoveries_total')).toEqual([['ipfs_nodes', 'failure', 3]])
  })

  test('one that answers: a success of the method and of the source, with its time', async () => {
    const answer = Promise.withResolvers<string>()
    const { mesh, clock, stats, counted } = setup({ bootstrap: [listSource('ipfs_nodes', () => [OTHER])] }, () => answer.promise)
    mesh.start()
    await settle()
    clock.advance(40)
    answer.resolve('p')
    await settle()
    mesh.stop()
    const once = { total: 1, successful: 1, failed: 0, ms: 40, by: { ipfs_nodes: { successful: 1, failed: 0 } }, last: clock.wall() }
    expect(stats()).toEqual({ discoveries: once, bootstraps: once })
    expect(counted('p2p_bootstrap_attempts_total')).toEqual([['ipfs_nodes', 'success', 1]])
  })

  test('the next method is tried when one fails, each with its own numbers', async () => {
    let dials = 0
    const methods = [listSource('file_based', () => [OTHER]), listSource('environment', () => ['/ip4/10.0.0.2/tcp/1'])]
    const { mesh, stats } = setup({ bootstrap: methods, bootstrapRetries: 2 }, () => (++dials <= 2 ? Promise.reject(new Error('refused')) : Promise.resolve('p')))
    mesh.start()
    await settle()
    mesh.stop()
    expect(stats().bootstraps).toMatchObject({ total: 3, by: { file_based: { successful: 0, failed: 2 }, environment: { successful: 1, failed: 0 } } })
  })

  test('a source that cannot be read is a failure of the source and of the method', async () => {
    const broken = { name: 'file_based' as const, find: () => Promise.reject(new Error('no such file')) }
    const { mesh, stats } = setup({ bootstrap: [broken] }, () => Promise.resolve('p'))
    mesh.start()
    await settle()
    mesh.stop()
    expect(stats()).toMatchObject({ discoveries: { total: 1, failed: 1 }, bootstraps: { total: 1, failed: 1 } })
  })

  test('a list of nobody but this node is no attempt', async () => {
    const { mesh, stats } = setup({ bootstrap: [listSource('ipfs_nodes', () => [OWN])] }, () => Promise.resolve('p'))
    mesh.start()
    await settle()
    mesh.stop()
    expect(stats()).toMatchObject({ discoveries: { total: 0 }, bootstraps: { total: 0, last: undefined } })
  })

  test('what stop cuts off is not counted', async () => {
    const answer = Promise.withResolvers<string>()
    const { mesh, stats } = setup({ bootstrap: [listSource('ipfs_nodes', () => [OTHER])] }, () => answer.promise)
    mesh.start()
    await settle()
    mesh.stop()
    answer.reject(new Error('stopped'))
    await settle()
    expect(stats()).toMatchObject({ discoveries: { total: 0 }, bootstraps: { total: 0 } })
  })

  test('a dial that the source and the bootstrap both ask for is one', async () => {
    const answer = Promise.withResolvers<string>()
    const source = [listSource('ipfs_nodes', () => [OTHER])]
    const { mesh, clock, stats } = setup({ bootstrap: source, sources: source }, () => answer.promise)
    mesh.start()
    await settle()
    clock.advance(1_000)
    await settle()
    answer.resolve('p')
    await settle()
    mesh.stop()
    expect(stats()).toMatchObject({ discoveries: { total: 1, successful: 1 }, bootstraps: { total: 1, successful: 1 } })
  })
})

test('what was read does not change afterwards', () => {
  const book = createTallyBook()
  book.count('token', 'success', 5, 100)
  const before = book.read()
  book.count('token', 'failure', 7, 200)
  expect(before).toEqual({ total: 1, successful: 1, failed: 0, ms: 5, by: { token: { successful: 1, failed: 0 } }, last: 100 })
  expect(book.read()).toEqual({ total: 2, successful: 1, failed: 1, ms: 12, by: { token: { successful: 1, failed: 1 } }, last: 200 })
})
