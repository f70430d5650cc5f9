import { describe, expect, test } from 'vitest'
import { request } from 'node:http'
import { once } from 'node:events'
import { INITIALIZE, open, post, setup } from './setup.ts'
import { setupFake } from './fake-sessions.ts'

const META = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} }
const STATELESS = { 'mcp-protocol-version': '2026-07-28' }

/** What a load balancer and a client need to know, and nothing has run. */
async function expectRefused(answering: Promise<Response>, id: unknown): Promise<void> {
  const response = await answering
  expect([response.status, response.headers.get('connection'), response.headers.get('retry-after')]).toEqual([503, 'close', '1'])
  expect(await response.json()).toMatchObject({ jsonrpc: '2.0', id, error: { code: -32000, message: expect.stringMatching(/drained or stopped.*another node/), data: { code: 'SKEIN_GOAWAY' } } })
}

describe('a node that is drained', () => {
  test('begins no session; those that are there may end and be read', async () => {
    const { url, mcpHttp, meter } = await setup()
    const session = await open(url)
    await mcpHttp.drain()
    await expectRefused(post(url, INITIALIZE), 0)
    expect(mcpHttp.sessions()).toBe(1)
    expect((await post(url, { jsonrpc: '2.0', method: 'notifications/roots/list_changed' }, session)).status).toBe(202)
    expect((await fetch(url, { method: 'DELETE', headers: session })).status).toBe(204)
    expect(meter.snapshot().find(({ name }) => name === 'skein_mcp_http_refused_total')?.samples.find(({ labels }) => labels[0] === 'draining')?.value).toBe(1)
  })

  test.each([['tools/call'], ['tools/list'], ['server/discover'], ['subscriptions/listen']])('refuses %s of a client without a session', async (method) => {
    const { url, sessions } = await setupFake()
    Object.assign(sessions, { draining: true })
    await expectRefused(post(url, { jsonrpc: '2.0', id: 'a', method, params: { _meta: META } }, { ...STATELESS, 'mcp-method': method }), 'a')
    expect(sessions.requests).toEqual([])
    Object.assign(sessions, { draining: false })
    const answering = post(url, { jsonrpc: '2.0', id: 'b', method, params: { _meta: META } }, { ...STATELESS, 'mcp-method': method })
    await expect.poll(() => sessions.requests.length).toBe(1)
    sessions.requests[0]!.answer({})
    expect((await answering).status).toBe(200)
  })

  test('lets `skein mcp` wait for a better time', async () => {
    const { socketPath, mcpHttp } = await setup()
    await mcpHttp.drain()
    const req = request({ socketPath, path: '/mcp', headers: { connection: 'Upgrade', upgrade: 'skein-mcp' } })
    req.end()
    const [response] = await once(req, 'response')
    expect(response.statusCode).toBe(503)
    response.resume()
  })
})
