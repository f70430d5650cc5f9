import { expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { seededRandom } from '../../../src/base/random.ts'
import type { JsonRpcRequest } from '../../../src/wire/json-rpc.ts'
import { createUpstreamHost } from '../../../src/mcp/upstream/host.ts'
import type { Isolation } from '../../../src/mcp/upstream/spec.ts'
import { codeOf, flush, recordingSink, serverSpec, toolCall } from '../../support/mcp-calls.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { createMemoryServer } from '../../support/memory-upstream.ts'

async function world(isolation: Isolation, maxChildren = 2) {
  const clock = createManualClock()
  const server = createMemoryServer()
  server.respond = (request) => (request.method === 'tools/call' && request.params?.name === 'echo' ? { content: [] } : undefined)
  const host = createUpstreamHost({ clock, random: seededRandom(1), meter: createMeter(), logger: silentLogger, connect: server.connect }, { version: '1', maxChildren })
  await host.apply({ one: serverSpec({}, { isolation }) })
  await flush()
  const echo = (session: string, capabilities = {}) => host.run(toolCall('one', 'echo', { session, capabilities }), recordingSink()).outcome
  const alive = () => server.links.filter((link) => !link.closed).length
  return { clock, server, host, echo, alive }
}
const ASKABLE = { elicitation: {} }

test.each([
  ['auto', {}, 1],
  ['auto', { experimental: {} }, 1],
  ['auto', { roots: {} }, 2],
  ['shared', { sampling: {} }, 1],
  ['session', {}, 3]
] as const)('%s with capabilities %j: %i connections for two sessions, one of them plain', async (isolation, capabilities, expected) => {
  const { echo, alive } = await world(isolation)
  await echo('plain')
  await echo('asks', capabilities)
  await echo('asks', capabilities)
  expect(alive()).toBe(expected)
})

test('a child of one client has its capabilities, and asks the latest running call of that client', async () => {
  const { server, host } = await world('auto')
  const first = recordingSink()
  const second = recordingSink()
  const calls = [first, second].map((sink) => host.run(toolCall('one', 'slow', { capabilities: ASKABLE }), sink))
  await flush()
  expect(server.links).toHaveLength(2)
  const own = server.last
  expect(own.received[0]).toMatchObject({ params: { capabilities: ASKABLE } })
  own.emit({ id: 'q', method: 'elicitation/create', params: { message: '?' } })
  await flush()
  expect([first.requests.length, second.requests.length]).toEqual([0, 1])
  expect(own.received.at(-1)).toEqual({ jsonrpc: '2.0', id: 'q', result: { ok: true } })
  for (const request of own.open('tools/call')) own.answer(request.id, { content: [] })
  await Promise.all(calls.map((call) => call.outcome))
  own.emit({ id: 'late', method: 'elicitation/create', params: {} })
  expect(own.received.at(-1)).toMatchObject({ id: 'late', error: { code: -32600 } })
})

test('over the bound the longest idle child goes; if none is idle the call is refused', async () => {
  const { clock, server, host, echo, alive } = await world('auto', 2)
  await echo('a', ASKABLE)
  clock.advance(10)
  await echo('b', ASKABLE)
  clock.advance(10)
  await echo('c', ASKABLE)
  await flush()
  expect(server.links.map((link) => link.closed)).toEqual([false, true, false, false])
  const running = ['b', 'c'].map((session) => host.run(toolCall('one', 'slow', { session, capabilities: ASKABLE }), recordingSink()))
  await flush()
  expect(await codeOf(echo('d', ASKABLE))).toBe('SKEIN_BUSY')
  expect(alive()).toBe(3)
  expect(await echo('plain')).toEqual({ result: { content: [] } })
  await host.stop()
  for (const call of running) expect(await codeOf(call.outcome)).toBe('SKEIN_OUTCOME_UNKNOWN')
  expect(alive()).toBe(0)
  expect(clock.pending).toBe(0)
})

test('a child goes after five idle minutes, with its session, and comes back after it died', async () => {
  const { clock, server, host, echo, alive } = await world('auto')
  await echo('a', ASKABLE)
  clock.advance(299_000)
  await echo('a', ASKABLE)
  clock.advance(299_000)
  expect(alive()).toBe(2)
  clock.advance(1_000)
  await flush()
  expect(alive()).toBe(1)
  await echo('a', ASKABLE)
  host.endSession('a')
  await flush()
  expect(alive()).toBe(1)
  await echo('a', ASKABLE)
  server.last.die()
  await flush()
  await echo('a', ASKABLE)
  expect(alive()).toBe(2)
})

test('a child that does not come up fails its own client only', async () => {
  const { clock, server, host, echo } = await world('auto')
  server.greet = false
  const asks = host.run(toolCall('one', 'echo', { session: 'a', capabilities: ASKABLE, timeout: 9_000 }), recordingSink())
  await flush()
  expect((server.last.received[0] as JsonRpcRequest).method).toBe('initialize')
  expect(await echo('plain')).toEqual({ result: { content: [] } })
  clock.advance(9_000)
  expect(await codeOf(asks.outcome)).toBe('SKEIN_UPSTREAM_DOWN')
  await host.stop()
  expect(clock.pending).toBe(0)
})
