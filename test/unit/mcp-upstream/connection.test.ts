import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import type { CallSink } from '../../../src/mcp/ports.ts'
import type { JsonRpcRequest } from '../../../src/wire/json-rpc.ts'
import { openConnection, type ConnectionOptions } from '../../../src/mcp/upstream/connection.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { codeOf, flush, recordingSink, toolCall } from '../../support/mcp-calls.ts'
import { createMemoryServer, type MemoryServer } from '../../support/memory-upstream.ts'

function dial(server: MemoryServer, options: Partial<ConnectionOptions> = {}) {
  const clock = createManualClock()
  const transport = server.connect()
  const defaults = { transport, version: '1.2.3', capabilities: {}, clientSink: () => 'shared', onToolsChanged() {} }
  const opening = openConnection({ clock, logger: silentLogger }, { ...defaults, ...options }, { signal: new AbortController().signal })
  return { clock, opening, link: server.last }
}

async function connected(options: Partial<ConnectionOptions> = {}) {
  const server = createMemoryServer()
  const { clock, opening, link } = dial(server, options)
  return { clock, link, connection: await opening }
}

const sentCall = (link: { open(method: string): JsonRpcRequest[] }, index = 0) => link.open('tools/call')[index] as JsonRpcRequest

describe('handshake', () => {
  test('sends initialize with our name and the given capabilities, then initialized', async () => {
    const { link, connection } = await connected({ capabilities: { sampling: {} } })
    expect(link.received[0]).toMatchObject({ method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: { sampling: {} }, clientInfo: { name: 'skein', version: '1.2.3' } } })
    expect(link.received[1]).toEqual({ jsonrpc: '2.0', method: 'notifications/initialized' })
    expect(connection.identity.protocolVersion).toBe('2025-11-25')
  })

  test.each([
    ['2024-11-05', 'resolved'],
    ['2099-01-01', 'SKEIN_UPSTREAM_INVALID'],
    [7, 'SKEIN_UPSTREAM_INVALID']
  ])('protocol version %s: %s', async (protocolVersion, expected) => {
    const server = createMemoryServer()
    server.greet = false
    const { opening, link } = dial(server)
    await flush()
    link.answer((link.received[0] as JsonRpcRequest).id, { protocolVersion, capabilities: {}, serverInfo: {} })
    expect(await codeOf(opening)).toBe(expected)
    expect(link.closed).toBe(expected !== 'resolved')
  })

  test('a silent server fails after a deadline and is closed, without a notice of cancellation', async () => {
    const server = createMemoryServer()
    server.greet = false
    const { clock, opening, link } = dial(server)
    await flush()
    clock.advance(60_000)
    expect(await codeOf(opening)).toBe('SKEIN_UPSTREAM_DOWN')
    expect(link.closed).toBe(true)
    expect(link.received).toHaveLength(1)
  })

  test('an error without an id is nobody’s answer', async () => {
    const { link, connection } = await connected()
    link.emit({ id: null, error: { code: -32601, message: 'no such notification' } })
    const call = connection.call(toolCall('x', 'echo'), recordingSink())
    await flush()
    link.answer(sentCall(link).id, { content: [] })
    expect(await call.outcome).toEqual({ result: { content: [] } })
  })
})

describe('calls', () => {
  test('two calls with the same client token keep their progress apart, each before its own result', async () => {
    const { link, connection } = await connected()
    const sinks = [recordingSink(), recordingSink()]
    const calls = sinks.map((sink, index) => connection.call(toolCall('x', 'slow', { token: 'mine', session: `s${index}` }), sink))
    await flush()
    const tokens = link.open('tools/call').map((request) => (request.params as { _meta: { progressToken: number } })._meta.progressToken)
    expect(new Set(tokens).size).toBe(2)
    expect(sentCall(link).params?._meta).toMatchObject({ kept: true })
    link.emit({ method: 'notifications/progress', params: { progressToken: tokens[1], progress: 1 } })
    link.emit({ method: 'notifications/progress', params: { progressToken: tokens[1], progress: 2 } })
    link.answer(sentCall(link, 1).id, { content: [] })
    await calls[1]?.outcome
    expect(sinks[1]?.notifications.map((message) => message.params)).toEqual([
      { progressToken: 'mine', progress: 1 },
      { progressToken: 'mine', progress: 2 }
    ])
    expect(sinks[0]?.notifications).toEqual([])
  })

  test('the server’s own error is an outcome; a result that is no object is not', async () => {
    const { link, connection } = await connected()
    const calls = [1, 2, 3].map(() => connection.call(toolCall('x', 'echo'), recordingSink()))
    await flush()
    const ids = link.open('tools/call').map((request) => request.id)
    link.emit({ id: String(ids[0]), error: { code: -32602, message: 'no' } })
    link.emit({ id: ids[1], result: 'fine' })
    link.emit({ id: ids[2] })
    expect(await calls[0]?.outcome).toEqual({ error: { code: -32602, message: 'no' } })
    expect(await codeOf(calls[1]!.outcome)).toBe('SKEIN_UPSTREAM_INVALID')
    expect(await codeOf(calls[2]!.outcome)).toBe('SKEIN_UPSTREAM_INVALID')
  })

  test('cancel tells the server and settles at once; the late answer is ignored', async () => {
    const { link, connection } = await connected()
    const call = connection.call(toolCall('x', 'slow'), recordingSink())
    await flush()
    const { id } = sentCall(link)
    call.cancel('enough')
    expect(await codeOf(call.outcome)).toBe('SKEIN_CANCELLED')
    expect(link.received.at(-1)).toEqual({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id, reason: 'enough' } })
    link.answer(id, { content: [] })
    call.cancel('again')
    expect(link.received.filter((message) => 'method' in message && message.method === 'notifications/cancelled')).toHaveLength(1)
  })

  test('silence ends a call after its timeout, progress starts the time again', async () => {
    const { clock, link, connection } = await connected()
    const call = connection.call(toolCall('x', 'slow', { timeout: 1_000, token: 't' }), recordingSink())
    await flush()
    const { id } = sentCall(link)
    clock.advance(900)
    link.emit({ method: 'notifications/progress', params: { progressToken: id, progress: 1 } })
    clock.advance(900)
    await flush()
    expect(link.received.at(-1)).toMatchObject({ method: 'tools/call' })
    clock.advance(101)
    expect(await codeOf(call.outcome)).toBe('SKEIN_DEADLINE')
    expect(link.received.at(-1)).toMatchObject({ method: 'notifications/cancelled', params: { requestId: id } })
    expect(clock.pending).toBe(0)
  })

  test('when the link dies: taken requests have an unknown outcome, those not taken did not run', async () => {
    const { clock, link, connection } = await connected()
    const taken = connection.call(toolCall('x', 'a'), recordingSink())
    await flush()
    link.stall = true
    const stalled = connection.call(toolCall('x', 'b'), recordingSink())
    await flush()
    link.die(new Error('killed by a test'))
    const late = connection.call(toolCall('x', 'c'), recordingSink())
    expect(await codeOf(taken.outcome)).toBe('SKEIN_OUTCOME_UNKNOWN')
    await expect(taken.outcome).rejects.toThrow('killed by a test')
    expect(await codeOf(stalled.outcome)).toBe('SKEIN_UPSTREAM_DOWN')
    expect(await codeOf(late.outcome)).toBe('SKEIN_UPSTREAM_DOWN')
    expect((await connection.closed)?.message).toBe('killed by a test')
    expect(clock.pending).toBe(0)
  })

  test('a sink that throws does not take the link down', async () => {
    const { link, connection } = await connected()
    const sink: CallSink = { ...recordingSink(), notification: () => { throw new Error('broken sink') } }
    const call = connection.call(toolCall('x', 'slow', { token: 1 }), sink)
    await flush()
    const { id } = sentCall(link)
    link.emit({ method: 'notifications/progress', params: { progressToken: id, progress: 1 } })
    link.answer(id, { content: [] })
    expect(await call.outcome).toEqual({ result: { content: [] } })
  })

  test('a log message goes to the client whose calls alone are running, and to nobody when two are', async () => {
    const { link, connection } = await connected()
    const sinks = [recordingSink(), recordingSink()]
    connection.call(toolCall('x', 'a', { session: 'one' }), sinks[0]!).outcome.catch(() => {})
    await flush()
    link.emit({ method: 'notifications/message', params: { level: 'info', data: 'first' } })
    connection.call(toolCall('x', 'a', { session: 'two' }), sinks[1]!).outcome.catch(() => {})
    await flush()
    link.emit({ method: 'notifications/message', params: { level: 'info', data: 'second' } })
    expect(sinks[0]?.notifications.map((message) => message.params?.data)).toEqual(['first'])
    expect(sinks[1]?.notifications).toEqual([])
  })
})

describe('requests of the server', () => {
  const answers = (link: { received: object[] }, id: string | number) => link.received.filter((message) => 'id' in message && message.id === id && !('method' in message))

  test('ping is answered by us, unknown methods and shared connections get an honest error', async () => {
    const { link } = await connected({ clientSink: () => 'this server is shared' })
    link.emit({ id: 'p', method: 'ping' })
    link.emit({ id: 'u', method: 'make/coffee' })
    link.emit({ id: 's', method: 'sampling/createMessage', params: {} })
    expect(answers(link, 'p')).toEqual([{ jsonrpc: '2.0', id: 'p', result: {} }])
    expect(answers(link, 'u')).toMatchObject([{ error: { code: -32601 } }])
    expect(answers(link, 's')).toMatchObject([{ error: { code: -32601, message: 'sampling/createMessage: this server is shared' } }])
  })

  test('the client’s result and error both reach the server; meanwhile the call’s time stands still', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const sink = recordingSink(async (method) => {
      await promise
      return method === 'roots/list' ? { error: { code: -1, message: 'no roots' } } : { result: { action: 'accept' } }
    })
    const { clock, link, connection } = await connected({ clientSink: () => sink })
    const call = connection.call(toolCall('x', 'ask', { timeout: 1_000 }), sink)
    await flush()
    const { id } = sentCall(link)
    link.emit({ id: 1, method: 'elicitation/create', params: { message: 'sure?' } })
    link.emit({ id: 2, method: 'roots/list' })
    clock.advance(30_000)
    resolve()
    await flush()
    // Our own requests use small numbers too: the two directions must not be mixed up.
    expect(answers(link, 1)).toEqual([{ jsonrpc: '2.0', id: 1, result: { action: 'accept' } }])
    expect(answers(link, 2)).toEqual([{ jsonrpc: '2.0', id: 2, error: { code: -1, message: 'no roots' } }])
    link.answer(id, { content: [] })
    expect(await call.outcome).toEqual({ result: { content: [] } })
    expect(sink.requests).toEqual([
      { method: 'elicitation/create', params: { message: 'sure?' } },
      { method: 'roots/list', params: undefined }
    ])
  })

  test('a forgotten question ends, a cancelled one is not answered, too many are refused', async () => {
    const { clock, link } = await connected({ clientSink: () => recordingSink(() => new Promise(() => {})) })
    for (let id = 1; id <= 65; id += 1) link.emit({ id, method: 'elicitation/create', params: {} })
    expect(answers(link, 65)).toMatchObject([{ error: { code: -32600 } }])
    link.emit({ method: 'notifications/cancelled', params: { requestId: 2 } })
    clock.advance(600_000)
    expect(answers(link, 1)).toMatchObject([{ error: { code: -32603 } }])
    expect(answers(link, 2)).toEqual([])
    expect(clock.pending).toBe(0)
  })
})
