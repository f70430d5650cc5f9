import { describe, expect, test } from 'vitest'
import { silentLogger, type Logger } from '../../../src/base/logger.ts'
import type { CallSink } from '../../../src/mcp/ports.ts'
import { codeOf, flush, mcpRequest, recordingSink, toolCall } from '../../support/mcp-calls.ts'
import { answersTo, connected, sentCall } from '../../support/upstream-connections.ts'
import type { LogLevel } from '../../../src/wire/mcp-spec.ts'

describe('calls', () => {
  test('two calls with the same client token keep their progress apart, each before its own result', async () => {
    const { link, connection } = await connected()
    const sinks = [recordingSink(), recordingSink()]
    const calls = sinks.map((sink, index) => connection.call(toolCall('x', 'slow', { token: 'mine', session: `s${index}` }), sink))
    await flush()
    const tokens = link.open('tools/call').map((request) => (request.params as { _meta: { progressToken: number } })._meta.progressToken)
    expect(new Set(tokens).size).toBe(2)
    expect(sentCall(link).params._meta).toMatchObject({ kept: true })
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

  test('an error without an id is nobody’s answer, unless it came on the stream of a request', async () => {
    const { link, connection } = await connected()
    const calls = [1, 2].map(() => connection.call(toolCall('x', 'echo'), recordingSink()))
    await flush()
    const [first, second] = link.open('tools/call').map(({ id }) => id)
    link.emit({ id: null, error: { code: -32601, message: 'no such notification' } })
    link.emit({ id: null, error: { code: -32000, message: 'bad request' } }, { related: second! })
    link.answer(first!, { content: [] })
    expect(await calls[0]?.outcome).toEqual({ result: { content: [] } })
    expect(await calls[1]?.outcome).toEqual({ error: { code: -32000, message: 'bad request' } })
  })

  test('cancel tells the server and settles at once; the late answer is ignored', async () => {
    const { link, connection } = await connected()
    const call = connection.call(toolCall('x', 'slow'), recordingSink())
    await flush()
    const { id } = sentCall(link)
    call.cancel('enough')
    expect(await codeOf(call.outcome)).toBe('SKEIN_CANCELLED')
    await call.over
    expect(link.received.at(-1)).toEqual({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id, reason: 'enough' } })
    link.answer(id, { content: [] })
    call.cancel('again')
    expect(link.sent('notifications/cancelled')).toHaveLength(1)
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
    expect(link.sent('notifications/cancelled')).toEqual([])
    clock.advance(101)
    expect(await codeOf(call.outcome)).toBe('SKEIN_DEADLINE')
    expect(link.received.at(-1)).toMatchObject({ method: 'notifications/cancelled', params: { requestId: id } })
    expect(clock.pending).toBe(0)
  })

  test('a server that reports progress for ever does not hold its caller for ever', async () => {
    const { clock, link, connection } = await connected()
    const call = connection.call(toolCall('x', 'slow', { timeout: 1_000_000, token: 't' }), recordingSink())
    await flush()
    const { id } = sentCall(link)
    for (let hour = 0; hour < 4; hour += 1) {
      clock.advance(899_999)
      link.emit({ method: 'notifications/progress', params: { progressToken: id, progress: hour } })
    }
    clock.advance(5)
    expect(await codeOf(call.outcome)).toBe('SKEIN_DEADLINE')
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
    const sink: CallSink = { notification: () => { throw new Error('broken sink') } }
    const call = connection.call(toolCall('x', 'slow', { token: 1 }), sink)
    await flush()
    const { id } = sentCall(link)
    link.emit({ method: 'notifications/progress', params: { progressToken: id, progress: 1 } })
    link.answer(id, { content: [] })
    expect(await call.outcome).toEqual({ result: { content: [] } })
  })

  test('odd notifications and noise change nothing but when the server was heard', async () => {
    const { clock, link, connection } = await connected()
    clock.advance(50)
    link.emit({ method: 'notifications/of/the/future', params: [1, 2] })
    link.emit({ method: 'notifications/progress' })
    link.emit({ method: 'notifications/message', params: 'text' })
    link.emit({ id: true, result: {} })
    expect(connection.heardAt).toBe(50)
    clock.advance(10)
    link.transport.onNoise('Listening on port 3000')
    expect(connection.heardAt).toBe(60)
  })

  test('the first noise of a server is logged for everybody, more of it for those who look', async () => {
    const logged: unknown[] = []
    const logger: Logger = { ...silentLogger, info: (_, fields) => void logged.push(['info', fields]), debug: (_, fields) => void logged.push(['debug', fields]) }
    const { link } = await connected({ logger })
    for (const text of ['DEBUG {"jsonrpc":"2.0","id":1,"result":{}}', 'more']) link.transport.onNoise(text)
    expect(logged).toEqual([['info', { text: 'DEBUG {"jsonrpc":"2.0","id":1,"result":{}}' }], ['debug', { text: 'more' }]])
  })
})

describe('results of a server of the older era', () => {
  const read = mcpRequest('x', 'resources/read', { uri: 'file:///a' })
  const stateless = mcpRequest('x', 'resources/read', { uri: 'file:///a' }, { session: null })

  test('pass on as text where there is one, without a type', async () => {
    const { link, connection } = await connected()
    const call = connection.call(toolCall('x', 'echo'), recordingSink())
    await flush()
    link.answer(sentCall(link).id, { content: [] }, { resultText: '{"content":[]}' })
    expect(await call.outcome).toEqual({ raw: '{"content":[]}', typed: false })
  })

  test('a member named resultType of the server’s own does not become one of ours', async () => {
    const { link, connection } = await connected()
    const call = connection.call(toolCall('x', 'echo'), recordingSink())
    await flush()
    link.answer(sentCall(link).id, { content: [], resultType: 'input_required' }, { resultText: '{"content":[],"resultType":"input_required"}' })
    expect(await call.outcome).toEqual({ result: { content: [] } })
  })

  test('what is listed or read is not to be kept', async () => {
    const { link, connection } = await connected()
    const call = connection.call(read, recordingSink())
    await flush()
    link.answer(link.open('resources/read')[0]!.id, { contents: [] }, { resultText: '{"contents":[]}' })
    expect(await call.outcome).toEqual({ result: { contents: [], ttlMs: 0, cacheScope: 'private' } })
  })

  test.each([
    ['a client of this era gets it as it is', read, { code: -32002, message: 'not found', data: { uri: 'file:///a' } }],
    ['a client of the newer era gets its own', stateless, { code: -32602, message: 'not found', data: { uri: 'file:///a' } }]
  ])('the error for an unknown resource: %s', async (_, request, expected) => {
    const { link, connection } = await connected()
    const call = connection.call(request, recordingSink())
    await flush()
    link.refuseRequest(link.open('resources/read')[0]!.id, -32002, 'not found', { uri: 'file:///a' })
    expect(await call.outcome).toEqual({ error: expected })
  })

  test('pages to open become questions for clients of the newer era that can open pages', async () => {
    const { link, connection } = await connected()
    const elicitations = [{ mode: 'url', message: 'sign in', url: 'https://example.org/', elicitationId: 'e' }]
    const clients = [{}, { capabilities: { elicitation: { url: {} } }, session: null }, { capabilities: { elicitation: {} }, session: null }]
    const calls = clients.map((options) => connection.call(toolCall('x', 'sign', options), recordingSink()))
    await flush()
    for (const { id } of link.open('tools/call')) link.refuseRequest(id, -32042, 'sign in first', { elicitations })
    const error = { code: -32042, message: 'sign in first', data: { elicitations } }
    expect(await calls[0]?.outcome).toEqual({ error })
    expect(await calls[1]?.outcome).toEqual({ result: { resultType: 'input_required', inputRequests: { elicitation_1: { method: 'elicitation/create', params: elicitations[0] } } } })
    expect(await calls[2]?.outcome).toEqual({ error })
  })

  test('keys of the newer era do not reach the server, all others do', async () => {
    const { link, connection } = await connected()
    const reserved = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientInfo': {}, 'io.modelcontextprotocol/clientCapabilities': {}, 'io.modelcontextprotocol/logLevel': 'info' }
    void connection.call(toolCall('x', 'a', { params: { _meta: { ...reserved, traceparent: '00-1', 'vendor/key': [1] }, inputResponses: {} } }), recordingSink())
    void connection.call(toolCall('x', 'b', { params: { _meta: reserved } }), recordingSink())
    await flush()
    expect(sentCall(link, 0).params).toEqual({ name: 'a', arguments: {}, _meta: { traceparent: '00-1', 'vendor/key': [1] } })
    expect(sentCall(link, 1).params).toEqual({ name: 'b', arguments: {} })
  })
})

describe('log lines', () => {
  const line = (data: string, level = 'info') => ({ method: 'notifications/message', params: { level, data } })
  const texts = (messages: { params?: object }[]) => messages.map(({ params }) => (params as { data: unknown }).data)

  test('go to the client whose calls alone are running, and to nobody’s call when two are', async () => {
    const { link, connection, outside } = await connected()
    const sinks = [recordingSink(), recordingSink()]
    link.emit(line('before'))
    void connection.call(toolCall('x', 'a', { session: 'one' }), sinks[0]!)
    await flush()
    link.emit(line('first'))
    void connection.call(toolCall('x', 'a', { session: 'two' }), sinks[1]!)
    await flush()
    link.emit(line('second'))
    // Over HTTP it is known whose line it is.
    link.emit(line('third'), { related: sentCall(link, 1).id })
    expect(texts(sinks[0]!.notifications)).toEqual(['first'])
    expect(texts(sinks[1]!.notifications)).toEqual(['third'])
    expect(texts(outside)).toEqual(['before', 'second'])
  })

  test('two calls without a session are two clients', async () => {
    const { link, connection, outside } = await connected()
    const sink = recordingSink()
    for (let count = 0; count < 2; count += 1) void connection.call(toolCall('x', 'a', { session: null, logLevel: 'debug' }), sink)
    await flush()
    link.emit(line('whose?'))
    expect(sink.notifications).toEqual([])
    expect(texts(outside)).toEqual(['whose?'])
  })

  test.each<[LogLevel | undefined, string[]]>([
    [undefined, []],
    ['debug', ['debug', 'warning', 'odd']],
    ['warning', ['warning']]
  ])('a client of the newer era that asked for %s gets %s', async (logLevel, expected) => {
    const { link, connection, outside } = await connected()
    const sink = recordingSink()
    void connection.call(toolCall('x', 'a', { session: null, ...(logLevel === undefined ? {} : { logLevel }) }), sink)
    await flush()
    for (const level of ['debug', 'warning', 'odd']) link.emit(line(level, level))
    expect(texts(sink.notifications)).toEqual(expected)
    expect(outside).toEqual([])
  })

  test('a level is set once, and only at servers that log', async () => {
    const { link, connection } = await connected({ server: (server) => void (server.capabilities = { logging: {} }) })
    for (const level of ['info', 'info', 'debug'] as const) connection.setLogLevel(level)
    const silent = await connected()
    silent.connection.setLogLevel('info')
    await flush()
    expect(link.sent('logging/setLevel').map(({ params }) => params)).toEqual([{ level: 'info' }, { level: 'debug' }])
    expect(silent.link.sent('logging/setLevel')).toEqual([])
  })
})

describe('what a server says by itself', () => {
  test('changes of lists and resources go to whoever listens', async () => {
    const { link, outside } = await connected()
    const messages = ['notifications/tools/list_changed', 'notifications/prompts/list_changed', 'notifications/resources/list_changed'].map((method) => ({ jsonrpc: '2.0', method }))
    const updated = { jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri: 'file:///a' } }
    for (const message of [...messages, updated]) link.emit(message)
    expect(outside).toEqual([...messages, updated])
  })

  test('the server is told what differs, one request at a time, and refusals are not repeated', async () => {
    const { link, connection } = await connected({
      server(server) {
        server.capabilities = { resources: { subscribe: true } }
        server.respond = ({ id, method, params }, to) => {
          if (method === 'resources/subscribe' && params?.uri === 'b') to.refuseRequest(id, -32602, 'no such resource')
          return undefined
        }
      }
    })
    connection.subscribe(new Set(['a', 'b', 'c']))
    connection.subscribe(new Set(['b', 'c', 'd']))
    await flush()
    const told = () => link.received.flatMap((message) => ('method' in message && message.method.startsWith('resources/') ? [`${message.method.slice(10)} ${String(message.params?.uri)}`] : []))
    expect(told()).toEqual(['subscribe a', 'unsubscribe a', 'subscribe b', 'subscribe c', 'subscribe d'])
    connection.subscribe(new Set(['b', 'c', 'd']))
    await flush()
    expect(told()).toHaveLength(5)
  })

  test('a server without subscriptions is not asked for one', async () => {
    const { link, connection } = await connected()
    connection.subscribe(new Set(['a']))
    await flush()
    expect(link.sent('resources/subscribe')).toEqual([])
  })

  test('ping is answered by us, what no client can be asked is refused', async () => {
    const { link } = await connected({ own: undefined })
    link.emit({ id: 'p', method: 'ping' })
    link.emit({ id: 'u', method: 'make/coffee' })
    link.emit({ id: 's', method: 'sampling/createMessage', params: {} })
    expect(answersTo(link, 'p')).toEqual([{ jsonrpc: '2.0', id: 'p', result: {} }])
    expect(answersTo(link, 'u')).toMatchObject([{ error: { code: -32601 } }])
    expect(answersTo(link, 's')).toMatchObject([{ error: { code: -32601, message: expect.stringContaining('shared by several clients') } }])
  })
})
