import { describe, expect, test } from 'vitest'
import { SkeinError } from '../../../../src/base/errors.ts'
import type { Logger } from '../../../../src/base/logger.ts'
import { MAX_CALLS } from '../../../../src/mcp/downstream/session.ts'
import { PAGE_SIZE } from '../../../../src/mcp/downstream/pages.ts'
import { settle, setup } from './setup.ts'

const initialize = (protocolVersion: unknown) => ({ protocolVersion, clientInfo: { name: 'c', version: '1' }, capabilities: {} })

describe('initialize', () => {
  test.each([
    ['2025-11-25', '2025-11-25'],
    ['2025-06-18', '2025-06-18'],
    ['2024-10-07', '2024-10-07'],
    ['2026-07-28', '2025-11-25'],
    ['nonsense', '2025-11-25']
  ])('asked for %s it speaks %s', (asked, spoken) => {
    const { request, sent } = setup({ initialize: false })
    request(1, 'initialize', initialize(asked))
    expect(sent[0]?.message.result).toEqual({
      protocolVersion: spoken,
      capabilities: { tools: { listChanged: true } },
      serverInfo: { name: 'skein', version: '1.2.3' }
    })
  })

  test('a one-server view announces what its server has, tasks apart', () => {
    const { request, sent } = setup({ view: 'files', initialize: false })
    request(1, 'initialize', initialize('2025-11-25'))
    expect(sent[0]?.message.result?.['capabilities']).toEqual({ resources: {}, prompts: {}, tools: { listChanged: true } })
  })

  test('only once, only with a version, and before anything else but ping', () => {
    const { request, sent } = setup({ initialize: false })
    request(1, 'tools/list')
    request(2, 'ping')
    request(3, 'initialize', {})
    request(4, 'initialize', initialize('2025-11-25'))
    request(5, 'initialize', initialize('2025-11-25'))
    expect(sent.map(({ message }) => message.error?.code ?? 'ok')).toEqual([-32600, 'ok', -32602, 'ok', -32600])
  })

  test('the probe of the modern era gets the answer that leads to initialize', () => {
    const { request, sent } = setup({ initialize: false })
    request(1, 'server/discover', { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } })
    expect(sent[0]?.message.error).toMatchObject({ code: -32022, data: { requested: '2026-07-28', supported: expect.arrayContaining(['2025-11-25']) } })
  })
})

describe('tools/list', () => {
  test('pages of 1000 with a cursor that survives a change of the list', () => {
    const { request, sent, backend } = setup()
    const names = Array.from({ length: 2 * PAGE_SIZE + 1 }, (_, index) => `t${String(index).padStart(5, '0')}`)
    backend.setTools(names)
    const page = (cursor?: unknown) => {
      sent.length = 0
      request('l', 'tools/list', cursor === undefined ? undefined : { cursor })
      return sent[0]?.message.result as { tools: { name: string }[]; nextCursor?: string }
    }
    const first = page()
    expect(first.tools).toHaveLength(PAGE_SIZE)
    expect(page().tools).toBe(first.tools)
    backend.setTools(names.slice(10))
    const second = page(first.nextCursor)
    expect(second.tools[0]?.name).toBe(names[PAGE_SIZE])
    const third = page(second.nextCursor)
    expect(third.tools.map((tool) => tool.name)).toEqual([names.at(-1)])
    expect(third.nextCursor).toBeUndefined()
  })

  test.each([['!'], [7], [{}], ['a'.repeat(2000)]])('the cursor %j is refused', (cursor) => {
    const { request, sent } = setup()
    request(1, 'tools/list', { cursor })
    expect(sent[0]?.message.error?.code).toBe(-32602)
  })

  test('a server that is gone is an error, not an empty list', () => {
    const { request, sent, backend } = setup({ view: 'files' })
    backend.setTools(undefined, 'files')
    request(1, 'tools/list')
    expect(sent[0]?.message.error).toMatchObject({ code: -32000, data: { code: 'SKEIN_NO_PROVIDER' } })
  })
})

describe('a call', () => {
  test('goes to the backend with view, client, time, trace and params as they are', async () => {
    const { backend, sent, session } = setup({ view: 'files', capabilities: { roots: {} } })
    const params = { name: 'x', arguments: { a: 1 }, _meta: { progressToken: 7, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' } }
    session.receive({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }, { correlation: 'mine' })
    const { request: passed } = backend.calls[0]!
    expect(passed).toMatchObject({ server: 'files', method: 'tools/call', correlation: 'mine' })
    expect(passed.params).toBe(params)
    expect(passed.client).toEqual({ session: session.id, clientInfo: { name: 'test', version: '1' }, capabilities: { roots: {} } })
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
    request(1, 'tools/call', { name: 'a__x' })
    const { sink, answer } = backend.calls[0]!
    const progress = (value: number) => ({ jsonrpc: '2.0' as const, method: 'notifications/progress', params: { progressToken: 1, progress: value } })
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

  test('without a name it never reaches the backend', () => {
    const { request, backend, sent } = setup()
    request(1, 'tools/call', {})
    expect(sent[0]?.message.error?.code).toBe(-32602)
    expect(backend.calls).toHaveLength(0)
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

describe('requests of the server', () => {
  const call = (capabilities: Record<string, unknown>) => {
    const all = setup({ capabilities })
    all.request(1, 'tools/call', { name: 'a__x' })
    return { ...all, sink: all.backend.calls[0]!.sink, answer: all.backend.calls[0]!.answer }
  }

  test('go to the client under an id of ours, related to the call, and back', async () => {
    const { sink, sent, session } = call({ sampling: {} })
    const outcome = sink.request('sampling/createMessage', { messages: [] })
    const { message, related } = sent[0]!
    expect(message).toMatchObject({ method: 'sampling/createMessage', params: { messages: [] } })
    expect(related).toBe(1)
    session.receive({ jsonrpc: '2.0', id: message.id!, result: { role: 'assistant' } })
    expect(await outcome).toEqual({ result: { role: 'assistant' } })
  })

  test("the client's error goes back as it is", async () => {
    const { sink, sent, session } = call({ elicitation: {} })
    const outcome = sink.request('elicitation/create', {})
    session.receive({ jsonrpc: '2.0', id: sent[0]!.message.id!, error: { code: -1, message: 'no' } })
    expect(await outcome).toEqual({ error: { code: -1, message: 'no' } })
  })

  test('a client that cannot is never asked', async () => {
    const { sink, sent } = call({})
    expect(await sink.request('sampling/createMessage', {})).toMatchObject({ error: { code: -32601 } })
    expect(await sink.request('something/else', {})).toMatchObject({ error: { code: -32601 } })
    expect(sent).toEqual([])
  })

  test('a client that leaves, cannot be reached, or is silent: an error', async () => {
    const gone = call({ roots: {} })
    const asked = gone.sink.request('roots/list', undefined)
    gone.session.close('gone')
    expect(await asked).toMatchObject({ error: { code: -32000 } })

    const unreachable = call({ roots: {} })
    unreachable.state.reachable = false
    expect(await unreachable.sink.request('roots/list', undefined)).toMatchObject({ error: { code: -32000 } })

    const silent = call({ roots: {} })
    const waiting = silent.sink.request('roots/list', undefined)
    silent.clock.advance(10 * 60_000)
    expect(await waiting).toMatchObject({ error: { message: expect.stringContaining('10 minutes') } })
    expect(silent.sent.at(-1)?.message.method).toBe('notifications/cancelled')
  })

  test('when the call ends the client is told before the answer', async () => {
    const { sink, sent, answer, clock } = call({ roots: {} })
    const asked = sink.request('roots/list', undefined)
    answer({ result: {} })
    expect(await asked).toMatchObject({ error: { code: -32000 } })
    expect(sent.map(({ message }) => message.method ?? 'answer')).toEqual(['roots/list', 'notifications/cancelled', 'answer'])
    expect(clock.pending).toBe(0)
    expect(await sink.request('roots/list', undefined)).toMatchObject({ error: { code: -32000 } })
  })

  test('at most 64 wait', async () => {
    const { sink } = call({ roots: {} })
    for (let index = 0; index < 64; index++) void sink.request('roots/list', undefined)
    expect(await sink.request('roots/list', undefined)).toMatchObject({ error: { data: { code: 'SKEIN_BUSY' } } })
  })

  test('answers nobody asked for are ignored', () => {
    const { session, sent } = call({})
    session.receive({ jsonrpc: '2.0', id: 'skein-9', result: {} })
    session.receive({ jsonrpc: '2.0', id: null, error: { code: 1, message: 'x' } })
    expect(sent).toEqual([])
  })
})

describe('list_changed', () => {
  const changed = { message: { jsonrpc: '2.0', method: 'notifications/tools/list_changed' }, related: undefined }

  test('once for a burst, only when this view changed', () => {
    const { backend, sent, clock } = setup({ view: 'files' })
    backend.setTools(['other'], 'elsewhere')
    clock.advance(1_000)
    expect(sent).toEqual([])
    backend.setTools(['x'], 'files')
    backend.setTools(['x', 'z'], 'files')
    expect(sent).toEqual([])
    clock.advance(1_000)
    expect(sent).toEqual([changed])
  })

  test('a list built anew that says the same is no change', () => {
    const { backend, sent, clock } = setup()
    const { tools } = backend.tools(undefined)!
    const rebuilt = tools.map((tool) => ({ ...tool }))
    backend.tools = () => ({ tools: rebuilt })
    backend.setTools(['of another view'], 'files')
    clock.advance(1_000)
    expect(sent).toEqual([])
    const changedOne = rebuilt.map((tool, index) => (index === 0 ? { ...tool, description: 'new' } : tool))
    backend.tools = () => ({ tools: changedOne })
    backend.setTools(['again'], 'files')
    clock.advance(1_000)
    expect(sent).toHaveLength(1)
  })

  test('waits for a stream when there is none', () => {
    const { backend, sent, clock, state, session } = setup()
    state.reachable = false
    backend.setTools(['new'])
    clock.advance(1_000)
    state.reachable = true
    session.streamOpened()
    session.streamOpened()
    expect(sent).toEqual([changed])
  })

  test('a change before the client is ready is told when it is; a client that listed since needs none', () => {
    const { backend, sent, clock, request, notify } = setup({ initialize: false })
    request(1, 'initialize', initialize('2025-11-25'))
    backend.setTools(['new'])
    clock.advance(1_000)
    expect(sent).toHaveLength(1)
    notify('notifications/initialized')
    expect(sent[1]).toEqual(changed)
    backend.setTools(['newer'])
    request(2, 'tools/list')
    sent.length = 0
    clock.advance(1_000)
    expect(sent).toEqual([])
  })
})

describe('other requests', () => {
  test.each(['resources/list', 'resources/read', 'prompts/get', 'completion/complete', 'logging/setLevel'])('%s passes through a one-server view only', (method) => {
    const one = setup({ view: 'files' })
    one.request(1, method, { uri: 'x' })
    expect(one.backend.calls[0]?.request).toMatchObject({ method, server: 'files' })
    const all = setup()
    all.request(1, method, {})
    expect(all.sent[0]?.message.error?.code).toBe(-32601)
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
    expect(counts).toMatchObject({ 'tools/call ok http': 1, 'tools/call error http': 1, 'tools/call cancelled http': 1, 'other error http': 2, 'initialize ok http': 1 })
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
