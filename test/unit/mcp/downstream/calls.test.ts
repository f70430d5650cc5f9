import { describe, expect, test } from 'vitest'
import { SkeinError } from '../../../../src/base/errors.ts'
import type { Logger } from '../../../../src/base/logger.ts'
import { MAX_CALLS } from '../../../../src/mcp/downstream/session.ts'
import { settle, setup } from './setup.ts'

describe('a call', () => {
  test('goes to the backend with view, client, time, trace and params as they are', async () => {
    const { backend, sent, session } = setup({ view: 'files', capabilities: { roots: {} } })
    const params = { name: 'x', arguments: { a: 1 }, _meta: { progressToken: 7, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' } }
    session.receive({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }, { correlation: 'mine' })
    const { request: passed } = backend.calls[0]!
    expect(passed).toMatchObject({ view: 'files', method: 'tools/call', correlation: 'mine' })
    expect(passed.params).toBe(params)
    expect(passed.client).toEqual({ session: session.id, clientInfo: { name: 'test', version: '1' }, capabilities: { roots: {} }, logLevel: 'default' })
    expect(passed).not.toHaveProperty('timeout')
    expect(session.id).toMatch(/^peerA\/[0-9a-f]{16}$/)
    expect(Buffer.from(passed.trace!.spanId).toString('hex')).toBe('b7ad6b7169203331')
    backend.calls[0]!.answer({ result: { content: [] } })
    await settle()
    expect(sent).toEqual([{ message: { jsonrpc: '2.0', id: 1, result: { content: [] } }, related: 1 }])
  })

  test('gets a correlation id of its own and no trace from nonsense', () => {
    const { request, backend } = setup()
    request(1, 'tools/call', { name: 'a__x', _meta: { traceparent: 'x' } })
    request(2, 'tools/call', { name: 'a__x', _meta: null })
    expect(backend.calls[0]!.request.correlation).toMatch(/^[0-9a-f]{16}$/)
    expect(backend.calls[0]!.request).not.toHaveProperty('trace')
    expect(backend.calls[1]!.request.correlation).not.toBe(backend.calls[0]!.request.correlation)
  })

  test('progress goes out before the answer, in order, related to the call; none after', async () => {
    const { request, backend, sent } = setup()
    request(1, 'tools/call', { name: 'a__x', _meta: { progressToken: 'mine' } })
    const { sink, answer } = backend.calls[0]!
    const progress = (value: number, progressToken = 'mine') => ({ jsonrpc: '2.0' as const, method: 'notifications/progress', params: { progressToken, progress: value } })
    sink.notification(progress(0, 'of another call'))
    sink.notification({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'skein-1' } })
    sink.notification(progress(1))
    sink.notification(progress(2))
    answer({ result: {} })
    await settle()
    sink.notification(progress(3))
    expect(sent.map(({ message, related }) => [message.params?.['progress'] ?? 'result', related])).toEqual([
      [1, 1],
      [2, 1],
      ['result', 1]
    ])
  })

  test('a result that nobody had to read passes as the text it is', async () => {
    const { request, backend, sent } = setup()
    request(1, 'tools/call', { name: 'a__x' })
    request(2, 'tools/call', { name: 'a__x' })
    backend.calls[0]!.answer({ raw: '{"content":[],"z":1}', typed: false })
    backend.calls[1]!.answer({ result: { resultType: 'complete', content: [] } })
    await settle()
    expect(sent.map(({ message }) => message.result)).toEqual([{ content: [], z: 1 }, { resultType: 'complete', content: [] }])
  })

  test('an unknown resource is named where SEP-2164 has it', async () => {
    const { request, backend, sent } = setup({ lists: { capabilities: { resources: {} } } })
    request(1, 'resources/read', { uri: 'x://nothing' })
    backend.calls[0]!.fail(new SkeinError('SKEIN_NOT_FOUND', 'There is none.', { data: { uri: 'x://nothing' } }))
    await settle()
    expect(sent[0]?.message.error).toEqual({ code: -32602, message: 'There is none.', data: { code: 'SKEIN_NOT_FOUND', retry: 'elsewhere', uri: 'x://nothing' } })
  })

  test("the server's own error passes unchanged", async () => {
    const { request, backend, sent } = setup()
    request(1, 'tools/call', { name: 'a__x' })
    backend.calls[0]!.answer({ error: { code: -32042, message: 'theirs', data: [1] } })
    await settle()
    expect(sent[0]?.message.error).toEqual({ code: -32042, message: 'theirs', data: [1] })
  })

  test.each([
    ['SKEIN_NOT_FOUND', -32602],
    ['SKEIN_BAD_REQUEST', -32602],
    ['SKEIN_OUTCOME_UNKNOWN', -32000],
    ['SKEIN_UPSTREAM_DOWN', -32000],
    ['SKEIN_BUSY', -32000],
    ['SKEIN_DEADLINE', -32001]
  ] as const)('%s becomes %i with the code in data', async (code, number) => {
    const { request, backend, sent } = setup()
    request(1, 'tools/call', { name: 'a__x' })
    backend.calls[0]!.fail(new SkeinError(code, 'A sentence.'))
    await settle()
    expect(sent).toHaveLength(1)
    expect(sent[0]?.message.result).toBeUndefined()
    expect(sent[0]?.message.error).toMatchObject({ code: number, message: 'A sentence.', data: { code } })
  })

  test('an id in use is refused, and free again after the answer', async () => {
    const { request, backend, sent } = setup()
    request(1, 'tools/call', { name: 'a__x' })
    request(1, 'tools/call', { name: 'a__x' })
    request('1', 'tools/call', { name: 'a__x' })
    expect(sent.map(({ message }) => message.error?.code)).toEqual([-32600])
    expect(backend.calls).toHaveLength(2)
    backend.calls[0]!.answer({ result: {} })
    await settle()
    request(1, 'tools/call', { name: 'a__x' })
    expect(backend.calls).toHaveLength(3)
  })

  test(`call ${MAX_CALLS + 1} is refused and says so`, () => {
    const { request, backend, sent, session } = setup()
    for (let id = 0; id <= MAX_CALLS; id++) request(id, 'tools/call', { name: 'a__x' })
    expect(backend.calls).toHaveLength(MAX_CALLS)
    expect(session.running).toBe(MAX_CALLS)
    expect(sent[0]?.message.error).toMatchObject({ code: -32000, message: expect.stringContaining('64'), data: { code: 'SKEIN_BUSY' } })
  })
})

describe('cancellation', () => {
  test('tells the backend; no answer and no progress follow', async () => {
    const { request, notify, backend, sent, dropped, session } = setup()
    request(1, 'tools/call', { name: 'a__x' })
    notify('notifications/cancelled', { requestId: 1, reason: 'changed my mind' })
    await settle()
    backend.calls[0]!.sink.notification({ jsonrpc: '2.0', method: 'notifications/progress' })
    expect(backend.calls[0]!.cancelled).toBe('changed my mind')
    expect(sent).toEqual([])
    expect(dropped).toEqual([1])
    expect(session.running).toBe(0)
  })

  test('of something unknown is ignored', () => {
    const { notify, sent } = setup()
    notify('notifications/cancelled', { requestId: 99 })
    notify('notifications/cancelled')
    notify('notifications/cancelled', { requestId: {} })
    expect(sent).toEqual([])
  })
})

describe('other requests', () => {
  const everything = { capabilities: { prompts: {}, resources: {}, completions: {} } }

  test.each([
    ['resources/read', { uri: 'file:///a' }],
    ['prompts/get', { name: 'p' }],
    ['completion/complete', { ref: { type: 'ref/prompt', name: 'p' } }]
  ])('%s goes to a server, through any view that has it', (method, params) => {
    for (const view of [undefined, 'files']) {
      const { request, backend } = setup({ lists: everything, ...(view === undefined ? {} : { view }) })
      request(1, method, params)
      expect(backend.calls[0]?.request).toMatchObject({ method, view, params })
    }
  })

  test.each(['resources/list', 'resources/templates/list', 'prompts/list', 'resources/read', 'prompts/get', 'completion/complete', 'logging/setLevel', 'resources/subscribe'])(
    '%s is no method of a view that has nothing of the kind',
    (method) => {
      const { request, backend, sent } = setup()
      request(1, method, { uri: 'x', name: 'x', level: 'info' })
      expect(sent[0]?.message.error?.code).toBe(-32601)
      expect(backend.calls).toEqual([])
    }
  )

  test.each(['tools/call', 'prompts/get', 'resources/read', 'resources/subscribe'])('%s without what it is for never reaches a server', (method) => {
    const { request, backend, sent } = setup({ lists: { capabilities: { prompts: {}, resources: { subscribe: true } } } })
    for (const params of [undefined, {}, { name: 7, uri: {} }]) request('x', method, params)
    expect(sent.map(({ message }) => message.error?.code)).toEqual([-32602, -32602, -32602])
    expect(backend.calls).toEqual([])
  })

  test.each(['tasks/list', 'nonsense', 'roots/list', 'constructor'])('%s is not a method', (method) => {
    const { request, sent, backend } = setup({ view: 'files' })
    request(1, method)
    expect(sent[0]?.message.error?.code).toBe(-32601)
    expect(backend.calls).toEqual([])
  })
})

describe('the end', () => {
  test('close cancels what runs and tells the backend once', async () => {
    const { request, backend, session, sent, downstream } = setup()
    request(1, 'tools/call', { name: 'a__x' })
    session.close('bye')
    session.close('bye')
    await settle()
    expect(backend.calls[0]!.cancelled).toBe('bye')
    expect(backend.ended).toEqual([session.id])
    expect(sent).toEqual([])
    expect(downstream.sessions).toBe(0)
    request(2, 'ping')
    expect(sent).toEqual([])
  })

  test('drain refuses the new and waits for the running', async () => {
    const { request, backend, downstream, sent } = setup()
    request(1, 'tools/call', { name: 'a__x' })
    let drained = false
    void downstream.drain().then(() => (drained = true))
    request(2, 'tools/call', { name: 'a__x' })
    expect(sent[0]?.message.error).toMatchObject({ code: -32000, data: { code: 'SKEIN_GOAWAY' } })
    await settle()
    expect(drained).toBe(false)
    backend.calls[0]!.answer({ result: {} })
    await settle()
    expect(drained).toBe(true)
    expect(sent.at(-1)?.message.id).toBe(1)
    downstream.close()
    expect(backend.listeners).toBe(0)
  })

  test('after a drain that is undone new calls run again, and nobody waits for the end of the drain', async () => {
    const { request, backend, downstream, sent } = setup()
    request(1, 'tools/call', { name: 'a__x' })
    let drained = false
    void downstream.drain().then(() => (drained = true))
    expect([downstream.draining, downstream.running]).toEqual([true, 1])
    downstream.resume()
    await settle()
    expect([drained, downstream.draining, downstream.running]).toEqual([true, false, 1])
    request(2, 'tools/call', { name: 'a__x' })
    expect(downstream.running).toBe(2)
    for (const call of backend.calls) call.answer({ result: {} })
    await settle()
    expect(sent.map(({ message }) => message.id).sort()).toEqual([1, 2])
    expect(downstream.running).toBe(0)
  })
})

test('a failure of ours ends one request, not the connection', () => {
  const { request, backend, sent } = setup()
  const { lists } = backend
  backend.lists = () => {
    throw new Error('a mistake')
  }
  request(1, 'tools/list')
  request(2, 'ping')
  backend.lists = lists
  request(3, 'tools/list')
  expect(sent.map(({ message }) => message.error?.code ?? 'ok')).toEqual([-32603, 'ok', 'ok'])
})

describe('what is counted and logged', () => {
  test('every request once, by outcome; unknown methods as other', async () => {
    const { request, notify, backend, meter } = setup()
    request(1, 'tools/call', { name: 'a__x' })
    request(2, 'tools/call', { name: 'a__x' })
    request(3, 'tools/call', { name: 'a__x' })
    backend.calls[0]!.answer({ result: { isError: true } })
    backend.calls[1]!.fail(new SkeinError('SKEIN_BUSY', 'Busy.'))
    notify('notifications/cancelled', { requestId: 3 })
    for (const method of ['evil1', 'evil2']) request(method, method)
    await settle()
    const metric = (name: string) => meter.snapshot().find((family) => family.name === name)!
    const counts = Object.fromEntries(metric('mcp_requests_total').samples.map((sample) => [sample.labels.join(' '), sample.value]))
    expect(counts).toMatchObject({ 'tools/call ok http 2025': 1, 'tools/call error http 2025': 1, 'tools/call cancelled http 2025': 1, 'other error http 2025': 2, 'initialize ok http 2025': 1 })
    expect(metric('skein_mcp_sessions').samples.find((sample) => sample.labels[0] === 'http')?.value).toBe(1)
    expect(metric('skein_mcp_calls_running').samples[0]?.value).toBe(0)
  })

  test('a line for each call with correlation, method, duration, success', async () => {
    const lines: unknown[] = []
    const logger: Logger = {
      debug: (message, fields) => void lines.push(['debug', message, fields]),
      info: (message, fields) => void lines.push(['info', message, fields]),
      warn() {},
      error() {},
      child: () => logger
    }
    const { session, backend, clock } = setup({ logger })
    lines.length = 0
    session.receive({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'x' } }, { correlation: 'c1' })
    session.receive({ jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'x' } }, { correlation: 'c2' })
    clock.advance(12)
    backend.calls[0]!.answer({ result: {} })
    backend.calls[1]!.fail(new SkeinError('SKEIN_BUSY', 'Busy.'))
    await settle()
    expect(lines).toMatchObject([
      ['debug', 'request answered', { correlation: 'c1', method: 'tools/call', durationMs: 12, success: true }],
      ['info', 'request failed', { correlation: 'c2', method: 'tools/call', durationMs: 12, success: false, error: 'Busy.' }]
    ])
  })
})
