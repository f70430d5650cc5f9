import { randomBytes } from 'node:crypto'
import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { createHttpApi } from '../../../src/http/api/create-api.ts'
import type { HostRules } from '../../../src/http/mcp/guards.ts'
import { createHttpEdge } from '../../../src/http/server.ts'
import type { NodeApi } from '../../../src/node/api.ts'
import { loadApiToken } from '../../../src/store/api-token.ts'
import { removeTemporaryDirs, temporaryDir } from '../../support/control-node.ts'
import { createFakeNodeApi, MEMBERS } from '../../support/fake-node-api.ts'
import { waitUntil } from '../../support/wait-until.ts'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
  await removeTemporaryDirs()
})

const token = randomBytes(32).toString('base64url')
const bearer = { authorization: `Bearer ${token}` }

async function start(rules: Partial<HostRules> = {}, change: Partial<NodeApi> = {}) {
  const api = { ...createFakeNodeApi(), ...change }
  const meter = createMeter()
  const httpApi = createHttpApi({ api, logger: silentLogger }, { rules: { loopback: true, allowedHosts: [], allowedOrigins: [], ...rules }, token, tokenFile: 'api-token' })
  const edge = createHttpEdge({ api, mcpHttp: { handle: (_req, res) => void res.end('mcp') }, httpApi, logger: silentLogger, meter }, { host: '127.0.0.1', port: 0 })
  ends.push(() => edge.stop())
  const { url, port } = await edge.start()
  const counted = () => meter.snapshot().find(({ name }) => name === 'skein_http_requests_total')?.samples.map(({ labels, value }) => [...labels, value])
  return { url, port, counted }
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

  test.each(['POST', 'PUT', 'DELETE', 'HEAD'])('%s is 405 with Allow', async (method) => {
    const { url } = await start()
    const answer = await fetch(`${url}/api/members`, { method, headers: bearer, ...(method === 'POST' || method === 'PUT' ? { body: 'x'.repeat(100_000) } : {}) })
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET'])
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
