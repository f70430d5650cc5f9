import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { systemRandom } from '../../../src/base/random.ts'
import type { CallSink, McpOutcome } from '../../../src/mcp/ports.ts'
import { createRemoteRunner } from '../../../src/node/calls/mcp-over-rpc.ts'
import { setUpDistant } from '../../../src/node/distant/distant-setup.ts'
import type { Distant } from '../../../src/node/distant/distant.ts'
import { createOrigins } from '../../../src/node/members/origins.ts'
import { createReachLinks } from '../../../src/node/members/reach-links.ts'
import type { Member } from '../../../src/membership/types.ts'
import type { Host } from '../../../src/net/host.ts'
import { createRpc } from '../../../src/rpc/rpc.ts'
import type { Reach } from '../../../src/rpc/reach/types.ts'
import type { Rpc, ServerExchange } from '../../../src/rpc/types.ts'
import { encodeCallEnd, encodeCallMessage } from '../../../src/wire/mcp-call.ts'
import { METHOD } from '../../../src/wire/protocols.ts'
import { secretRules, startHost } from '../../support/hosts.ts'
import { recordingSink, toolCall } from '../../support/mcp-calls.ts'
import { credentialFor } from '../../support/reach-net.ts'
import { createFounder, testSigner } from '../../support/security-world.ts'
import { waitUntil } from '../../support/wait-until.ts'

const progress = { jsonrpc: '2.0' as const, method: 'notifications/progress', params: { progressToken: 1, progress: 1 } }
/** Of the federation whose credentials the nodes have. */
const FEDERATION = createFounder(99).admission.federation()?.id as string

interface Node {
  host: Host
  rpc: Rpc
  reach: Reach
  distant: Distant
  served: ServerExchange[]
  pools: Set<string>
}

/** leaf - hub - {other, spare} - provider, over TCP: who is linked shares a pool, and nobody else. */
describe('calls beyond the pools, between real hosts', () => {
  let nodes: Node[] = []
  /** Relays as the leaf's hub says them, by index. */
  let via: number[] = [1, 2]

  async function start(seed: number): Promise<Node> {
    const joined: { rpc?: Rpc; distant?: Distant } = {}
    const host = await startHost({
      seed,
      rules: secretRules('s'),
      events: {
        peerUp: (peer) => joined.rpc?.peerUp(peer),
        peerDown: (peer) => joined.rpc?.peerDown(peer),
        sessionStream: (peer, stream) => joined.rpc?.accept(peer, stream)
      }
    })
    const deps = { clock: systemClock, random: systemRandom, meter: createMeter(), logger: silentLogger }
    const rpc = createRpc({ ...deps, opener: host }, { self: host.self, federation: FEDERATION, bootId: 1n })
    joined.rpc = rpc
    const bundle = credentialFor(host.self)
    const pools = new Set<string>()
    const node: Partial<Node> = {}
    const isMember = (peer: string) => nodes.some(({ host: other, pools: theirs }) => other.self === peer && [...theirs].some((pool) => pools.has(pool)))
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
      summary: {
        async resolve() {
          const provider = nodes[4] as Node
          return [{ peer: provider.host.self, name: 'provider', via: via.map((index) => (nodes[index] as Node).host.self), addresses: provider.host.addresses(), region: 'eu' }]
        },
        interest() {}
      }
    })
    joined.distant = distant
    const served: ServerExchange[] = []
    rpc.handle(METHOD.MCP_CALL, (exchange) => served.push(exchange))
    return Object.assign(node, { host, rpc, reach, distant, served, pools }) as Node
  }

  async function share(a: Node, b: Node): Promise<void> {
    const pool = `${nodes.indexOf(a)}-${nodes.indexOf(b)}`
    for (const node of [a, b]) node.pools.add(pool)
    a.reach.memberUp(b.host.self)
    b.reach.memberUp(a.host.self)
    await a.host.connect(b.host.addresses(), { peer: b.host.self, signal: AbortSignal.timeout(5_000) })
    await waitUntil('both have a session', () => a.rpc.session(b.host.self) !== undefined && b.rpc.session(a.host.self) !== undefined)
  }

  beforeEach(async () => {
    via = [1, 2]
    nodes = []
    for (const seed of [1, 2, 3, 4, 5]) nodes.push(await start(seed))
    const [leaf, hub, other, spare, provider] = nodes as [Node, Node, Node, Node, Node]
    for (const [a, b] of [[leaf, hub], [hub, other], [hub, spare], [other, provider], [spare, provider]] as const) await share(a, b)
  })
  afterEach(async () => {
    for (const { distant, reach, rpc, host } of nodes) {
      distant.stop()
      reach.stop()
      rpc.close()
      await host.stop()
    }
  })

  /** One call of the leaf at the provider, over the way that its hub says. */
  async function call(sink: CallSink = recordingSink()) {
    const [leaf, , , , provider] = nodes as [Node, Node, Node, Node, Node]
    const before = provider.served.length
    expect(await leaf.distant.find({ distant: 's' }, { within: 2_000 })).toEqual([provider.host.self])
    leaf.distant.called(provider.host.self)
    const request = { ...toolCall('s', 't', { session: `${leaf.host.self}/1` }), timeout: 10_000 }
    const running = createRemoteRunner(leaf.reach, silentLogger).run(provider.host.self, undefined, request, sink)
    const result = running.outcome.then((outcome: McpOutcome) => ('raw' in outcome ? outcome.raw : 'other'), ({ code }: { code: string }) => code)
    await waitUntil('the provider has it', () => provider.served.length > before)
    return { result, served: provider.served.at(-1) as ServerExchange, running }
  }
  const selves = (indexes: number[]) => indexes.map((index) => (nodes[index] as Node).host.self)

  test('go over two hubs; the third one makes a connection, and what comes then takes it', async () => {
    const [leaf, , , , provider] = nodes as [Node, Node, Node, Node, Node]
    for (let n = 0; n < 3; n++) {
      const { served, result, running } = await call()
      expect(served).toMatchObject({ peer: leaf.host.self, via: selves([1, 2]) })
      expect(running.via).toEqual(selves([1, 2]))
      served.end(encodeCallEnd({ result: { n } }))
      expect(await result).toBe(JSON.stringify({ n }))
    }
    await waitUntil('there is a session', () => leaf.reach.path(provider.host.self)?.kind === 'direct')
    const { served, result, running } = await call()
    expect(served.via).toEqual([])
    expect(running.via).toEqual([])
    served.end(encodeCallEnd({ result: {} }))
    expect(await result).toBe('{}')
    expect(leaf.distant.keeps(provider.host.self)).toBe(true)
  })

  test.each([['unary', false], ['with progress', true]])('a hub in the middle dies while one runs: its outcome is unknown, and the next goes over the other one: %s', async (_, withProgress) => {
    const [, , other] = nodes as [Node, Node, Node]
    const sink = recordingSink()
    const { served, result } = await call(sink)
    if (withProgress) {
      served.send(encodeCallMessage(progress), { renew: true })
      await waitUntil('progress has come', () => sink.notifications.length === 1)
    }
    let cancelled = false
    served.onCancel(() => (cancelled = true))
    other.rpc.close()
    await other.host.stop()
    expect(await result).toBe('SKEIN_OUTCOME_UNKNOWN')
    await waitUntil('the provider is told to stop', () => cancelled)
    via = [1, 3]
    const next = await call()
    expect(next.served.via).toEqual(selves([1, 3]))
    next.served.end(encodeCallEnd({ result: {} }))
    expect(await next.result).toBe('{}')
  })

  test('a hub is gone before one leaves: it goes over the way that is told when the first one fails', async () => {
    const { served, result } = await call()
    served.end(encodeCallEnd({ result: {} }))
    await result
    const [leaf, , other, , provider] = nodes as [Node, Node, Node, Node, Node]
    other.rpc.close()
    await other.host.stop()
    via = [1, 3]
    // The leaf still has the old way.
    expect(leaf.reach.path(provider.host.self)?.via).toEqual(selves([1, 2]))
    const next = await call()
    expect(next.served.via).toEqual(selves([1, 3]))
    expect(next.running.via).toEqual(selves([1, 3]))
    next.served.end(encodeCallEnd({ result: {} }))
    expect(await next.result).toBe('{}')
  })
})
