import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { systemRandom } from '../../../src/base/random.ts'
import type { McpOutcome } from '../../../src/mcp/ports.ts'
import type { Member } from '../../../src/membership/types.ts'
import type { Dht } from '../../../src/net/dht/dht.ts'
import type { Host } from '../../../src/net/host.ts'
import { setUpDistant } from '../../../src/node/distant-setup.ts'
import type { Distant } from '../../../src/node/distant.ts'
import { AGAIN_WHEN_NONE } from '../../../src/node/long-tail.ts'
import { createRemoteRunner } from '../../../src/node/mcp-over-rpc.ts'
import { createOrigins } from '../../../src/node/origins.ts'
import { createReachLinks } from '../../../src/node/reach-links.ts'
import type { Reach } from '../../../src/rpc/reach/types.ts'
import { createRpc } from '../../../src/rpc/rpc.ts'
import type { Rpc, ServerExchange } from '../../../src/rpc/types.ts'
import { createDhtDatastore } from '../../../src/store/dht-datastore.ts'
import { encodeCallEnd } from '../../../src/wire/mcp-call.ts'
import { METHOD } from '../../../src/wire/protocols.ts'
import { secretRules, startHost } from '../../support/hosts.ts'
import { recordingSink, toolCall } from '../../support/mcp-calls.ts'
import { credentialFor } from '../../support/reach-net.ts'
import { createFounder, testSigner } from '../../support/security-world.ts'
import { waitUntil } from '../../support/wait-until.ts'

/** Of the federation whose credentials the nodes have. */
const FEDERATION = createFounder(99).admission.federation()?.id as string

interface Node {
  host: Host & { dht: Dht }
  rpc: Rpc
  reach: Reach
  distant: Distant
  served: ServerExchange[]
  pool: Set<string>
}

/** leaf - hub - other hub - two providers, over TCP: who is linked shares a pool, and nobody else. No hub says anything about any server. */
describe('providers beyond the pools that only the DHT knows, between real hosts', () => {
  let nodes: Node[] = []

  async function start(seed: number): Promise<Node> {
    const joined: { rpc?: Rpc; distant?: Distant } = {}
    const host = await startHost({
      seed,
      rules: secretRules('s'),
      host: { dht: { datastore: createDhtDatastore() } },
      events: {
        peerUp: (peer) => joined.rpc?.peerUp(peer),
        peerDown: (peer) => joined.rpc?.peerDown(peer),
        sessionStream: (peer, stream) => joined.rpc?.accept(peer, stream)
      }
    }) as Node['host']
    const deps = { clock: systemClock, random: systemRandom, meter: createMeter(), logger: silentLogger }
    const rpc = createRpc({ ...deps, opener: host }, { self: host.self, federation: FEDERATION, bootId: 1n })
    joined.rpc = rpc
    const bundle = credentialFor(host.self)
    const pool = new Set<string>()
    const isMember = (peer: string) => pool.has(peer)
    const reach = createReachLinks(
      {
        ...deps, rpc, signer: testSigner(seed), abandon: (peer) => host.abandon(peer),
        member: (peer) => (isMember(peer) ? ({ state: 'alive' } as Member) : undefined),
        ...createOrigins({ clock: { ...systemClock, wall: () => 1_700_000_000_000 }, credential: () => bundle }, { federation: FEDERATION }),
        resolveAgain: async (peer, within) => joined.distant?.again(peer, within)
      },
      { self: host.self, federation: FEDERATION }
    )
    const distant = setUpDistant({
      ...deps, host, rpc, reach, isMember,
      summary: { resolve: async () => [], interest() {} },
      findProviders: (kind, name, options) => host.dht.findProviders(FEDERATION, kind, name, options)
    })
    joined.distant = distant
    const served: ServerExchange[] = []
    rpc.handle(METHOD.MCP_CALL, (exchange) => served.push(exchange))
    return { host, rpc, reach, distant, served, pool }
  }

  async function share(a: Node, b: Node): Promise<void> {
    a.pool.add(b.host.self)
    b.pool.add(a.host.self)
    a.reach.memberUp(b.host.self)
    b.reach.memberUp(a.host.self)
    await a.host.connect(b.host.addresses(), { peer: b.host.self, signal: AbortSignal.timeout(5_000) })
    await waitUntil('both have a session', () => a.rpc.session(b.host.self) !== undefined && b.rpc.session(a.host.self) !== undefined)
  }

  beforeEach(async () => {
    nodes = await Promise.all([1, 2, 3, 4, 5].map(start))
    const [leaf, hub, other, provider, second] = nodes as [Node, Node, Node, Node, Node]
    for (const [a, b] of [[leaf, hub], [hub, other], [other, provider], [other, second]] as const) await share(a, b)
    await waitUntil('all are in the tables of their pools', () => nodes.every(({ host, pool }) => host.dht.size() >= pool.size))
  })
  afterEach(async () => {
    for (const { distant, reach, rpc, host } of nodes) {
      distant.stop()
      reach.stop()
      rpc.close()
      await host.stop()
    }
  })

  async function offer(...servers: [Node, string][]): Promise<void> {
    for (const [node, name] of servers) node.host.dht.publish(FEDERATION, [{ kind: 'server', name }])
    const [, , other] = nodes as [Node, Node, Node]
    await waitUntil('the names are in the DHT', async () => {
      const found = new Set<string>()
      for (const [, name] of servers) for await (const { peer } of other.host.dht.findProviders(FEDERATION, 'server', name, { signal: AbortSignal.timeout(5_000) })) found.add(peer)
      return servers.every(([node]) => found.has(node.host.self))
    }, { timeout: 20_000, every: 300 })
  }

  /** As a call does: asks again and again. A search that a busy machine cut short is not repeated at once. */
  async function find(key: string): Promise<readonly string[]> {
    const [leaf] = nodes as [Node]
    let found: readonly string[] = []
    await waitUntil('somebody is found', async () => (found = await leaf.distant.find({ distant: key, tool: 't' }, { within: 2_000, since: systemClock.now() })).length > 0, { timeout: AGAIN_WHEN_NONE + 5_000, every: 250 })
    return found
  }

  test('are connected, and take the call directly', async () => {
    const [leaf, , , provider] = nodes as [Node, Node, Node, Node]
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
    const [leaf, , , provider, second] = nodes as [Node, Node, Node, Node, Node]
    await offer([provider, 'notes'], [second, 'notes'])
    expect(await find(`notes@${second.host.self}`)).toEqual([second.host.self])
    expect(leaf.host.peers()).toContain(second.host.self)
    expect(leaf.distant.keeps(provider.host.self)).toBe(false)
    expect((await find('notes')).toSorted()).toEqual([provider.host.self, second.host.self].sort())
  }, 40_000)

  test('nobody has it: nobody is found, and who was asked does not stay connected', async () => {
    const [leaf, hub] = nodes as [Node, Node]
    // Keys in all directions: some lead beyond the hub.
    let name = 0
    await waitUntil('a lookup led to another pool', async () => {
      expect(await leaf.distant.find({ distant: `nothing-${name++}`, tool: 't' }, { within: 2_000 })).toEqual([])
      return leaf.host.peers().length > 1
    }, { timeout: 10_000, every: 100 })
    await waitUntil('others are gone again', () => leaf.host.peers().join() === hub.host.self, { timeout: 20_000, every: 300 })
  }, 40_000)
})
