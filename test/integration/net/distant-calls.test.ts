import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import type { CallSink, McpOutcome } from '../../../src/mcp/ports.ts'
import { createRemoteRunner } from '../../../src/node/calls/mcp-over-rpc.ts'
import type { ServerExchange } from '../../../src/rpc/types.ts'
import { encodeCallEnd, encodeCallMessage } from '../../../src/wire/mcp-call.ts'
import { share, startDistantHost, stopDistantHosts, type DistantHost } from '../../support/distant-hosts.ts'
import { recordingSink, toolCall } from '../../support/mcp-calls.ts'
import { waitUntil } from '../../support/wait-until.ts'

const progress = { jsonrpc: '2.0' as const, method: 'notifications/progress', params: { progressToken: 1, progress: 1 } }

/** leaf - hub - {other, spare} - provider, over TCP: who is linked shares a pool, and nobody else. */
describe('calls beyond the pools, between real hosts', () => {
  let nodes: DistantHost[] = []
  /** Relays as the leaf's hub says them, by index. */
  let via: number[] = [1, 2]

  /** What each one's hub says about any server. */
  function resolve() {
    const { host } = nodes[4] as DistantHost
    return [{ peer: host.self, name: 'provider', via: selves(via), addresses: host.addresses(), region: 'eu' }]
  }

  beforeEach(async () => {
    via = [1, 2]
    nodes = await Promise.all([1, 2, 3, 4, 5].map((seed) => startDistantHost(seed, { resolve })))
    const [leaf, hub, other, spare, provider] = nodes as [DistantHost, DistantHost, DistantHost, DistantHost, DistantHost]
    for (const [a, b] of [[leaf, hub], [hub, other], [hub, spare], [other, provider], [spare, provider]] as const) await share(a, b)
  })
  afterEach(() => stopDistantHosts(nodes))

  /** One call of the leaf at the provider, over the way that its hub says. */
  async function call(sink: CallSink = recordingSink()) {
    const [leaf, , , , provider] = nodes as [DistantHost, DistantHost, DistantHost, DistantHost, DistantHost]
    const before = provider.served.length
    expect(await leaf.distant.find({ distant: 's' }, { within: 2_000 })).toEqual([provider.host.self])
    leaf.distant.called(provider.host.self)
    const request = { ...toolCall('s', 't', { session: `${leaf.host.self}/1` }), timeout: 10_000 }
    const running = createRemoteRunner(leaf.reach, silentLogger).run(provider.host.self, undefined, request, sink)
    const result = running.outcome.then((outcome: McpOutcome) => ('raw' in outcome ? outcome.raw : 'other'), ({ code }: { code: string }) => code)
    await waitUntil('the provider has it', () => provider.served.length > before)
    return { result, served: provider.served.at(-1) as ServerExchange, running }
  }
  const selves = (indexes: number[]) => indexes.map((index) => (nodes[index] as DistantHost).host.self)

  test('go over two hubs; the third one makes a connection, and what comes then takes it', async () => {
    const [leaf, , , , provider] = nodes as [DistantHost, DistantHost, DistantHost, DistantHost, DistantHost]
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
    const [, , other] = nodes as [DistantHost, DistantHost, DistantHost]
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
    const [leaf, , other, , provider] = nodes as [DistantHost, DistantHost, DistantHost, DistantHost, DistantHost]
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
