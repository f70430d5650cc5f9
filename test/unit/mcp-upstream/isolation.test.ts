import { expect, test } from 'vitest'
import type { JsonRpcRequest } from '../../../src/wire/json-rpc.ts'
import { codeOf, flush, mcpRequest, recordingSink, toolCall } from '../../support/mcp-calls.ts'
import { upstreamWorld } from '../../support/upstream-world.ts'

const ASKABLE = { elicitation: {} }
const DONE = { result: { content: [] } }

test.each([
  ['auto', '2025', {}, 1],
  ['auto', '2025', { experimental: {} }, 1],
  ['auto', '2025', { roots: {} }, 2],
  ['shared', '2025', { sampling: {} }, 1],
  ['session', '2025', {}, 3],
  ['auto', '2026', { roots: {} }, 1],
  ['shared', '2026', { roots: {} }, 1],
  ['session', '2026', {}, 3]
] as const)('isolation %s, a server of %s, capabilities %j: %i connections for two sessions, one of them plain', async (isolation, era, capabilities, expected) => {
  const { echo, alive } = await upstreamWorld({ isolation }, (server) => (server.era = era))
  await echo('plain')
  await echo('asks', capabilities)
  await echo('asks', capabilities)
  expect(alive()).toBe(expected)
})

test('a child of one session has its capabilities; its questions end the latest call with input_required, and the answer goes on with it', async () => {
  const { clock, server, host, call, metric } = await upstreamWorld()
  const calls = [1, 2].map(() => call('slow', { capabilities: ASKABLE }))
  await flush()
  expect(server.links).toHaveLength(2)
  const own = server.last
  expect(own.received[0]).toMatchObject({ method: 'initialize', params: { capabilities: ASKABLE } })
  own.emit({ id: 'q', method: 'elicitation/create', params: { message: '?' } })
  clock.advance(5)
  const asked = await calls[1]?.outcome
  expect(asked).toMatchObject({ result: { resultType: 'input_required' } })
  expect(metric('skein_upstream_parked')).toBe(1)
  const { inputRequests, requestState } = (asked as { result: { inputRequests: Record<string, unknown>; requestState: string } }).result
  const [key] = Object.keys(inputRequests) as [string]
  const retry = { capabilities: ASKABLE, params: { requestState, inputResponses: { [key]: { action: 'accept' } } } }
  const answered = call('slow', retry)
  await flush()
  expect(own.received.at(-1)).toEqual({ jsonrpc: '2.0', id: 'q', result: { action: 'accept' } })
  for (const request of own.open('tools/call')) own.answer(request.id, { content: [] })
  expect(await answered.outcome).toMatchObject(DONE)
  expect(await calls[0]?.outcome).toMatchObject(DONE)
  expect(metric('skein_upstream_parked')).toBe(0)
  expect(await codeOf(call('slow', retry).outcome)).toBe('SKEIN_BAD_REQUEST')
  await host.stop()
})

test('a retry that is cancelled in the same tick ends the call it goes on with, also at the server', async () => {
  const { clock, server, host, call, metric } = await upstreamWorld()
  const first = call('slow', { capabilities: ASKABLE })
  await flush()
  const own = server.last
  const [started] = own.open('tools/call')
  own.emit({ id: 'q', method: 'elicitation/create', params: { message: '?' } })
  clock.advance(5)
  const { requestState } = ((await first.outcome) as { result: { requestState: string } }).result
  const retry = call('slow', { capabilities: ASKABLE, params: { requestState, inputResponses: {} } })
  retry.cancel('enough')
  expect(await codeOf(retry.outcome)).toBe('SKEIN_CANCELLED')
  await flush()
  clock.advance(5)
  expect(metric('skein_upstream_parked')).toBe(0)
  expect(own.sent('notifications/cancelled')).toMatchObject([{ params: { requestId: started?.id } }])
  await host.stop()
})

test("a session's own child may have tools for what its client can; expose holds for them too", async () => {
  const { host, server, call } = await upstreamWorld({ expose: { allow: ['*'], deny: ['secret*'] } })
  server.tools = ['echo', 'ask', 'secret', 'secret-ask'].map((name) => ({ name, inputSchema: { type: 'object' } }))
  const client = { capabilities: ASKABLE }
  const { outcome } = host.run(mcpRequest('one', 'tools/list', { cursor: 'c' }, client), recordingSink())
  expect(await outcome).toMatchObject({ result: { tools: [{ name: 'echo' }, { name: 'ask' }] } })
  expect(server.links).toHaveLength(2)
  expect(server.last.sent('tools/list')).toMatchObject([{ params: { cursor: 'c' } }])
  expect(host.tools('one')?.definitions.map(({ name }) => name)).toEqual(['echo'])
  const asks = call('ask', client)
  await flush()
  server.last.answer((server.last.open('tools/call')[0] as JsonRpcRequest).id, { content: [] })
  expect(await asks.outcome).toMatchObject(DONE)
  expect(await codeOf(call('secret-ask', client).outcome)).toBe('SKEIN_NOT_FOUND')
})

test('no child is told of tasks: nobody could go on with one', async () => {
  const { server, echo } = await upstreamWorld()
  await echo('a', { ...ASKABLE, tasks: { requests: {} }, extensions: { 'io.modelcontextprotocol/tasks': {}, 'vendor/other': {} } })
  expect(server.last.received[0]).toMatchObject({ method: 'initialize' })
  expect((server.last.received[0] as JsonRpcRequest).params?.capabilities).toEqual({ ...ASKABLE, extensions: { 'vendor/other': {} } })
})

test('stateless clients that can be asked share a pool: one call each at a time, used again by those of equal capabilities', async () => {
  const { server, echo, call, alive, host } = await upstreamWorld({}, undefined, { maxChildren: 3 })
  const first = call('slow', { session: null, capabilities: { elicitation: { form: {}, url: {} }, experimental: { x: {} } } })
  await flush()
  expect(server.last.received[0]).toMatchObject({ params: { capabilities: { elicitation: { form: {}, url: {} } } } })
  expect((server.last.received[0] as JsonRpcRequest).params?.capabilities).not.toHaveProperty('experimental')
  expect(await echo(null, { elicitation: { url: {}, form: {} } })).toMatchObject(DONE)
  expect(alive()).toBe(3)
  await echo(null, { elicitation: { form: {}, url: {} } })
  expect(alive()).toBe(3)
  await echo(null, { sampling: {} })
  expect(alive()).toBe(4)
  await echo(null, {})
  expect(alive()).toBe(4)
  server.links[1]?.answer((server.links[1].open('tools/call')[0] as JsonRpcRequest).id, { content: [] })
  expect(await first.outcome).toMatchObject(DONE)
  await host.stop()
  expect(alive()).toBe(0)
})

test('a parked call keeps its pooled child to itself', async () => {
  const { clock, server, call, echo, alive } = await upstreamWorld()
  const client = { session: null, capabilities: ASKABLE } as const
  const first = call('slow', client)
  await flush()
  server.last.emit({ id: 1, method: 'elicitation/create', params: { message: '?' } })
  clock.advance(5)
  const { requestState, inputRequests } = ((await first.outcome) as { result: { requestState: string; inputRequests: object } }).result
  await echo(null, ASKABLE)
  expect(alive()).toBe(3)
  const parked = server.links[1]
  const again = call('slow', { ...client, params: { requestState, inputResponses: { [Object.keys(inputRequests)[0] as string]: {} } } })
  await flush()
  parked?.answer((parked.open('tools/call')[0] as JsonRpcRequest).id, { content: [] })
  expect(await again.outcome).toMatchObject(DONE)
  await Promise.all([echo(null, ASKABLE), echo(null, ASKABLE)])
  expect(alive()).toBe(3)
})

test('over the bound a call whose client does not come back gives way, and its retry is told so', async () => {
  const { clock, server, host, echo, call, alive, metric } = await upstreamWorld({}, undefined, { maxChildren: 2 })
  const clients = [{ session: 'edge/a', capabilities: ASKABLE }, { session: null, capabilities: ASKABLE }]
  const states: string[] = []
  for (const client of clients) {
    const first = call('slow', client)
    await flush()
    server.last.emit({ id: 'q', method: 'elicitation/create', params: { message: '?' } })
    clock.advance(5)
    states.push(((await first.outcome) as { result: { requestState: string } }).result.requestState)
  }
  expect(alive()).toBe(3)
  // The one of no session goes first, though it came last.
  expect(await echo(null, { sampling: {} })).toMatchObject(DONE)
  expect(metric('skein_upstream_parked')).toBe(1)
  expect(metric('skein_upstream_parked_given_up_total')).toBe(1)
  await expect(call('slow', { ...clients[1], params: { requestState: states[1] } }).outcome).rejects.toMatchObject({ code: 'SKEIN_BAD_REQUEST', message: expect.stringContaining('others needed its place') })
  const busy = call('slow', { session: null, capabilities: { roots: {} } })
  await flush()
  expect(await echo('edge/b', ASKABLE)).toMatchObject(DONE)
  expect(metric('skein_upstream_parked')).toBe(0)
  expect(metric('skein_upstream_parked_given_up_total')).toBe(2)
  const full = call('slow', { session: 'edge/b', capabilities: ASKABLE })
  await flush()
  expect(await codeOf(echo('edge/c', ASKABLE))).toBe('SKEIN_BUSY')
  await host.stop()
  for (const one of [busy, full]) expect(await codeOf(one.outcome)).toBe('SKEIN_OUTCOME_UNKNOWN')
  expect(clock.pending).toBe(0)
})

test('over the bound the longest idle child goes; if none is idle the call is refused', async () => {
  const { clock, server, host, echo, call, alive } = await upstreamWorld({}, undefined, { maxChildren: 2 })
  await echo('a', ASKABLE)
  clock.advance(10)
  await echo('b', ASKABLE)
  clock.advance(10)
  await echo('c', ASKABLE)
  await flush()
  expect(server.links.map((link) => link.closed)).toEqual([false, true, false, false])
  const running = ['b', 'c'].map((session) => call('slow', { session, capabilities: ASKABLE }))
  await flush()
  expect(await codeOf(echo('d', ASKABLE))).toBe('SKEIN_BUSY')
  expect(alive()).toBe(3)
  expect(await echo('plain')).toMatchObject(DONE)
  await host.stop()
  for (const one of running) expect(await codeOf(one.outcome)).toBe('SKEIN_OUTCOME_UNKNOWN')
  expect(alive()).toBe(0)
  expect(clock.pending).toBe(0)
})

test('a child goes after five idle minutes, with its session, and comes back after it died', async () => {
  const { clock, server, host, echo, alive } = await upstreamWorld()
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
  const { clock, server, host, echo, call } = await upstreamWorld({}, undefined, { maxChildren: 1 })
  server.greet = false
  const asks = call('echo', { session: 'a', capabilities: ASKABLE, timeout: 9_000 })
  await flush()
  expect(server.last.sent('initialize')).toHaveLength(1)
  expect(await echo('plain')).toMatchObject(DONE)
  clock.advance(9_000)
  expect(await codeOf(asks.outcome)).toBe('SKEIN_UPSTREAM_DOWN')
  // It makes room for others then.
  server.greet = true
  expect(await echo('b', ASKABLE)).toMatchObject(DONE)
  await host.stop()
  expect(clock.pending).toBe(0)
})

test('log levels: a child of one session follows it, the shared connection takes the most verbose one wanted', async () => {
  const { server, call } = await upstreamWorld({}, (one) => (one.capabilities = { tools: {}, logging: {} }))
  const levels = (link = server.last) => link.sent('logging/setLevel').map((message) => message.params?.level)
  const shared = server.last
  for (const logLevel of ['warning', 'error', 'info', 'warning'] as const) await call('echo', { session: 'plain', logLevel }).outcome
  expect(levels(shared)).toEqual(['warning', 'info'])
  for (const logLevel of ['debug', 'error', 'error', 'info'] as const) await call('echo', { session: 'asks', capabilities: ASKABLE, logLevel }).outcome
  expect(server.last).not.toBe(shared)
  expect(levels()).toEqual(['debug', 'error', 'info'])
  shared.die()
  await flush()
  await call('echo', { session: 'plain' }).outcome
  expect(levels()).toEqual([])
  await call('echo', { session: 'plain', logLevel: 'error' }).outcome
  expect(levels()).toEqual(['error'])
})

test('the first call of a client that can be asked waits until it is known what the server speaks', async () => {
  const { clock, server, host, alive } = await upstreamWorld({}, (one) => (one.greet = false))
  const asks = host.run(toolCall('one', 'echo', { capabilities: ASKABLE }), recordingSink())
  await flush()
  expect(alive()).toBe(1)
  server.greet = true
  server.last.refuseRequest((server.last.open('server/discover')[0] as JsonRpcRequest).id, -32601)
  expect(await asks.outcome).toMatchObject(DONE)
  expect(alive()).toBe(2)
  await host.stop()
  expect(clock.pending).toBe(0)
})
