import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import type { McpOutcome } from '../../../src/mcp/ports.ts'
import { createRemoteRunner } from '../../../src/node/calls/mcp-over-rpc.ts'
import { encodeCallEnd } from '../../../src/wire/mcp-call.ts'
import { dhtOf, FEDERATION, share, startDistantHost, stopDistantHosts, type DistantHost } from '../../support/distant-hosts.ts'
import { recordingSink, toolCall } from '../../support/mcp-calls.ts'
import { waitUntil } from '../../support/wait-until.ts'

/** leaf - hub - other hub - two providers, over TCP: who is linked shares a pool, and nobody else. No hub says anything about any server. */
describe('providers beyond the pools that only the DHT knows, between real hosts', () => {
  let nodes: DistantHost[] = []

  beforeEach(async () => {
    nodes = await Promise.all([1, 2, 3, 4, 5].map((seed) => startDistantHost(seed, { dht: true })))
    const [leaf, hub, other, provider, second] = nodes as [DistantHost, DistantHost, DistantHost, DistantHost, DistantHost]
    for (const [a, b] of [[leaf, hub], [hub, other], [other, provider], [other, second]] as const) await share(a, b)
    await waitUntil('all are in the tables of their pools', () => nodes.every(({ host, pool }) => dhtOf(host).size() >= pool.size))
  })
  afterEach(() => stopDistantHosts(nodes))

  async function offer(...servers: [DistantHost, string][]): Promise<void> {
    for (const [node, name] of servers) dhtOf(node.host).publish(FEDERATION, [{ kind: 'server', name }])
    const [, , other] = nodes as [DistantHost, DistantHost, DistantHost]
    await waitUntil('the names are in the DHT', async () => {
      const found = new Set<string>()
      for (const [, name] of servers) for await (const { peer } of dhtOf(other.host).findProviders(FEDERATION, 'server', name, { signal: AbortSignal.timeout(5_000) })) found.add(peer)
      return servers.every(([node]) => found.has(node.host.self))
    }, { timeout: 20_000, every: 300 })
  }

  /** As a call does: asks again and again. */
  async function find(key: string): Promise<readonly string[]> {
    const [leaf] = nodes as [DistantHost]
    let found: readonly string[] = []
    await waitUntil('somebody is found', async () => (found = await leaf.distant.find({ distant: key, tool: 't' }, { within: 2_000, since: systemClock.now() })).length > 0, { timeout: 10_000, every: 250 })
    return found
  }

  test('are connected, and take the call directly', async () => {
    const [leaf, , , provider] = nodes as [DistantHost, DistantHost, DistantHost, DistantHost]
    await offer([provider, 'files'])
    expect(await find('files')).toEqual([provider.host.self])
    expect(leaf.distant.provider(provider.host.self)?.addresses).toEqual(expect.arrayContaining(provider.host.addresses()))
    expect(leaf.distant.keeps(provider.host.self)).toBe(true)
    const running = createRemoteRunner(leaf.reach, silentLogger).run(provider.host.self, undefined, { ...toolCall('files', 't', { session: `${leaf.host.self}/1` }), timeout: 10_000 }, recordingSink())
    await waitUntil('the provider has it', () => provider.served.length === 1)
    expect(provider.served[0]).toMatchObject({ peer: leaf.host.self, via: [] })
    provider.served[0]?.end(encodeCallEnd({ result: { done: true } }))
    expect(await running.outcome.then((outcome: McpOutcome) => ('raw' in outcome ? outcome.raw : 'other'))).toBe('{"done":true}')
  }, 40_000)

  test('of a server with an owner that one only, whoever else says to have it', async () => {
    const [leaf, , , provider, second] = nodes as [DistantHost, DistantHost, DistantHost, DistantHost, DistantHost]
    await offer([provider, 'notes'], [second, 'notes'])
    expect(await find(`notes@${second.host.self}`)).toEqual([second.host.self])
    expect(leaf.host.peers()).toContain(second.host.self)
    expect(leaf.distant.keeps(provider.host.self)).toBe(false)
    expect((await find('notes')).toSorted()).toEqual([provider.host.self, second.host.self].sort())
  }, 40_000)

  test('nobody has it: nobody is found, and who was asked does not stay connected', async () => {
    const [leaf, hub] = nodes as [DistantHost, DistantHost]
    // Keys in all directions: some lead beyond the hub.
    let name = 0
    await waitUntil('a lookup led to another pool', async () => {
      expect(await leaf.distant.find({ distant: `nothing-${name++}`, tool: 't' }, { within: 2_000 })).toEqual([])
      return leaf.host.peers().length > 1
    }, { timeout: 10_000, every: 100 })
    await waitUntil('others are gone again', () => leaf.host.peers().join() === hub.host.self, { timeout: 20_000, every: 300 })
  }, 40_000)
})
