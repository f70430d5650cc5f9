import { describe, expect, test } from 'vitest'
import { SkeinError } from '../../../../src/base/errors.ts'
import { MAX_STATELESS } from '../../../../src/mcp/downstream/create-downstream.ts'
import { withType } from '../../../../src/mcp/downstream/rev2026/results.ts'
import type { Json } from '../../../../src/wire/json-rpc.ts'
import { envelope, settle, setup, setupStateless } from './setup.ts'

const VERSION = 'io.modelcontextprotocol/protocolVersion'
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities'
const INFO = 'io.modelcontextprotocol/clientInfo'
const LEVEL = 'io.modelcontextprotocol/logLevel'

describe('server/discover', () => {
  test('says who we are and exactly what the view has', () => {
    const { send } = setupStateless({ view: 'files', lists: { tools: [{ name: 'x' }], capabilities: { prompts: {}, tasks: {} }, instructions: 'Read first.' } })
    expect(send('server/discover').sent[0]?.message.result).toEqual({
      resultType: 'complete',
      supportedVersions: ['2026-07-28'],
      capabilities: { tools: { listChanged: true }, prompts: { listChanged: true } },
      instructions: 'Read first.',
      ttlMs: 5000,
      cacheScope: 'private',
      _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'skein', version: '1.2.3' } }
    })
  })

  test('of a view that has gone is an error', () => {
    const { send, backend } = setupStateless({ view: 'files' })
    backend.setView('files', undefined)
    expect(send('server/discover').sent[0]?.message.error).toMatchObject({ code: -32000, data: { code: 'SKEIN_NO_PROVIDER' } })
  })
})

describe('the envelope', () => {
  test.each([
    [VERSION, undefined, VERSION],
    [CAPABILITIES, undefined, CAPABILITIES],
    [VERSION, 7, VERSION],
    [CAPABILITIES, [], CAPABILITIES],
    [CAPABILITIES, { sampling: true }, `${CAPABILITIES}.sampling`],
    [INFO, 'me', INFO],
    [INFO, { name: 'me' }, INFO],
    [LEVEL, 'loud', LEVEL],
    ['progressToken', {}, 'progressToken']
  ])('with %s %j is refused, naming %s', (key, value, named) => {
    const { send, backend } = setupStateless()
    const { sent } = send('tools/list', {}, { meta: { [key]: value } })
    expect(sent).toMatchObject([{ refused: true, message: { error: { code: -32602, message: expect.stringContaining(named), data: { envelope: { key: named } } } } }])
    expect(backend.calls).toEqual([])
  })

  test('without anything is refused', () => {
    const { downstream, recordingLink } = setupStateless()
    for (const params of [undefined, {}, { _meta: null }, { _meta: [] }]) {
      const { link, sent } = recordingLink()
      const message = { jsonrpc: '2.0' as const, id: 1, method: 'tools/list' }
      downstream.stateless(params === undefined ? message : { ...message, params: params as Json }, { view: undefined, link, headers: {} })
      expect(sent).toMatchObject([{ refused: true, message: { error: { code: -32602 } } }])
    }
  })

  test('needs no clientInfo', () => {
    const { send, backend } = setupStateless()
    send('tools/call', { name: 'a__x' }, { meta: { [INFO]: undefined } })
    expect(backend.calls[0]?.request.client).toEqual({ session: undefined, clientInfo: { name: 'unknown', version: '0' }, capabilities: {}, logLevel: undefined })
  })

  test('of a revision that we do not speak is refused with those that we do', () => {
    const { send } = setupStateless()
    const { sent } = send('tools/list', {}, { meta: { [VERSION]: 'v999.0.0' }, headers: { 'mcp-protocol-version': 'v999.0.0' } })
    expect(sent).toMatchObject([{ refused: true, message: { error: { code: -32022, data: { supported: ['2026-07-28'], requested: 'v999.0.0' } } } }])
  })
})

describe('lists', () => {
  test.each([
    ['tools/list', 'tools'],
    ['prompts/list', 'prompts'],
    ['resources/list', 'resources'],
    ['resources/templates/list', 'resourceTemplates']
  ])('%s has its type and how long it may be kept', (method, name) => {
    const { send } = setupStateless({ lists: { [name]: [{ name: 'n', uri: 'x://a', uriTemplate: 'x://{a}' }] } })
    expect(send(method).sent[0]?.message.result).toEqual({ resultType: 'complete', ttlMs: 5000, cacheScope: 'private', [name]: [{ name: 'n', uri: 'x://a', uriTemplate: 'x://{a}' }] })
    expect(send(method, { cursor: '!' }).sent[0]).toMatchObject({ message: { error: { code: -32602 } } })
  })

  test('of one server come from it', async () => {
    const { send, backend } = setupStateless({ view: 'files', lists: { capabilities: { prompts: {} } } })
    const { sent } = send('prompts/list', { cursor: 'theirs' })
    expect(backend.calls[0]?.request).toMatchObject({ view: 'files', method: 'prompts/list', params: { cursor: 'theirs' } })
    backend.calls[0]!.answer({ raw: '{"prompts":[],"ttlMs":0,"cacheScope":"private"}', typed: false })
    await settle()
    expect(sent[0]?.message.result).toEqual({ resultType: 'complete', prompts: [], ttlMs: 0, cacheScope: 'private' })
  })
})

describe('methods', () => {
  test.each(['initialize', 'ping', 'logging/setLevel', 'resources/subscribe', 'resources/unsubscribe', 'tasks/get', 'unknown/method', 'constructor', 'prompts/list', 'resources/read'])(
    '%s is none of a view with tools only',
    (method) => {
      const { send } = setupStateless()
      expect(send(method, { uri: 'x', name: 'x' }).sent).toMatchObject([{ refused: true, message: { error: { code: -32601 } } }])
    }
  )

  test('tools/list is none of a view without tools', () => {
    const { send } = setupStateless({ lists: { capabilities: { prompts: {} } } })
    expect(send('tools/list').sent[0]?.message.error?.code).toBe(-32601)
  })

  test.each(['tools/call', 'prompts/get', 'resources/read'])('%s without what it is for is wrong, but not in its form', (method) => {
    const { send } = setupStateless({ lists: { capabilities: { prompts: {}, resources: {} } } })
    const { sent } = send(method)
    expect(sent[0]?.message.error?.code).toBe(-32602)
    expect(sent[0]).not.toHaveProperty('refused')
  })
})

describe('a call', () => {
  test('goes to the backend as it came, for a client without session', async () => {
    const { send, backend } = setupStateless({ view: 'files' })
    const { sent, request } = send('tools/call', { name: 'x', arguments: { a: 1 } }, { meta: { [CAPABILITIES]: { sampling: {} }, [LEVEL]: 'error', progressToken: 3, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' } })
    const passed = backend.calls[0]!.request
    expect(passed).toMatchObject({ view: 'files', method: 'tools/call', correlation: expect.stringMatching(/^[0-9a-f]{16}$/) })
    expect(passed.params).toBe(request.params)
    expect(passed.client).toEqual({ session: undefined, clientInfo: { name: 'modern', version: '2' }, capabilities: { sampling: {} }, logLevel: 'error' })
    expect(Buffer.from(passed.trace!.spanId).toString('hex')).toBe('b7ad6b7169203331')
    backend.calls[0]!.answer({ result: { content: [] } })
    await settle()
    expect(sent).toEqual([{ message: { jsonrpc: '2.0', id: 1, result: { content: [], resultType: 'complete' } }, related: 1 }])
  })

  test('with equal ids of different clients are different calls', async () => {
    const { send, backend } = setupStateless()
    const first = send('tools/call', { name: 'a__x' }, { id: 1 })
    const second = send('tools/call', { name: 'b__y' }, { id: 1 })
    backend.calls[1]!.answer({ result: { n: 2 } })
    await settle()
    expect(first.sent).toEqual([])
    expect(second.sent[0]?.message.result).toMatchObject({ n: 2 })
  })

  test('has its progress, and log lines only if it asked for them', () => {
    const { send, backend } = setupStateless()
    const quiet = send('tools/call', { name: 'a__x' }, { meta: { progressToken: 0 } })
    const curious = send('tools/call', { name: 'a__x' }, { meta: { [LEVEL]: 'debug', progressToken: 0 } })
    const silent = send('tools/call', { name: 'a__x' })
    for (const { sink } of backend.calls) {
      sink.notification({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: '' } })
      sink.notification({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 0 } })
    }
    const methods = ({ sent }: typeof quiet) => sent.map(({ message, related }) => [message.method, related])
    expect(methods(silent)).toEqual([])
    expect(methods(quiet)).toEqual([['notifications/progress', quiet.id]])
    expect(methods(curious)).toEqual([['notifications/message', curious.id], ['notifications/progress', curious.id]])
  })

  test('is counted with its era and named by the id it brought', () => {
    const { downstream, recordingLink, backend, meter } = setupStateless()
    const { link } = recordingLink()
    const message = { jsonrpc: '2.0' as const, id: 1, method: 'tools/call', params: { name: 'a__x', _meta: envelope() } }
    const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'a__x' }
    downstream.stateless(message, { view: undefined, link, headers, correlation: 'mine' }).cancel('enough')
    expect(backend.calls[0]?.request.correlation).toBe('mine')
    const counted = meter.snapshot().find(({ name }) => name === 'mcp_requests_total')!.samples.filter(({ value }) => value > 0)
    expect(counted.map(({ labels }) => labels)).toEqual([['tools/call', 'cancelled', 'http', '2026']])
  })

  test('that is cancelled reaches the server; nothing follows', async () => {
    const { send, backend } = setupStateless()
    const { running, sent, dropped } = send('tools/call', { name: 'a__x' })
    running.cancel('gone')
    running.cancel('gone')
    await settle()
    expect(backend.calls[0]?.cancelled).toBe('gone')
    expect([sent, dropped]).toEqual([[], [1]])
  })

  test('that fails is an error of the call, not of its form', async () => {
    const { send, backend } = setupStateless()
    const { sent } = send('tools/call', { name: 'nobody' })
    backend.calls[0]!.fail(new SkeinError('SKEIN_NOT_FOUND', 'There is none.'))
    await settle()
    expect(sent[0]).toMatchObject({ message: { error: { code: -32602 } } })
    expect(sent[0]).not.toHaveProperty('refused')
  })

  test(`is refused beyond ${MAX_STATELESS} at once, and when the node stops`, async () => {
    const { send, backend, downstream } = setupStateless()
    for (let index = 0; index < MAX_STATELESS; index++) send('tools/call', { name: 'a__x' })
    expect(send('tools/call', { name: 'a__x' }).sent[0]?.message.error).toMatchObject({ code: -32000, data: { code: 'SKEIN_BUSY' } })
    for (const call of backend.calls) call.answer({ result: {} })
    await settle()
    const last = send('tools/call', { name: 'a__x' })
    let drained = false
    void downstream.drain().then(() => (drained = true))
    expect(send('tools/call', { name: 'a__x' }).sent[0]?.message.error).toMatchObject({ code: -32000, data: { code: 'SKEIN_GOAWAY' } })
    await settle()
    expect(drained).toBe(false)
    downstream.close()
    await settle()
    expect([drained, last.dropped]).toEqual([true, []])
    expect(last.sent).toMatchObject([{ message: { error: { code: -32000, data: { code: 'SKEIN_OUTCOME_UNKNOWN' } } } }])
    expect(backend.calls.at(-1)?.cancelled).toBe('the node is stopping')
  })
})

describe('input_required', () => {
  const required = { result: { resultType: 'input_required', inputRequests: { a: { method: 'roots/list' } }, requestState: 's' } }

  test.each([['tools/call'], ['prompts/get'], ['resources/read']])('of %s is the client’s to answer', async (method) => {
    const { send, backend } = setupStateless({ lists: { capabilities: { prompts: {}, resources: {} } } })
    const { sent } = send(method, { name: 'x', uri: 'x' }, { headers: { 'mcp-name': 'x' } })
    backend.calls[0]!.answer(required)
    await settle()
    expect(sent[0]?.message.result).toEqual(required.result)
    expect(backend.calls).toHaveLength(1)
  })

  test('of anything else is the server’s mistake, and it hears that nobody will answer', async () => {
    const { send, backend, clock } = setupStateless({ lists: { capabilities: { completions: {} } } })
    const { sent } = send('completion/complete')
    backend.calls[0]!.answer(required)
    await settle()
    expect(sent[0]?.message.error).toMatchObject({ code: -32603, data: { code: 'SKEIN_UPSTREAM_INVALID' } })
    clock.advance(1)
    expect(backend.calls[1]).toMatchObject({ cancelled: expect.any(String), request: { params: { requestState: 's' } } })
  })

  test('is answered with params that pass on', () => {
    const { send, backend } = setupStateless()
    const retry = { inputResponses: { a: { roots: [] }, unknown: { x: 1 } }, requestState: 's' }
    send('tools/call', { name: 'a__x', ...retry })
    expect(backend.calls[0]?.request.params).toMatchObject(retry)
  })

  test.each([
    [{ requestState: 7 }],
    [{ requestState: null }],
    [{ inputResponses: null }],
    [{ inputResponses: [] }],
    [{ inputResponses: { user_name: 12345 } }],
    [{ inputResponses: { a: null } }]
  ])('%j answers nothing', (params) => {
    const { send, backend } = setupStateless()
    expect(send('tools/call', { name: 'a__x', ...params }).sent[0]?.message.error?.code).toBe(-32602)
    expect(backend.calls).toEqual([])
  })
})

test.each([
  [{ raw: '{}', typed: false }, { resultType: 'complete' }],
  [{ raw: '{ }', typed: false }, { resultType: 'complete' }],
  [{ raw: '{"a":1}', typed: false }, { resultType: 'complete', a: 1 }],
  [{ raw: '{ "a": {} }', typed: false }, { resultType: 'complete', a: {} }],
  [{ raw: '{"a":1,"resultType":"other"}', typed: true }, { a: 1, resultType: 'other' }],
  [{ result: { a: 1 } }, { a: 1, resultType: 'complete' }],
  [{ result: { resultType: 'other' } }, { resultType: 'other' }]
])('%j has its type', (outcome, result) => {
  const typed = withType(outcome)
  expect('raw' in typed ? JSON.parse(typed.raw) : 'result' in typed && typed.result).toEqual(result)
})

describe('on one connection with a session', () => {
  test('each request is of the era it speaks, also without initialize', async () => {
    const { request, notify, sent, backend, dropped } = setup({ transport: 'stdio', initialize: false })
    request(1, 'server/discover', { _meta: envelope() })
    request(2, 'tools/call', { name: 'a__x', _meta: envelope() })
    request(3, 'tools/call', { name: 'a__x' })
    request(4, 'initialize', { protocolVersion: '2025-11-25' })
    request(5, 'initialize', { _meta: envelope() })
    request(6, 'tools/call', { name: 'b__y' })
    request(2, 'tools/call', { name: 'a__x', _meta: envelope() })
    expect(sent.map(({ message }) => message.error?.code ?? 'ok')).toEqual(['ok', -32600, 'ok', -32601, -32600])
    expect(backend.calls.map(({ request: { client } }) => client.session !== undefined)).toEqual([false, true])
    for (const call of backend.calls) call.answer({ result: {} })
    notify('notifications/cancelled', { requestId: 6 })
    await settle()
    expect(sent.at(-1)?.message).toEqual({ jsonrpc: '2.0', id: 2, result: { resultType: 'complete' } })
    expect(dropped).toEqual([6])
  })

  test('a probe without an envelope hears what is missing', () => {
    const { request, sent } = setup({ initialize: false })
    request(1, 'server/discover', {})
    expect(sent[0]?.message.error).toMatchObject({ code: -32602, data: { envelope: { key: '_meta' } } })
  })

  test('there are no rules for headers, and its calls count to its own bound', () => {
    const { request, sent, session, backend } = setup({ transport: 'stdio', initialize: false })
    for (let id = 0; id <= 64; id++) request(id, 'tools/call', { name: 'a__x', _meta: envelope() })
    expect(backend.calls).toHaveLength(64)
    expect(session.running).toBe(64)
    expect(sent[0]?.message.error).toMatchObject({ code: -32000, data: { code: 'SKEIN_BUSY' } })
  })
})
