import { request } from 'node:http'
import { describe, expect, test } from 'vitest'
import { createManualClock } from '../../support/manual-clock.ts'
import { events } from './fake-sessions.ts'
import { INITIALIZE, open, post, setup, until } from './setup.ts'

const call = (id: number | string, name: string, extra: object = {}) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: { text: 't' }, ...extra } })

/** fetch sets Host and Origin itself. */
function raw(port: number, headers: Record<string, string>, method = 'POST', body = JSON.stringify(INITIALIZE)): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const req = request({ host: '127.0.0.1', port, path: '/mcp', method, headers: { 'content-type': 'application/json', ...headers } }, (res) => {
      let text = ''
      res.on('data', (chunk: Buffer) => (text += chunk.toString()))
      res.on('end', () => resolve({ status: res.statusCode!, body: text }))
    })
    req.on('error', reject)
    req.end(body)
  })
}

describe('status codes', () => {
  test.each([
    ['not JSON', '{', {}, 400, -32700],
    ['a batch', '[]', {}, 400, -32600],
    ['no message', '{"jsonrpc":"2.0"}', {}, 400, -32600],
    ['no object', '7', {}, 400, -32600],
    ['a fractional id', '{"jsonrpc":"2.0","id":1.5,"method":"ping"}', {}, 400, -32600],
    ['params that are an array', '{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', {}, 400, -32600],
    ['a null id', '{"jsonrpc":"2.0","id":null,"method":"ping"}', {}, 400, -32600],
    ['no session', { jsonrpc: '2.0', id: 1, method: 'ping' }, {}, 400, -32000],
    ['a notification without session', { jsonrpc: '2.0', method: 'notifications/initialized' }, {}, 400, -32000],
    ['an unknown session', { jsonrpc: '2.0', id: 1, method: 'ping' }, { 'mcp-session-id': 'x' }, 404, -32001],
    ['initialize within a session', INITIALIZE, { 'mcp-session-id': 'x' }, 400, -32600],
    ['Accept without a type of ours', INITIALIZE, { accept: 'text/html' }, 406, -32000],
    ['another Content-Type', INITIALIZE, { 'content-type': 'text/plain' }, 415, -32000],
    ['a body too large', JSON.stringify({ ...INITIALIZE, pad: 'x'.repeat(20_000) }), {}, 413, -32000]
  ])('%s', async (_name, body, headers, status, code) => {
    const { url } = await setup({ maxBody: 10_000 })
    const response = await post(url, body, headers as Record<string, string>)
    expect(response.status).toBe(status)
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(await response.json()).toMatchObject({ jsonrpc: '2.0', id: null, error: { code, message: expect.stringMatching(/\.$/) } })
  })

  test('a revision we do not speak names those we do', async () => {
    const { url } = await setup()
    const response = await post(url, INITIALIZE, { 'mcp-protocol-version': '2027-01-01' })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ id: 0, error: { code: -32022, data: { supported: expect.arrayContaining(['2026-07-28', '2025-11-25']), requested: '2027-01-01' } } })
  })

  test('a body too large without a length is cut off too', async () => {
    const { port } = await setup({ maxBody: 10_000 })
    const answer = await raw(port, { 'transfer-encoding': 'chunked' }, 'POST', 'x'.repeat(20_000))
    expect(answer.status).toBe(413)
  })

  test('a large upload gets its 413, not a broken connection', async () => {
    const { url } = await setup({ maxBody: 10_000 })
    for (let attempt = 0; attempt < 5; attempt++) {
      const response = await post(url, 'x'.repeat(20 * 1024 * 1024))
      expect(response.status).toBe(413)
      await response.text()
    }
  })

  test('a server nobody offers is 404, and leaves no session', async () => {
    const { url, mcpHttp } = await setup()
    const response = await post(new URL(`${url}/nothing`), INITIALIZE)
    expect(response.status).toBe(404)
    expect(await response.json()).toMatchObject({ error: { message: expect.stringContaining('"nothing"') } })
    expect(mcpHttp.sessions()).toBe(0)
  })

  test('a refused initialize leaves no session', async () => {
    const { url, mcpHttp } = await setup()
    const response = await post(url, { ...INITIALIZE, params: {} })
    expect(await response.json()).toMatchObject({ id: 0, error: { code: -32602 } })
    expect(response.headers.get('mcp-session-id')).toBeNull()
    expect(mcpHttp.sessions()).toBe(0)
  })

  test.each(['PUT', 'PATCH', 'OPTIONS', 'HEAD'])('%s is 405 with Allow', async (method) => {
    const { url } = await setup()
    const response = await fetch(url, { method })
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe('GET, POST, DELETE')
  })

  test('a session opened on one view is none on another', async () => {
    const { url } = await setup()
    const session = await open(url)
    const response = await post(new URL(`${url}/files`), { jsonrpc: '2.0', id: 1, method: 'ping' }, session)
    expect(response.status).toBe(404)
  })

  test('notifications and responses are 202, DELETE ends the session', async () => {
    const { url, mcpHttp, backend } = await setup()
    const session = await open(url)
    expect((await post(url, { jsonrpc: '2.0', method: 'notifications/initialized' }, session)).status).toBe(202)
    expect((await post(url, { jsonrpc: '2.0', id: 5, result: {} }, session)).status).toBe(202)
    expect((await fetch(url, { method: 'DELETE' })).status).toBe(400)
    expect((await fetch(url, { method: 'DELETE', headers: session })).status).toBe(204)
    expect(mcpHttp.sessions()).toBe(0)
    expect(backend.ended).toHaveLength(1)
    expect((await post(url, { jsonrpc: '2.0', id: 1, method: 'ping' }, session)).status).toBe(404)
  })
})

describe('Host and Origin', () => {
  test.each([
    ['evil.example', undefined, 403],
    ['evil.example:80', undefined, 403],
    ['localhost.evil.example', undefined, 403],
    ['192.168.1.5', undefined, 403],
    ['user@localhost', undefined, 403],
    ['localhost:1234', undefined, 200],
    ['[::1]:1234', undefined, 200],
    ['allowed.example:8080', undefined, 200],
    ['127.0.0.1', 'http://evil.example', 403],
    ['127.0.0.1', 'null', 403],
    ['127.0.0.1', 'http://localhost.evil.example', 403],
    ['127.0.0.1', 'http://localhost:5173', 200],
    ['127.0.0.1', 'https://app.example', 200]
  ])('host %j origin %j: %i', async (host, origin, status) => {
    const { port } = await setup({ allowedHosts: ['Allowed.example'], allowedOrigins: ['https://app.example'] })
    const answer = await raw(port, { host, ...(origin === undefined ? {} : { origin }) })
    expect(answer.status).toBe(status)
    if (status === 403) expect(JSON.parse(answer.body)).toMatchObject({ jsonrpc: '2.0', id: null, error: { code: -32000 } })
  })

  test('off loopback addresses are served, names must be listed', async () => {
    const { port } = await setup({ loopback: false })
    expect((await raw(port, { host: '192.168.1.5:8080' })).status).toBe(200)
    expect((await raw(port, { host: 'evil.example' })).status).toBe(403)
  })

  test('they guard GET and DELETE as well', async () => {
    const { port } = await setup()
    expect((await raw(port, { host: 'evil.example' }, 'GET', '')).status).toBe(403)
    expect((await raw(port, { host: 'evil.example' }, 'DELETE', '')).status).toBe(403)
  })
})

describe('answers', () => {
  test('plain JSON when there is nothing else, in one message', async () => {
    const { url, backend } = await setup()
    const session = await open(url)
    const response = await post(url, call(1, 'a__echo'), { ...session, 'x-correlation-id': 'abc-1' })
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(await response.json()).toEqual({ jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text: 't' }] } })
    expect(backend.calls[0]?.request.correlation).toBe('abc-1')
    await (await post(url, call(2, 'a__echo'), { ...session, 'x-correlation-id': 'a b' })).text()
    expect(backend.calls[1]?.request.correlation).toMatch(/^[0-9a-f]{16}$/)
  })

  test('the Mcp-Session-Id is not the session name other nodes see', async () => {
    const { url, backend } = await setup()
    const session = await open(url)
    await (await post(url, call(1, 'a__echo'), session)).text()
    expect(session['mcp-session-id']).toMatch(/^[0-9a-f]{32}$/)
    expect(backend.calls[0]?.request.client.session).not.toContain(session['mcp-session-id'])
  })

  test('an event stream when progress comes first', async () => {
    const { url } = await setup()
    const session = await open(url)
    const response = await post(url, call(1, 'a__progress', { _meta: { progressToken: 'p' } }), session)
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    const messages = (await response.text()).split('\n\n').filter((event) => event.startsWith('event: message')).map((event) => JSON.parse(event.split('\ndata: ')[1]!))
    expect(messages.map((message) => message.params?.progress ?? message.id)).toEqual([1, 2, 3, 1])
  })

  test('JSON alone for a client that takes no event stream; a server cannot ask it', async () => {
    const { url } = await setup()
    const session = await open(url)
    const only = { ...session, accept: 'application/json' }
    expect(await (await post(url, call(1, 'a__progress'), only)).json()).toMatchObject({ id: 1, result: {} })
    expect(JSON.stringify(await (await post(url, call(2, 'a__ask'), only)).json())).toContain('does not accept event streams')
  })

  test('an event stream for a client that takes nothing else', async () => {
    const { url } = await setup()
    const session = await open(url)
    const response = await post(url, call(1, 'a__echo'), { ...session, accept: 'text/event-stream' })
    expect(await response.text()).toMatch(/^event: message\nid: 2-1\ndata: \{"jsonrpc":"2.0",.*,"id":1\}\n\n$/)
  })

  test('a cancelled request ends without an answer', async () => {
    const { url, backend } = await setup()
    const session = await open(url)
    const waiting = post(url, call(1, 'a__wait'), session)
    await until(() => backend.calls.length === 1)
    await post(url, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } }, session)
    expect(await (await waiting).text()).toBe('')
    expect(backend.calls[0]?.cancelled).toBe('cancelled by the client')
  })

  test('an id in use is refused without touching the call that has it', async () => {
    const { url, backend } = await setup()
    const session = await open(url)
    const first = post(url, call(1, 'a__hold'), session)
    await until(() => backend.calls.length === 1)
    const second = await post(url, call(1, 'a__echo'), session)
    expect(second.status).toBe(400)
    expect(await second.json()).toMatchObject({ id: 1, error: { code: -32600 } })
    backend.calls[0]!.answer({ result: { first: true } })
    expect(await (await first).json()).toMatchObject({ result: { first: true } })
  })

  test('a client that leaves does not cancel its call; the session goes on', async () => {
    const { url, backend, mcpHttp } = await setup()
    const session = await open(url)
    const abort = new AbortController()
    const leaving = fetch(url, {
      method: 'POST',
      body: JSON.stringify(call(1, 'a__hold')),
      headers: { ...session, 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
      signal: abort.signal
    }).catch(() => undefined)
    await until(() => backend.calls.length === 1)
    abort.abort()
    await leaving
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(backend.calls[0]?.cancelled).toBeUndefined()
    backend.calls[0]!.sink.notification({ jsonrpc: '2.0', method: 'notifications/message', params: {} })
    backend.calls[0]!.answer({ result: {} })
    expect((await post(url, call(1, 'a__echo'), session)).status).toBe(200)
    expect(mcpHttp.sessions()).toBe(1)
  })
})

describe('the stream of a session', () => {
  const get = (url: URL, headers: Record<string, string>) => fetch(url, { headers: { accept: 'text/event-stream', ...headers } })

  test('needs a session and the right Accept; there is one at a time', async () => {
    const { url } = await setup()
    const session = await open(url)
    expect((await get(url, {})).status).toBe(400)
    expect((await get(url, { 'mcp-session-id': 'x' })).status).toBe(404)
    expect((await get(url, { ...session, accept: 'application/json' })).status).toBe(406)
    const first = await get(url, session)
    expect(first.status).toBe(200)
    expect((await get(url, session)).status).toBe(409)
    await first.body?.cancel()
    // The server hears of the end a moment later.
    let again: Response | undefined
    for (let attempt = 0; attempt < 100 && again?.status !== 200; attempt++) {
      await new Promise((resolve) => setTimeout(resolve, 10))
      again = await get(url, session)
    }
    expect(again?.status).toBe(200)
    await again?.body?.cancel()
  })

  test('keeps itself alive with comments and ends with the session', async () => {
    const clock = createManualClock()
    const { url } = await setup({ clock })
    const session = await open(url)
    const stream = await get(url, session)
    clock.advance(31_000)
    await fetch(url, { method: 'DELETE', headers: session })
    expect((await stream.text()).match(/^: keep-alive$/gm)?.length).toBe(3)
  })

  test('a call that takes long is kept alive as an event stream', async () => {
    const clock = createManualClock()
    const { url, backend } = await setup({ clock })
    const session = await open(url)
    const waiting = post(url, call(1, 'a__hold'), session)
    await until(() => backend.calls.length === 1)
    clock.advance(15_000)
    const response = await waiting
    backend.calls[0]!.answer({ result: {} })
    expect(await response.text()).toMatch(/^: keep-alive\n\nevent: message\nid: 2-1\ndata: /)
  })
})

describe('limits', () => {
  test('an idle session ends; one with a stream does not', async () => {
    const clock = createManualClock()
    const { url, mcpHttp } = await setup({ clock, sessionIdleTimeout: 60_000 })
    const idle = await open(url)
    const streaming = await open(url)
    const stream = await fetch(url, { headers: { accept: 'text/event-stream', ...streaming } })
    clock.advance(90_000)
    expect(mcpHttp.sessions()).toBe(1)
    expect((await post(url, { jsonrpc: '2.0', id: 1, method: 'ping' }, idle)).status).toBe(404)
    expect((await post(url, { jsonrpc: '2.0', id: 1, method: 'ping' }, streaming)).status).toBe(200)
    await stream.body?.cancel()
  })

  test('a full table refuses with 503 while all are in use, else ends the one idle for longest', async () => {
    const clock = createManualClock()
    const { url, mcpHttp, meter } = await setup({ clock, maxSessions: 2 })
    const oldest = await open(url)
    const other = await open(url)
    const refused = await post(url, INITIALIZE)
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toBe('5')
    clock.advance(6_000)
    await (await post(url, { jsonrpc: '2.0', id: 1, method: 'ping' }, other)).text()
    expect((await post(url, INITIALIZE)).status).toBe(200)
    expect(mcpHttp.sessions()).toBe(2)
    expect((await post(url, { jsonrpc: '2.0', id: 1, method: 'ping' }, oldest)).status).toBe(404)
    expect((await post(url, { jsonrpc: '2.0', id: 1, method: 'ping' }, other)).status).toBe(200)
    expect(meter.snapshot().find((family) => family.name === 'skein_mcp_sessions_evicted_total')?.samples[0]?.value).toBe(1)
  })

  test('a client that does not read is closed, memory stays bounded', async () => {
    const { url, port, backend, meter } = await setup()
    const session = await open(url)
    const req = request({ host: '127.0.0.1', port, path: '/mcp', method: 'POST', headers: { ...session, 'content-type': 'application/json', accept: 'text/event-stream' } })
    req.on('error', () => {})
    req.on('response', (res) => {
      res.on('error', () => {})
      res.pause()
    })
    req.end(JSON.stringify(call(1, 'a__hold')))
    await until(() => backend.calls.length === 1)
    const text = 'x'.repeat(256 * 1024)
    const closed = () => meter.snapshot().find((family) => family.name === 'skein_mcp_slow_clients_total')?.samples[0]?.value === 1
    for (let sent = 0; sent < 400 && !closed(); sent++) {
      backend.calls[0]!.sink.notification({ jsonrpc: '2.0', method: 'notifications/message', params: { data: text } })
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(closed()).toBe(true)
    req.destroy()
  })

  test('drain ends subscriptions with their result, and refuses new stateless requests', async () => {
    const { url, mcpHttp } = await setup()
    const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} }
    const stateless = (id: string, method: string, name?: string) =>
      post(
        url,
        { jsonrpc: '2.0', id, method, params: { name, notifications: { toolsListChanged: true }, _meta } },
        { 'mcp-protocol-version': '2026-07-28', 'mcp-method': method, ...(name === undefined ? {} : { 'mcp-name': name }) }
      )
    const stream = events(await stateless('l', 'subscriptions/listen'))
    expect(JSON.parse((await stream.next())!.data)).toMatchObject({ method: 'notifications/subscriptions/acknowledged' })
    await mcpHttp.drain()
    expect((await stream.rest()).map(({ data }) => JSON.parse(data))).toMatchObject([{ id: 'l', result: { resultType: 'complete' } }])
    const refused = await stateless('t', 'tools/call', 'a__echo')
    expect(refused.status).toBe(503)
    expect(await refused.json()).toMatchObject({ id: 't', error: { data: { code: 'SKEIN_GOAWAY' } } })
  })

  test('drain refuses new calls and waits for the answer on its way', async () => {
    const { url, backend, mcpHttp } = await setup()
    const session = await open(url)
    const running = post(url, call(1, 'a__hold'), session)
    await until(() => backend.calls.length === 1)
    let drained = false
    const draining = mcpHttp.drain().then(() => (drained = true))
    const refused = await post(url, call(2, 'a__echo'), session)
    expect([refused.status, refused.headers.get('connection'), refused.headers.get('retry-after')]).toEqual([503, 'close', '1'])
    expect(await refused.json()).toMatchObject({ id: 2, error: { data: { code: 'SKEIN_GOAWAY' } } })
    expect(drained).toBe(false)
    backend.calls[0]!.answer({ result: { last: true } })
    await draining
    mcpHttp.close()
    expect(await (await running).json()).toMatchObject({ result: { last: true } })
  })
})
