import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { createMesh, type MeshOptions } from '../../../src/net/discovery/mesh.ts'
import { listSource } from '../../../src/net/discovery/sources.ts'
import type { Host } from '../../../src/net/host.ts'
import { createNetMetrics } from '../../../src/net/metrics.ts'
import { createManualClock } from '../../support/manual-clock.ts'

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

/** A mesh over a host whose dials answer as `answer` says. */
function setup(options: Partial<MeshOptions> = {}, answer: (addresses: readonly string[]) => Promise<string> = () => Promise.reject(new Error('refused'))) {
  const members = new Set<string>()
  const wanted = { now: true }
  const clock = createManualClock()
  const dials: string[][] = []
  const connected = new Set<string>()
  const host = {
    self: 'self',
    metrics: createNetMetrics(createMeter()),
    peers: () => [...connected],
    addresses: () => ['/ip4/10.0.0.9/tcp/9'],
    async connect(addresses: readonly string[]) {
      dials.push([...addresses])
      const peer = await answer(addresses)
      connected.add(peer)
      return peer
    }
  } as unknown as Host
  const mesh = createMesh(
    { host, clock, random: seededRandom(1), logger: silentLogger, isMember: (peer) => members.has(peer), wanted: () => wanted.now },
    {
      meshSize: 64, maxPeers: 50, discoveryTimeout: 5_000, refreshInterval: 30_000, staleAfter: 600_000, dialTimeout: 5_000,
      bootstrap: [], bootstrapRetries: 3, bootstrapTimeout: 5_000, sources: [], ...options
    }
  )
  async function pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 100) {
      clock.advance(100)
      await settle()
    }
  }
  return { mesh, clock, dials, connected, members, wanted, pass }
}

describe('mesh', () => {
  const seeds = [listSource('ipfs_nodes', () => ['/ip4/10.0.0.1/tcp/1', '/ip4/10.0.0.9/tcp/9'])]

  test('an own address in a list is not dialled', async () => {
    const { mesh, dials, pass } = setup({ bootstrap: seeds, sources: seeds })
    mesh.start()
    await pass(5_000)
    expect(dials.length).toBeGreaterThan(0)
    expect(dials.flat()).not.toContain('/ip4/10.0.0.9/tcp/9')
    mesh.stop()
  })

  test('strangers are neither looked for nor dialled while they are not wanted, and again when they are', async () => {
    const asked: number[] = []
    const source = { name: 'known_peers' as const, find: async () => (asked.push(clock.now()), [{ address: '/ip4/10.0.0.1/tcp/1', peer: 'b' }]) }
    const { mesh, clock, dials, wanted, pass } = setup({ sources: [source] })
    wanted.now = false
    mesh.start()
    await pass(100_000)
    expect([asked, dials]).toEqual([[], []])
    wanted.now = true
    await pass(40_000)
    expect([asked.length, dials.length > 0]).toEqual([1, true])
    wanted.now = false
    const before = dials.length
    await pass(300_000)
    expect([asked.length, dials.length]).toEqual([1, before])
    mesh.stop()
  })

  test('hours of failing leave no timers behind, and stop ends them all', async () => {
    const { mesh, clock, pass } = setup({ bootstrap: seeds, sources: seeds })
    mesh.start()
    await pass(3_600_000)
    // The next dial, the next look at the sources, the next round of bootstrap, and perhaps a dial that runs.
    expect(clock.pending).toBeLessThanOrEqual(4)
    mesh.stop()
    await settle()
    expect(clock.pending).toBe(0)
  })

  test('nothing is dialled after stop, even if a source answers late', async () => {
    const late = Promise.withResolvers<{ address: string; peer: string | undefined }[]>()
    const slow = { name: 'file_based' as const, find: () => late.promise }
    const { mesh, clock, dials } = setup({ bootstrap: [slow], sources: [slow] })
    mesh.start()
    mesh.stop()
    late.resolve([{ address: '/ip4/10.0.0.1/tcp/1', peer: undefined }])
    await settle()
    clock.advance(60_000)
    await settle()
    expect(dials).toEqual([])
  })

  test('a seed without a peer id is dialled once, not at each look at the list', async () => {
    const { mesh, dials, pass } = setup({ bootstrap: seeds, sources: seeds }, async () => 'p')
    mesh.start()
    await pass(300_000)
    expect(dials).toHaveLength(1)
    mesh.stop()
  })

  test('a peer that takes us and hangs up is not dialled in a tight loop', async () => {
    const { mesh, clock, dials, connected, pass } = setup({ sources: seeds }, async () => {
      clock.after(1, () => connected.clear())
      return 'p'
    })
    mesh.start()
    await pass(10_000)
    expect(dials.length).toBeGreaterThan(5)
    expect(dials.length).toBeLessThanOrEqual(11)
    mesh.stop()
  })

  test('a peer is dialled until it is a member, then forgotten, and dialled again when it is none any more', async () => {
    const sources = [listSource('ipfs_nodes', () => ['/ip4/10.0.0.1/tcp/1/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'])]
    const peer = '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'
    const { mesh, dials, members, pass } = setup({ sources })
    mesh.start()
    await pass(5_000)
    const before = dials.length
    expect(before).toBeGreaterThan(1)
    expect(mesh.entries()).toMatchObject([{ peer, lastError: 'refused' }])
    members.add(peer)
    await pass(300_000)
    expect(mesh.entries()).toEqual([])
    expect(dials).toHaveLength(before)
    members.delete(peer)
    await pass(60_000)
    expect(dials.length).toBeGreaterThan(before)
    mesh.stop()
  })

  test('an address without a peer id at which a member answered is not dialled while it is one', async () => {
    const { mesh, dials, members, connected, pass } = setup({ sources: seeds }, async () => 'p')
    mesh.start()
    await pass(1_000)
    expect(dials).toHaveLength(1)
    members.add('p')
    connected.clear()
    await pass(300_000)
    expect(dials).toHaveLength(1)
    members.clear()
    await pass(60_000)
    expect(dials.length).toBeGreaterThan(1)
    mesh.stop()
  })

  test('members do not count against the size of the mesh', async () => {
    const { mesh, dials, members, connected, pass } = setup({ meshSize: 2, sources: seeds })
    for (const member of ['a', 'b', 'c']) {
      members.add(member)
      connected.add(member)
    }
    mesh.start()
    await pass(1_000)
    expect(dials.length).toBeGreaterThan(0)
    mesh.stop()
  })
})
