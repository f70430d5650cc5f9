import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { MAX_KEPT_LARGE } from '../../../src/http/mcp/rev2025/event-log.ts'
import { closeIfUnread } from '../../../src/http/mcp/sse.ts'
import { setupFake } from './fake-sessions.ts'
import { INITIALIZE, open, post, setup, until } from './setup.ts'

const call = (id: number | string, name = 'a__echo', args: object = { text: 'x' }) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args } })
const V = { 'mcp-protocol-version': '2025-11-25' }
const MODERN = 'io.modelcontextprotocol/'

describe('what clients may not cost', () => {
  test('answers too large for many to be kept for clients that went: some are lost, memory is bounded', { timeout: 60_000 }, async () => {
    const { sessions, url, value, left } = await setupFake()
    const text = 'x'.repeat(16 * 1024 * 1024)
    const kept: boolean[] = []
    for (let n = 1; n <= 6; n++) {
      const headers = { ...(await open(url)), ...V }
      const answering = post(url, call(n), headers)
      await until(() => sessions.requests.length === n)
      sessions.requests[n - 1]!.progress(1)
      const { body } = await answering
      await left(() => body!.cancel())
      kept.push(sessions.requests[n - 1]!.answer({ text }))
    }
    expect(kept).toEqual([true, true, true, false, false, false])
    expect(value('skein_mcp_http_kept_events_bytes')).toBeLessThanOrEqual(MAX_KEPT_LARGE)
  })

  test('a finished answer that nobody takes ends its connection; one that is taken slowly does not', async () => {
    let slow = 0
    const server = createServer((req, res) => {
      res.on('prefinish', () => closeIfUnread(res, () => slow++, 300))
      res.end(Buffer.alloc(req.url === '/small' ? 10 : 64 * 1024 * 1024))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close().closeAllConnections())
    const { port } = server.address() as AddressInfo
    const get = (path: string) => {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => {})
      socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`)
      return socket
    }
    // Never reads: neither does it see that it was closed.
    const stuck = get('/large')
    const reading = get('/large')
    let bytes = 0
    reading.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      reading.pause()
      setTimeout(() => reading.resume(), bytes < 1024 * 1024 ? 20 : 0)
    })
    const small = get('/small')
    small.resume()
    await until(() => slow === 1)
    await until(() => bytes > 64 * 1024 * 1024, 20_000)
    expect(slow).toBe(1)
    expect(small.destroyed).toBe(false)
    for (const socket of [stuck, reading, small]) socket.destroy()
  })

  test('1 000 sessions opened and left behind, 1 000 ended: nothing stays but what may', { timeout: 60_000 }, async () => {
    const { url, mcpHttp, backend } = await setup({ maxSessions: 32 })
    const before = backend.listeners
    for (let n = 0; n < 1_000; n += 10) {
      await Promise.all(Array.from({ length: 10 }, async () => {
        const response = await post(url, INITIALIZE)
        await response.text()
        const id = response.headers.get('mcp-session-id')
        if (id !== null) await fetch(url, { method: 'DELETE', headers: { 'mcp-session-id': id } })
      }))
    }
    expect(mcpHttp.sessions()).toBe(0)
    const statuses = new Set<number>()
    for (let n = 0; n < 100; n++) {
      const response = await post(url, INITIALIZE)
      await response.text()
      statuses.add(response.status)
    }
    expect(statuses).toEqual(new Set([200, 503]))
    expect(mcpHttp.sessions()).toBe(32)
    expect(backend.listeners).toBe(before)
  })

  test('a storm of cancellations, of calls and of what was never called', async () => {
    const { url, backend } = await setup()
    const headers = { ...(await open(url)), ...V }
    const cancel = (requestId: unknown) => post(url, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId, reason: 'x'.repeat(100_000) } }, headers)
    const calls = Array.from({ length: 64 }, (_, n) => post(url, call(n, 'a__wait'), headers))
    await until(() => backend.calls.length === 64)
    for (let round = 0; round < 20; round++) await Promise.all(Array.from({ length: 64 }, (_, n) => cancel(n)))
    await Promise.all([cancel('x'), cancel({}), cancel(null), cancel(['__proto__']), post(url, { jsonrpc: '2.0', method: 'notifications/cancelled' }, headers)])
    for (const response of await Promise.all(calls)) expect(await response.text()).not.toContain('result')
    expect(backend.calls.every(({ cancelled }) => cancelled !== undefined && cancelled.length <= 1_024)).toBe(true)
    expect(await (await post(url, call('later'), headers)).text()).toContain('"x"')
  })

  test('streams and ids of one session are nothing to another', async () => {
    const { url, backend } = await setup()
    const [mine, theirs] = [{ ...(await open(url)), ...V }, { ...(await open(url)), ...V }]
    const running = post(url, { ...call(1, 'a__hold'), params: { ...call(1, 'a__hold').params, _meta: { progressToken: 1 } } }, theirs)
    await until(() => backend.calls.length === 1)
    backend.calls[0]!.sink.notification({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: 1 } })
    const response = await running
    for (const id of ['1-0', '2-0', '2-1', '0-0']) expect((await fetch(url, { headers: { ...mine, accept: 'text/event-stream', 'last-event-id': id } })).status).toBe(400)
    await post(url, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } }, mine)
    expect(backend.calls[0]!.cancelled).toBeUndefined()
    // Guessed, and of another view.
    expect((await post(url, call(2), { ...V, 'mcp-session-id': 'f'.repeat(32) })).status).toBe(404)
    expect((await post(new URL(`${url}/files`), call(2), mine)).status).toBe(404)
    backend.calls[0]!.answer({ result: { content: [] } })
    expect(await response.text()).toContain('"result"')
  })

  test('an answer to a question that another session was asked changes nothing', async () => {
    const { url, backend } = await setup()
    const [mine, theirs] = [{ ...(await open(url)), ...V }, { ...(await open(url)), ...V }]
    const asked = await post(url, call(1, 'a__ask'), theirs)
    for (const id of ['skein-1', 'skein-2', 1, '__proto__']) await (await post(url, { jsonrpc: '2.0', id, result: { stolen: true } }, mine)).text()
    expect(backend.calls).toHaveLength(1)
    await (await post(url, { jsonrpc: '2.0', id: 'skein-1', result: { mine: true } }, theirs)).text()
    expect(await asked.text()).toContain('mine')
    expect(backend.calls[1]!.request.params['inputResponses']).toEqual({ question: { mine: true } })
  })
})

describe('messages that are not what they seem', () => {
  const envelope = { _meta: { [`${MODERN}protocolVersion`]: '2026-07-28', [`${MODERN}clientCapabilities`]: {} } }
  const stateless = (message: object, headers: Record<string, string> = {}) => ({ message: { jsonrpc: '2.0', id: 1, ...message }, headers: { 'mcp-protocol-version': '2026-07-28', ...headers } })

  test.each<[string, { message: object; headers: Record<string, string> }]>([
    ['no Mcp-Method', stateless({ method: 'tools/call', params: { name: 'a__echo', ...envelope } })],
    ['another method in the header', stateless({ method: 'tools/call', params: { name: 'a__echo', ...envelope } }, { 'mcp-method': 'tools/list', 'mcp-name': 'a__echo' })],
    ['another tool in the header', stateless({ method: 'tools/call', params: { name: 'a__echo', ...envelope } }, { 'mcp-method': 'tools/call', 'mcp-name': 'a__wait' })],
    ['a name in broken base64', stateless({ method: 'tools/call', params: { name: 'a__echo', ...envelope } }, { 'mcp-method': 'tools/call', 'mcp-name': '=?base64?YQ?=' })],
    ['another revision in the header', stateless({ method: 'tools/call', params: { name: 'a__echo', ...envelope } }, { 'mcp-protocol-version': '2025-11-25', 'mcp-method': 'tools/call', 'mcp-name': 'a__echo' })]
  ])('%s: refused with 400 and -32020, and nobody is called', async (_, { message, headers }) => {
    const { url, backend } = await setup()
    const response = await post(url, message, headers)
    expect([response.status, (await response.json() as { error: { code: number } }).error.code]).toEqual([400, -32_020])
    expect(backend.calls).toEqual([])
  })

  test.each(['{"a":', '[', '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":'])('nesting by the megabyte is refused (%s)', async (start) => {
    const { url } = await setup()
    const levels = 200_000
    const body = start.endsWith('"params":') ? `${start}${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}}` : start.repeat(levels) + (start === '[' ? '' : '1') + (start === '[' ? ']' : '}').repeat(levels)
    const response = await post(url, body)
    expect([response.status, await response.text()]).toEqual([400, expect.stringContaining('512 levels')])
  })

  test('__proto__ anywhere is data: nothing is polluted, and it arrives as it was', async () => {
    const { url, backend } = await setup()
    const headers = { ...(await open(url)), ...V }
    const body = '{"jsonrpc":"2.0","id":1,"method":"tools/call","__proto__":{"id":2},"params":{"name":"a__echo","arguments":{"text":"x","__proto__":{"admin":true}},"__proto__":{"requestState":"x"},"_meta":{"__proto__":{"progressToken":9}}}}'
    expect(await (await post(url, body, headers)).text()).toContain('"id":1')
    expect(JSON.stringify(backend.calls[0]!.request.params)).toContain('"__proto__":{"admin":true}')
    expect(({} as { admin?: unknown }).admin).toBeUndefined()
  })
})
