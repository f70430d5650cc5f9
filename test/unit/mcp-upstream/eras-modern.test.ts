import { describe, expect, test } from 'vitest'
import type { JsonRpcRequest } from '../../../src/wire/json-rpc.ts'
import { namingHeaders } from '../../../src/mcp/upstream/rev2026/headers.ts'
import { codeOf, flush, mcpRequest, recordingSink, toolCall } from '../../support/mcp-calls.ts'
import { createMemoryServer, type MemoryLink, type MemoryServer } from '../../support/memory-upstream.ts'
import { answersTo, connected, dial, sentCall, type DialOptions } from '../../support/upstream-connections.ts'

function modern(options: DialOptions = {}, server: (server: MemoryServer) => void = () => {}) {
  return connected({
    era: 'auto',
    ...options,
    server(made) {
      made.era = '2026'
      made.capabilities = {}
      server(made)
    }
  })
}

const VERSION = 'io.modelcontextprotocol/protocolVersion'
const INFO = 'io.modelcontextprotocol/clientInfo'
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities'
const LEVEL = 'io.modelcontextprotocol/logLevel'

describe('calls of a server of the newer era', () => {
  test.each([
    ['default', 'info'],
    ['error', 'error'],
    [undefined, undefined]
  ] as const)('say for whom they are; log level %s is sent as %s', async (logLevel, sent) => {
    const { link, connection } = await modern()
    const request = toolCall('x', 'echo', { token: 't', capabilities: { sampling: {}, tasks: {}, extensions: { 'io.modelcontextprotocol/tasks': {}, 'io.modelcontextprotocol/ui': {} } }, params: { _meta: { progressToken: 't', traceparent: '00-1', [VERSION]: '1999-01-01' } } })
    void connection.call({ ...request, client: { ...request.client, logLevel } }, recordingSink())
    await flush()
    const { id, params } = sentCall(link)
    expect(params._meta).toEqual({
      traceparent: '00-1',
      progressToken: id,
      [VERSION]: '2026-07-28',
      [INFO]: { name: 'test', version: '1' },
      [CAPABILITIES]: { sampling: {}, extensions: { 'io.modelcontextprotocol/ui': {} } },
      ...(sent === undefined ? {} : { [LEVEL]: sent })
    })
  })

  test('results pass as text with or without a type, questions are read, retries go as they are', async () => {
    const { link, connection } = await modern()
    const params = { requestState: 'opaque', inputResponses: { a: { action: 'accept' } } }
    const calls = [{}, {}, { params }, {}].map((options) => connection.call(toolCall('x', 'echo', options), recordingSink()))
    await flush()
    const [one, two, three, four] = link.open('tools/call') as [JsonRpcRequest, JsonRpcRequest, JsonRpcRequest, JsonRpcRequest]
    expect(three.params).toMatchObject(params)
    const question = { resultType: 'input_required', inputRequests: {}, requestState: 's' }
    link.answer(one.id, { resultType: 'complete' }, { resultText: '{"resultType":"complete"}' })
    link.answer(two.id, {}, { resultText: '{}' })
    link.answer(three.id, question, { resultText: JSON.stringify(question) })
    link.refuseRequest(four.id, -32021, 'no', { requiredCapabilities: { roots: {} } })
    expect(await Promise.all(calls.map((call) => call.outcome))).toEqual([
      { raw: '{"resultType":"complete"}', typed: true },
      { raw: '{}', typed: false },
      { result: question },
      { error: { code: -32021, message: 'no', data: { requiredCapabilities: { roots: {} } } } }
    ])
    await Promise.all(calls.map((call) => call.over))
  })

  test('a client that refused a question ends the call; the server, which has no form for that, hears nothing', async () => {
    const { link, connection } = await modern()
    const error = { code: -1, message: 'the person said no' }
    const { outcome, over } = connection.call(toolCall('x', 'echo', { params: { requestState: 's', inputResponses: { a: { action: 'accept' }, b: { error } } } }), recordingSink())
    expect(await outcome).toEqual({ error })
    await over
    expect(link.open('tools/call')).toEqual([])
  })

  test('our own requests carry the envelope too, and their results are read', async () => {
    const { link, connection } = await modern()
    expect(await connection.request('tools/list', { cursor: 'c' }, 1_000)).toMatchObject({ result: { tools: [{ name: 'echo' }] } })
    expect(link.sent('tools/list')[0]?.params).toEqual({ cursor: 'c', _meta: { [VERSION]: '2026-07-28', [INFO]: { name: 'skein', version: '1.2.3' }, [CAPABILITIES]: {} } })
  })

  test('cancel, progress and deadlines as ever; ping is answered, other requests are not known here', async () => {
    const { link, clock, connection } = await modern()
    const sink = recordingSink()
    const calls = [1, 2].map(() => connection.call(toolCall('x', 'slow', { token: 't', timeout: 100 }), sink))
    await flush()
    const { id } = sentCall(link, 0)
    link.emit({ method: 'notifications/progress', params: { progressToken: id, progress: 1 } }, { related: id })
    calls[0]?.cancel('enough')
    clock.advance(100)
    expect(await Promise.all(calls.map((call) => codeOf(call.outcome)))).toEqual(['SKEIN_CANCELLED', 'SKEIN_DEADLINE'])
    expect(sink.notifications).toEqual([{ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 't', progress: 1 } }])
    expect(link.sent('notifications/cancelled')).toHaveLength(2)
    link.emit({ id: 'p', method: 'ping' })
    link.emit({ id: 's', method: 'sampling/createMessage', params: {} })
    expect(answersTo(link, 'p')).toMatchObject([{ result: {} }])
    expect(answersTo(link, 's')).toMatchObject([{ error: { code: -32601 } }])
    expect(clock.pending).toBe(0)
  })

  test('log lines go to the one client that asked for them', async () => {
    const { link, connection, outside } = await modern()
    const quiet = recordingSink()
    const curious = recordingSink()
    void connection.call(toolCall('x', 'a', { session: null }), quiet)
    void connection.call(toolCall('x', 'a', { session: null, logLevel: 'warning' }), curious)
    await flush()
    for (const level of ['info', 'error']) link.emit({ method: 'notifications/message', params: { level, data: level } })
    link.emit({ method: 'notifications/message', params: { level: 'error', data: 'for the other' } }, { related: sentCall(link, 0).id })
    expect(quiet.notifications).toEqual([])
    expect(curious.notifications.map(({ params }) => params?.data)).toEqual(['error'])
    void connection.call(toolCall('x', 'a', { session: null, logLevel: 'debug' }), recordingSink())
    await flush()
    link.emit({ method: 'notifications/message', params: { level: 'error', data: 'whose?' } })
    expect(outside.map(({ params }) => params?.data)).toEqual(['whose?'])
  })
})

describe('headers', () => {
  const definition = {
    name: 'query',
    inputSchema: {
      type: 'object',
      properties: { region: { type: 'string', 'x-mcp-header': 'Region' }, page: { type: 'integer', 'x-mcp-header': 'Page' }, deep: { type: 'object', properties: { dry: { type: 'boolean', 'x-mcp-header': 'Dry-Run' } } } }
    }
  }

  test('go with every request', async () => {
    const { link, connection } = await modern({ definition: (tool) => (tool === 'query' ? definition : undefined) })
    void connection.call(toolCall('x', 'query', { args: { region: 'eu', page: 3, deep: { dry: false } } }), recordingSink())
    void connection.call(toolCall('x', 'other'), recordingSink())
    void connection.call(mcpRequest('x', 'resources/read', { uri: 'file:///ä' }), recordingSink())
    await connection.request('tools/list', {}, 1_000)
    expect(link.headers).toEqual([
      undefined,
      { 'Mcp-Name': 'query', 'Mcp-Param-Region': 'eu', 'Mcp-Param-Page': '3', 'Mcp-Param-Dry-Run': 'false' },
      { 'Mcp-Name': 'other' },
      { 'Mcp-Name': `=?base64?${Buffer.from('file:///ä').toString('base64')}?=` },
      {}
    ])
  })

  test.each([
    ['eu west', 'eu west'],
    [' padded', '=?base64?IHBhZGRlZA==?='],
    ['', '=?base64??='],
    ['=?base64?eA==?=', '=?base64?PT9iYXNlNjQ/ZUE9PT89?='],
    ['line\nbreak', '=?base64?bGluZQpicmVhaw==?='],
    [null, undefined],
    [{}, undefined],
    [2 ** 60, undefined],
    [1.5, '1.5'],
    [true, 'true']
  ])('the value %j is sent as %s', (value, expected) => {
    expect(namingHeaders('tools/call', { name: 'query', arguments: { region: value } }, definition)['Mcp-Param-Region']).toBe(expected)
  })

  test('a tool that declares its headers wrongly gets none', () => {
    const inputSchema = { properties: { a: { type: 'number', 'x-mcp-header': 'A' } } }
    expect(namingHeaders('tools/call', { name: 'bad', arguments: { a: 1 } }, { name: 'bad', inputSchema })).toEqual({ 'Mcp-Name': 'bad' })
  })

  test('a tool with such a fault is not listed, where there are headers', async () => {
    const tools = [definition, { name: 'bad', inputSchema: { properties: { a: { 'x-mcp-header': 'A' } } } }, 'odd', { name: 'plain', inputSchema: {} }]
    const { connection } = await modern({}, (server) => void (server.tools = tools))
    const listed = await connection.request('tools/list', {}, 1_000)
    expect(listed).toMatchObject({ result: { tools: [definition, 'odd', tools[3]] } })

    const child = createMemoryServer(tools)
    child.era = '2026'
    const { opening, link } = dial(child, { era: '2026', transport: Object.assign(child.connect(), { pid: 1 }) })
    const onStdio = await opening
    expect(await onStdio.request('tools/list', {}, 1_000)).toMatchObject({ result: { tools } })
    void onStdio.call(toolCall('x', 'query'), recordingSink())
    expect(link.headers.at(-1)).toBeUndefined()
  })

  test('a mismatch means that the list of tools is old', async () => {
    const { link, connection, outside } = await modern()
    const call = connection.call(toolCall('x', 'query'), recordingSink())
    await flush()
    link.refuseRequest(sentCall(link).id, -32020, 'header mismatch')
    expect(await call.outcome).toEqual({ error: { code: -32020, message: 'header mismatch' } })
    expect(outside).toEqual([{ jsonrpc: '2.0', method: 'notifications/tools/list_changed' }])
  })
})

describe('the listening stream', () => {
  const FULL = { tools: { listChanged: true }, prompts: {}, resources: { listChanged: true, subscribe: true } }
  const LISTS = { toolsListChanged: true, resourcesListChanged: true }
  const full = (server: MemoryServer) => void (server.capabilities = FULL)
  const streams = (link: MemoryLink) => link.sent('subscriptions/listen') as JsonRpcRequest[]
  const filters = (link: MemoryLink) => streams(link).map(({ params }) => params?.notifications)
  const changed = (id: string | number | undefined, kind = 'tools') => ({ method: `notifications/${kind}/list_changed`, params: { _meta: { 'io.modelcontextprotocol/subscriptionId': id } } })

  test('asks for what the server declared, and passes on what comes without its id', async () => {
    const { link, outside } = await modern({}, full)
    await flush()
    expect(filters(link)).toEqual([LISTS])
    const [stream] = streams(link)
    link.emit(changed(stream?.id), { related: stream!.id })
    link.emit(changed('somebody else', 'prompts'))
    expect(outside).toEqual([{ jsonrpc: '2.0', method: 'notifications/tools/list_changed' }])
  })

  test('is not opened for nothing', async () => {
    const { link, connection } = await modern({}, (server) => void (server.capabilities = { resources: {} }))
    connection.subscribe(new Set(['a']))
    await flush()
    expect(streams(link)).toEqual([])
  })

  test('is replaced when the URIs change: the old one ends after the new one is there, and nothing comes twice', async () => {
    const { link, connection, outside } = await modern({}, full)
    await flush()
    connection.subscribe(new Set(['b', 'a']))
    const [first, second] = streams(link)
    link.emit(changed(first?.id))
    expect(outside).toHaveLength(1)
    expect(link.sent('notifications/cancelled')).toEqual([])
    await flush()
    expect(filters(link)[1]).toEqual({ ...LISTS, resourceSubscriptions: ['a', 'b'] })
    expect(link.sent('notifications/cancelled').map(({ params }) => params?.requestId)).toEqual([first?.id])
    link.emit(changed(first?.id))
    link.emit({ method: 'notifications/resources/updated', params: { uri: 'a', _meta: { 'io.modelcontextprotocol/subscriptionId': second?.id, kept: 1 } } })
    expect(outside).toHaveLength(2)
    expect(outside[1]?.params).toEqual({ uri: 'a', _meta: { kept: 1 } })
    connection.subscribe(new Set(['a', 'b']))
    expect(streams(link)).toHaveLength(2)
  })

  test('that was not acknowledged yet is given up for the next one', async () => {
    const { link, connection } = await modern({}, full)
    connection.subscribe(new Set(['a']))
    connection.subscribe(new Set(['a', 'b']))
    await flush()
    const ids = streams(link).map(({ id }) => id)
    expect(filters(link).at(-1)).toEqual({ ...LISTS, resourceSubscriptions: ['a', 'b'] })
    const cancelled = link.sent('notifications/cancelled').map(({ params }) => params?.requestId)
    expect(new Set(cancelled)).toEqual(new Set(ids.slice(0, -1)))
  })

  test('counts as acknowledged when something comes', async () => {
    const { link, connection, outside } = await modern({}, full)
    await flush()
    connection.subscribe(new Set(['a']))
    // The server in memory acknowledges in a later turn.
    link.emit(changed(streams(link)[1]?.id))
    expect(link.sent('notifications/cancelled').map(({ params }) => params?.requestId)).toEqual([streams(link)[0]?.id])
    expect(outside).toHaveLength(1)
  })

  test('is opened again when it breaks, later each time, and then everything may have changed', async () => {
    const { link, clock, connection, outside } = await modern({}, full)
    connection.subscribe(new Set(['a']))
    await flush()
    link.answer(streams(link).at(-1)!.id, { resultType: 'complete' })
    expect(outside).toEqual([])
    clock.advance(500)
    await flush()
    expect(streams(link)).toHaveLength(3)
    expect(outside.map(({ method }) => method)).toEqual(['notifications/tools/list_changed', 'notifications/resources/list_changed', 'notifications/resources/updated'])
    // Two failures in a row.
    link.refuse = true
    link.refuseRequest(streams(link).at(-1)!.id, -32603, 'limit')
    clock.advance(500)
    await flush()
    link.refuse = false
    clock.advance(499)
    await flush()
    expect(streams(link)).toHaveLength(3)
    clock.advance(501)
    await flush()
    expect(streams(link)).toHaveLength(4)
    expect(clock.pending).toBe(0)
  })

  test('is given up when the server does not know it', async () => {
    const { link, clock } = await modern({}, full)
    link.refuseRequest(streams(link)[0]!.id, -32601, 'what?')
    clock.advance(600_000)
    await flush()
    expect(streams(link)).toHaveLength(1)
  })

  test('ends with the link', async () => {
    const { link, clock, connection } = await modern({}, full)
    await flush()
    link.answer(streams(link)[0]!.id, {})
    await connection.close()
    clock.advance(60_000)
    expect(streams(link)).toHaveLength(1)
    expect(clock.pending).toBe(0)
  })
})
