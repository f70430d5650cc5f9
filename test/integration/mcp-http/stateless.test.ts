import { describe, expect, test } from 'vitest'
import { createManualClock } from '../../support/manual-clock.ts'
import { events, said, setupFake } from './fake-sessions.ts'
import { post, until } from './setup.ts'

const VERSION = { 'mcp-protocol-version': '2026-07-28' }
const META = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} }
const request = (id: number | string, method = 'tools/call', params: object = {}) => ({ jsonrpc: '2.0', id, method, params: { ...params, _meta: META } })

describe('a request of a stateless client', () => {
  test('gets plain JSON when there is nothing else, and no session', async () => {
    const { url, sessions, mcpHttp } = await setupFake()
    const answering = post(new URL(`${url}/@search`), request('a'), { ...VERSION, 'mcp-method': 'tools/call', 'x-correlation-id': 'c-1' })
    await until(() => sessions.requests.length === 1)
    const [{ options, message, answer }] = sessions.requests as [(typeof sessions.requests)[number]]
    expect(options).toMatchObject({ view: '@search', correlation: 'c-1', headers: { 'mcp-method': 'tools/call', 'mcp-protocol-version': '2026-07-28' } })
    expect(message).toEqual(request('a'))
    expect(answer({ ok: true })).toBe(true)
    const response = await answering
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(response.headers.get('mcp-session-id')).toBeNull()
    expect(await response.json()).toEqual({ jsonrpc: '2.0', id: 'a', result: { ok: true } })
    expect(mcpHttp.sessions()).toBe(0)
  })

  test('a raw result goes out as it came', async () => {
    const { url, sessions } = await setupFake()
    const answering = post(url, request(1), VERSION)
    await until(() => sessions.requests.length === 1)
    sessions.requests[0]!.link.answer(1, { raw: '{"a" : 1.0, "ü":"\\u00fc"}', typed: true }, false)
    const response = await answering
    expect(await response.text()).toBe('{"jsonrpc":"2.0","result":{"a" : 1.0, "ü":"\\u00fc"},"id":1}')
  })

  test.each([
    ['a result', (link: Link) => link.answer(1, { result: {} }, false), 200],
    ['method not found', (link: Link) => link.answer(1, { error: { code: -32601, message: 'm' } }, true), 404],
    ['a wrong envelope', (link: Link) => link.answer(1, { error: { code: -32602, message: 'm' } }, true), 400],
    ['an unknown tool', (link: Link) => link.answer(1, { error: { code: -32602, message: 'm' } }, false), 200],
    ['a missing capability', (link: Link) => link.answer(1, { error: { code: -32021, message: 'm' } }, false), 400],
    ['another node that stops', (link: Link) => link.answer(1, { error: { code: -32000, message: 'm', data: { code: 'SKEIN_GOAWAY' } } }, false), 200]
  ])('%s has its status', async (_name, answer, status) => {
    const { url, sessions } = await setupFake()
    const answering = post(url, request(1), VERSION)
    await until(() => sessions.requests.length === 1)
    answer(sessions.requests[0]!.link)
    const response = await answering
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject({ id: 1 })
  })

  test('an event stream without ids when something comes first', async () => {
    const { url, sessions } = await setupFake()
    const answering = post(url, request(1), VERSION)
    await until(() => sessions.requests.length === 1)
    const [first] = sessions.requests
    expect([first!.progress(1), first!.progress(2)]).toEqual([true, true])
    const stream = events(await answering)
    first!.fail({ code: -32601, message: 'too late for a status' }, true)
    const all = await stream.rest()
    expect(all.map(said)).toEqual([1, 2, 1])
    expect(all.every(({ id }) => id === undefined)).toBe(true)
  })

  test('JSON alone for a client that takes no event stream', async () => {
    const { url, sessions } = await setupFake()
    const answering = post(url, request(1), { ...VERSION, accept: 'application/json' })
    await until(() => sessions.requests.length === 1)
    expect(sessions.requests[0]!.progress(1)).toBe(false)
    sessions.requests[0]!.answer({})
    expect(await (await answering).json()).toMatchObject({ id: 1 })
  })

  test('is cancelled when its connection closes, before and after it became a stream', async () => {
    const { url, sessions, value } = await setupFake()
    for (const streams of [false, true]) {
      const abort = new AbortController()
      const leaving = fetch(url, {
        method: 'POST', body: JSON.stringify(request(1)), signal: abort.signal,
        headers: { ...VERSION, 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
      }).catch(() => undefined)
      await until(() => sessions.requests.length === 1)
      const { progress, answer } = sessions.requests[0]!
      if (streams) progress(1)
      if (streams) await leaving
      expect(value('skein_mcp_http_stateless_open')).toBe(1)
      abort.abort()
      await leaving
      await until(() => sessions.requests[0]!.cancelled !== undefined)
      expect(sessions.requests[0]!.cancelled).toBe('the client closed the connection')
      expect(value('skein_mcp_http_stateless_open')).toBe(0)
      expect([progress(2), answer({})]).toEqual([false, false])
      sessions.requests.length = 0
    }
  })

  test('a failure of ours is a 500 and leaves nothing open', async () => {
    const { url, sessions, value } = await setupFake()
    sessions.stateless = () => {
      throw new Error('oops')
    }
    const response = await post(url, request(1), VERSION)
    expect(response.status).toBe(500)
    expect(await response.json()).toMatchObject({ error: { code: -32603 } })
    expect(value('skein_mcp_http_stateless_open')).toBe(0)
  })

  test('one that is answered is not cancelled when its connection ends later', async () => {
    const { url, sessions, server } = await setupFake()
    const answering = post(url, request(1), VERSION)
    await until(() => sessions.requests.length === 1)
    sessions.requests[0]!.answer({})
    await (await answering).text()
    server.closeAllConnections()
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(sessions.requests[0]!.cancelled).toBeUndefined()
  })

  test('a subscription is a long stream, kept alive, that ends with the node', async () => {
    const clock = createManualClock()
    const { url, sessions, mcpHttp } = await setupFake({ clock })
    const answering = post(url, request('l', 'subscriptions/listen'), VERSION)
    await until(() => sessions.requests.length === 1)
    sessions.requests[0]!.progress(1)
    const response = await answering
    clock.advance(45_000)
    sessions.requests[0]!.progress(2)
    mcpHttp.close()
    const text = await response.text()
    expect(text.match(/^: keep-alive$/gm)).toHaveLength(3)
    expect(text.match(/"progress":\d/g)).toEqual(['"progress":1', '"progress":2'])
    expect(sessions.requests[0]!.cancelled).toBe('the node is stopping')
  })

  test('one that waits becomes a stream, one that has just come does not', async () => {
    const clock = createManualClock()
    const { url, sessions } = await setupFake({ clock })
    const long = post(url, request(1), VERSION)
    await until(() => sessions.requests.length === 1)
    clock.advance(12_000)
    const short = post(url, request(2), VERSION)
    await until(() => sessions.requests.length === 2)
    clock.advance(3_000)
    for (const { answer } of sessions.requests) answer({})
    expect((await long).headers.get('content-type')).toBe('text/event-stream')
    expect((await short).headers.get('content-type')).toBe('application/json')
  })
})

type Link = Awaited<ReturnType<typeof setupFake>>['sessions']['links'][number]

describe('what is not a request', () => {
  test('notifications are taken and ignored, responses refused', async () => {
    const { url, sessions } = await setupFake()
    expect((await post(url, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } }, VERSION)).status).toBe(202)
    expect((await post(url, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { _meta: META } })).status).toBe(202)
    const response = await post(url, { jsonrpc: '2.0', id: 1, result: {} }, VERSION)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ id: null, error: { code: -32600 } })
    expect(sessions.received).toEqual([])
  })

  test.each(['GET', 'DELETE', 'PUT'])('%s is 405', async (method) => {
    const { url } = await setupFake()
    const response = await fetch(url, { method, headers: { ...VERSION, accept: 'text/event-stream' } })
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe('POST')
  })

  test('a view that is not there is 404 with the id of the request', async () => {
    const { url } = await setupFake()
    for (const [view, code] of [['nothing', 'SKEIN_NO_PROVIDER'], ['@nothing', 'SKEIN_NOT_FOUND']]) {
      const response = await post(new URL(`${url}/${view}`), request(7), VERSION)
      expect(response.status).toBe(404)
      expect(await response.json()).toMatchObject({ id: 7, error: { message: expect.stringContaining(`"${view}"`), data: { code } } })
    }
  })
})

describe('which era', () => {
  test('a revision nobody knows is refused, with all that there are', async () => {
    const { url } = await setupFake()
    const response = await post(url, { jsonrpc: '2.0', id: 3, method: 'tools/list' }, { 'mcp-protocol-version': '2027-01-01' })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({
      id: 3,
      error: { code: -32022, data: { supported: ['2026-07-28', '2025-11-25', '2025-06-18', '2025-03-26'], requested: '2027-01-01' } }
    })
    const get = await fetch(url, { headers: { accept: 'text/event-stream', 'mcp-protocol-version': '2027-01-01' } })
    expect(get.status).toBe(400)
  })

  test.each([
    ['no header', {}],
    ['a header of the other era', { 'mcp-protocol-version': '2025-11-25' }],
    ['an unknown header', { 'mcp-protocol-version': 'v999.0.0' }],
    ['a session', { 'mcp-session-id': 'x' }]
  ])('the envelope in the body counts, with %s', async (_name, headers) => {
    const { url, sessions } = await setupFake()
    const answering = post(url, request(1, 'server/discover'), headers)
    await until(() => sessions.requests.length === 1)
    sessions.requests[0]!.fail({ code: -32020, message: 'm' }, true)
    expect((await answering).status).toBe(400)
  })
})
