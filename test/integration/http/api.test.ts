import { randomBytes } from 'node:crypto'
import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { systemClock, type Clock } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { createHttpApi } from '../../../src/http/api/create-api.ts'
import { API_PATHS, API_ROUTES, methodsOf } from '../../../src/http/api/routes.ts'
import { TOPOLOGY_NODE } from '../../../src/http/api/topology-routes.ts'
import { schemaProblem } from '../../../src/http/api/schema.ts'
import type { HostRules } from '../../../src/http/mcp/guards.ts'
import { createHttpEdge } from '../../../src/http/server.ts'
import type { NodeApi, TopologyNodeInfo } from '../../../src/node/api.ts'
import { loadApiToken } from '../../../src/store/api-token.ts'
import { removeTemporaryDirs, temporaryDir } from '../../support/control-node.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { createFakeNodeApi, MEMBERS, TOPOLOGY, type FakeNodeApi } from '../../support/fake-node-api.ts'
import { waitUntil } from '../../support/wait-until.ts'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
  await removeTemporaryDirs()
})

const token = randomBytes(32).toString('base64url')
/** Of the fake node. */
const TOOL = 'graph__echo'
/** Of routes that want more than an empty body. */
const BODIES: Record<string, unknown> = { 'POST /api/consensus/proposals': { key: 'setting/max_tools', value: 2_000 } }
const bearer = { authorization: `Bearer ${token}` }

async function start(rules: Partial<HostRules> = {}, change: Partial<NodeApi> = {}, clock: Clock = systemClock) {
  const api: FakeNodeApi = { ...createFakeNodeApi(), ...change }
  const meter = createMeter()
  const httpApi = createHttpApi({ api: () => api, clock, logger: silentLogger }, { rules: { loopback: true, allowedHosts: [], allowedOrigins: [], ...rules }, token, tokenFile: 'api-token' })
  const edge = createHttpEdge({ api, mcpHttp: { handle: (_req, res) => void res.end('mcp') }, httpApi, logger: silentLogger, meter }, { host: '127.0.0.1', port: 0 })
  ends.push(() => edge.stop())
  const { url, port } = await edge.start()
  const counted = () => meter.snapshot().find(({ name }) => name === 'skein_http_requests_total')?.samples.map(({ labels, value }) => [...labels, value])
  return { url, port, counted, asked: api.asked }
}

/** fetch sets the Host header itself. */
function withHost(port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const req = request({ port, host: '127.0.0.1', path: '/api/members', headers: { ...bearer, host }, agent: false }, (res) => {
      res.resume()
      resolve(res.statusCode ?? 0)
    })
    req.on('error', reject).end()
  })
}

describe('GET /api/members', () => {
  test('with the token: the members', async () => {
    const { url, counted } = await start()
    const answer = await fetch(`${url}/api/members?x=1`, { headers: bearer })
    expect([answer.status, answer.headers.get('content-type'), answer.headers.get('cache-control')]).toEqual([200, 'application/json', 'no-store'])
    expect(await answer.json()).toEqual({ members: MEMBERS })
    await waitUntil('the requests are counted', () => counted()?.length === 1)
    expect(counted()).toEqual([['api/members', '200', 1]])
  })

  test.each([
    ['without a token', undefined, 'Bearer realm="skein"', /needs the token/],
    ['with another scheme', `Basic ${token}`, 'Bearer realm="skein"', /needs the token/],
    ['with a wrong token', `Bearer ${'x'.repeat(43)}`, 'Bearer realm="skein", error="invalid_token"', /not the token of this node/],
    ['with the beginning of the token', `Bearer ${token.slice(0, -1)}`, 'Bearer realm="skein", error="invalid_token"', /not the token/],
    ['with more than the token', `Bearer ${token}x`, 'Bearer realm="skein", error="invalid_token"', /not the token/]
  ])('%s: 401, the challenge, and where the token is', async (_what, authorization, challenge, message) => {
    const { url } = await start()
    const answer = await fetch(`${url}/api/members`, { headers: authorization === undefined ? {} : { authorization } })
    const text = await answer.text()
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, challenge])
    expect(JSON.parse(text)).toEqual({ error: { code: 'SKEIN_NOT_ADMITTED', message: expect.stringMatching(message) } })
    expect(text).toContain('the file api-token of the node')
    expect(text).not.toContain(token)
    expect(text).not.toContain('12D3KooW')
  })

  test('the token does not count as a query parameter', async () => {
    const { url } = await start()
    expect((await fetch(`${url}/api/members?access_token=${token}`)).status).toBe(401)
  })

  test('names that a web page may have rebound are refused, with the token too', async () => {
    const { port, url } = await start()
    expect(await withHost(port, 'evil.example.org')).toBe(403)
    expect(await withHost(port, `localhost:${port}`)).toBe(200)
    const page = await fetch(`${url}/api/members`, { headers: { ...bearer, origin: 'https://evil.example.org' } })
    expect([page.status, await page.json()]).toMatchObject([403, { error: { message: expect.stringContaining('security.allowed_origins') } }])
    const open = await start({ allowedHosts: ['node.example.org'] })
    expect(await withHost(open.port, 'node.example.org')).toBe(200)
  })

  test.each(['POST', 'PUT', 'DELETE', 'PATCH'])('%s is 405 with Allow', async (method) => {
    const { url } = await start()
    const answer = await fetch(`${url}/api/members`, { method, headers: bearer, ...(method === 'POST' || method === 'PUT' ? { body: 'x'.repeat(100_000) } : {}) })
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS'])
  })

  test('HEAD has the headers of GET and no body', async () => {
    const { url } = await start()
    const [get, head] = await Promise.all(['GET', 'HEAD'].map((method) => fetch(`${url}/api/members`, { method, headers: bearer })))
    expect([head?.status, head?.headers.get('content-type'), await head?.text()]).toEqual([200, 'application/json', ''])
    expect(head?.headers.get('content-length')).toBe(String(Buffer.byteLength((await get?.text()) ?? '')))
  })

  test('OPTIONS tells the methods, to those with the token', async () => {
    const { url } = await start()
    const answer = await fetch(`${url}/api/members`, { method: 'OPTIONS', headers: bearer })
    expect([answer.status, answer.headers.get('allow'), await answer.text()]).toEqual([204, 'GET, HEAD, OPTIONS', ''])
    expect((await fetch(`${url}/api/members`, { method: 'OPTIONS' })).status).toBe(401)
  })

  test('what is not there is 404 for those with the token, 401 for all others', async () => {
    const { url, counted } = await start()
    for (const path of ['/api', '/api/', '/api/nothing', '/api/toString', '/api/members/x']) {
      expect((await fetch(url + path)).status, path).toBe(401)
      const answer = await fetch(url + path, { headers: bearer })
      expect([answer.status, await answer.json()], path).toMatchObject([404, { error: { message: expect.stringContaining('members') } }])
    }
    expect((await fetch(`${url}/apis`)).status).toBe(404)
    await waitUntil('the requests are counted', () => counted()?.length === 3)
    expect(counted()).toEqual(expect.arrayContaining([['api', '401', 5], ['api', '404', 5], ['other', '404', 1]]))
  })

  test('a failure costs one answer and tells nothing', async () => {
    const { url } = await start({}, {
      members() {
        throw new Error('secret detail')
      }
    })
    const answer = await fetch(`${url}/api/members`, { headers: bearer })
    expect(answer.status).toBe(500)
    expect((await fetch(`${url}/health`)).status).toBe(200)
  })
})

describe.each(Object.entries(API_ROUTES))('%s', (key, route) => {
  const [method, path] = key.split(' ') as [string, string]
  const search = path === '/api/route' ? `?tool=${TOOL}` : ''

  test('needs the token, whatever the method, and does nothing without it', async () => {
    const { url, asked } = await start()
    for (const any of ['GET', 'POST', 'OPTIONS', 'DELETE', method]) {
      for (const headers of [{}, { authorization: `Bearer ${token}x` }, { authorization: `Basic ${token}` }]) {
        expect((await fetch(url + path, { method: any, headers })).status, any).toBe(401)
      }
    }
    expect(asked).toEqual([])
  })

  test('answers what its schema says, as JSON that nobody keeps', async () => {
    const { url, counted } = await start()
    const sent = BODIES[key] === undefined ? { headers: bearer } : { headers: { ...bearer, 'content-type': 'application/json' }, body: JSON.stringify(BODIES[key]) }
    const answer = await fetch(url + path + search, { method, ...sent })
    const body: unknown = await answer.json()
    expect([answer.status, answer.headers.get('content-type'), answer.headers.get('cache-control')]).toEqual([route.status ?? 200, 'application/json', 'no-store'])
    expect(schemaProblem(route.answer, body, 'the answer')).toBeUndefined()
    await waitUntil('it is counted', () => counted()?.length === 1)
    expect(counted()).toEqual([[path.slice(1), String(route.status ?? 200), 1]])
  })

  test('says which methods there are', async () => {
    const { url } = await start()
    const allow = methodsOf(path)?.join(', ')
    const wrong = ['GET', 'POST', 'PUT'].filter((any) => methodsOf(path)?.includes(any) === false)
    for (const any of wrong) {
      const answer = await fetch(url + path, { method: any, headers: bearer })
      expect([answer.status, answer.headers.get('allow')]).toEqual([405, allow])
    }
  })
})

test('every node of the topology has the shape of the first', () => {
  const check = (node: TopologyNodeInfo): void => {
    expect(schemaProblem(TOPOLOGY_NODE, node, node.peer)).toBeUndefined()
    for (const child of node.children) check(child)
  }
  for (const node of TOPOLOGY.nodes) check(node)
})

describe('GET /api/topology', () => {
  test.each([['', undefined], ['?depth=0', 0], ['?depth=2', 2]])('%s', async (search, depth) => {
    const { url, asked } = await start()
    expect((await fetch(`${url}/api/topology${search}`, { headers: bearer })).status).toBe(200)
    expect(asked).toEqual([{ what: 'topology', input: { depth } }])
  })

  test.each(['-1', '7', '10', 'all', ''])('depth=%s is refused', async (depth) => {
    const { url } = await start()
    expect((await fetch(`${url}/api/topology?depth=${depth}`, { headers: bearer })).status).toBe(400)
  })
})

describe('POST /api/consensus/proposals', () => {
  const post = (url: string, body: unknown) => fetch(`${url}/api/consensus/proposals`, { method: 'POST', headers: { ...bearer, 'content-type': 'application/json' }, body: JSON.stringify(body) })

  test.each([
    [{ key: 'setting/max_tools', value: 5 }, { key: 'setting/max_tools', value: 5, expect: undefined }],
    [{ key: 'ban/12D3KooWB', value: null, expect: 0 }, { key: 'ban/12D3KooWB', value: null, expect: 0 }]
  ])('%j reaches the node', async (body, input) => {
    const { url, asked } = await start()
    expect((await post(url, body)).status).toBe(200)
    expect(asked).toEqual([{ what: 'propose', input }])
  })

  test.each([
    [{ key: 'setting/max_tools' }, /no "value"/],
    [{ value: 1 }, /no "key"/],
    [{ key: 'x'.repeat(129), value: 1 }, /at most 128/],
    [{ key: 'setting/max_tools', value: 1, expect: -1 }, /at least 0/],
    [{ key: 'setting/max_tools', value: 1, within: 1 }, /unknown "within"/]
  ])('%j is refused', async (body, message) => {
    const { url, asked } = await start()
    const answer = await post(url, body)
    expect([answer.status, await answer.json()]).toMatchObject([400, { error: { message: expect.stringMatching(message) } }])
    expect(asked).toEqual([])
  })
})

test('no answer holds the command to join, which has a token in it', async () => {
  const { url } = await start()
  for (const path of API_PATHS) expect(await (await fetch(url + path, { headers: bearer })).text(), path).not.toMatch(/skein1|skein join/)
})

describe('parameters', () => {
  test.each([
    [400, '', /^The parameter tool is missing: The name of the tool, as clients call it\.$/],
    [400, '?tool=', /at least 1 characters/],
    [400, `?tool=${TOOL}&verbose=1`, /no parameter "verbose"; known: tool/],
    [400, `?tool=${'x'.repeat(301)}`, /at most 300 characters/],
    [404, '?tool=graph__nothing', /no such tool here/]
  ])('%i for %s', async (status, search, message) => {
    const { url } = await start()
    const answer = await fetch(`${url}/api/route${search}`, { headers: bearer })
    expect([answer.status, await answer.json()]).toMatchObject([status, { error: { message: expect.stringMatching(message) } }])
  })
})

describe('bodies', () => {
  const path = '/api/gossip/test-message'
  const post = (url: string, body: string, headers: Record<string, string> = { 'content-type': 'application/json' }) => fetch(url + path, { method: 'POST', headers: { ...bearer, ...headers }, body })

  test('reach the node', async () => {
    const { url, asked } = await start()
    expect((await post(url, '{"within_ms":500}')).status).toBe(200)
    expect((await post(url, '{"within_ms":500}', { 'content-type': 'application/json; charset=utf-8' })).status).toBe(200)
    expect((await post(url, '{}')).status).toBe(200)
    expect(asked.map(({ input }) => input)).toEqual([{ within: 500 }, { within: 500 }, { within: undefined }])
  })

  test.each([
    [400, 'no JSON', '{', {}, /is not JSON/],
    [400, 'a wrong type', '{"within_ms":"500"}', {}, /^The body\.within_ms must be integer, not string\.$/],
    [400, 'out of range', '{"within_ms":9999999}', {}, /^The body\.within_ms must be at most 8000/],
    [400, 'an unknown field', '{"within":500}', {}, /unknown "within"; known: within_ms/],
    [413, 'too large', `{"x":"${'x'.repeat(70_000)}"}`, {}, /larger than 65536 bytes/],
    [415, 'a form', 'within_ms=500', { 'content-type': 'application/x-www-form-urlencoded' }, /Send JSON/],
    [415, 'plain text', '{}', { 'content-type': 'text/plain' }, /Send JSON/]
  ])('%i for %s; the next request works', async (status, _what, body, headers, message) => {
    const { url, asked } = await start()
    const answer = await post(url, body, { 'content-type': 'application/json', ...headers })
    expect([answer.status, await answer.json()]).toEqual([status, { error: { code: status === 413 ? 'SKEIN_LIMIT' : 'SKEIN_BAD_REQUEST', message: expect.stringMatching(message) } }])
    expect(asked).toEqual([])
    expect((await post(url, '{}')).status).toBe(200)
  })
})

describe('failures of the node', () => {
  test.each([
    ['SKEIN_BUSY', 429],
    ['SKEIN_NOT_FOUND', 404],
    ['SKEIN_INTERNAL', 500]
  ] as const)('%s is %i with its message', async (code, status) => {
    const { url } = await start({}, { gossipTest: () => Promise.reject(new SkeinError(code, 'do this')) })
    const answer = await fetch(`${url}/api/gossip/test-message`, { method: 'POST', headers: bearer })
    expect([answer.status, await answer.json()]).toEqual([status, { error: { code, message: 'do this' } }])
  })

  test('what was not meant for others is not told', async () => {
    const { url } = await start({}, { gossipTest: () => Promise.reject(new Error('secret detail')) })
    const answer = await fetch(`${url}/api/gossip/test-message`, { method: 'POST', headers: bearer })
    expect([answer.status, await answer.text()]).toEqual([500, expect.not.stringContaining('secret')])
  })

  test('one that never answers is 504 when its time is over, and its signal says so', async () => {
    const clock = createManualClock()
    const asked = Promise.withResolvers<AbortSignal>()
    const { url } = await start({}, {
      gossipTest({ signal }) {
        asked.resolve(signal)
        return new Promise(() => {})
      }
    }, clock)
    const answer = fetch(`${url}/api/gossip/test-message`, { method: 'POST', headers: bearer })
    const signal = await asked.promise
    expect(signal.aborted).toBe(false)
    clock.advance(10_000)
    expect([(await answer).status, await (await answer).json()]).toEqual([504, { error: { code: 'SKEIN_DEADLINE', message: 'That took longer than 10 s.' } }])
    expect(signal.aborted).toBe(true)
    expect(clock.pending).toBe(0)
  })

  test('one whose client goes away is told so', async () => {
    const asked = Promise.withResolvers<AbortSignal>()
    const { url } = await start({}, {
      gossipTest({ signal }) {
        asked.resolve(signal)
        return new Promise(() => {})
      }
    })
    const leaving = new AbortController()
    const answer = fetch(`${url}/api/gossip/test-message`, { method: 'POST', headers: bearer, signal: leaving.signal })
    const signal = await asked.promise
    leaving.abort()
    await expect(answer).rejects.toThrow()
    await waitUntil('the node knows', () => signal.aborted)
  })
})

describe('the file of the token', () => {
  test('is made once, for its user only', async () => {
    const dir = await temporaryDir()
    const made = loadApiToken(dir)
    expect(made).toMatch(/^[A-Za-z0-9_-]{43}$/)
    expect((await stat(join(dir, 'api-token'))).mode & 0o777).toBe(0o600)
    expect(await readFile(join(dir, 'api-token'), 'utf8')).toBe(`${made}\n`)
    expect(loadApiToken(dir)).toBe(made)
    expect(loadApiToken(await temporaryDir())).not.toBe(made)
  })

  test.each([
    ['empty', '\n'],
    ['short', 'password\n'],
    ['two lines', `${'a'.repeat(40)}\n${'b'.repeat(40)}\n`]
  ])('that is %s is an error that says what to do', async (_what, text) => {
    const dir = await temporaryDir()
    await writeFile(join(dir, 'api-token'), text, { mode: 0o600 })
    expect(() => loadApiToken(dir)).toThrow(expect.objectContaining({ code: 'SKEIN_KEY_FILE', message: expect.stringMatching(/api-token holds no token.*delete it/) }))
  })

  test('that others may read is refused', async () => {
    const dir = await temporaryDir()
    loadApiToken(dir)
    await chmod(join(dir, 'api-token'), 0o644)
    expect(() => loadApiToken(dir)).toThrow(expect.objectContaining({ code: 'SKEIN_KEY_FILE', message: expect.stringMatching(/chmod 600/) }))
  })
})
