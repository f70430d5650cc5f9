import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { API_ROUTES } from '../../src/http/api/routes.ts'
import { schemaProblem } from '../../src/http/api/schema.ts'
import type { Dashboard, GossipInfo, GossipTestResult, RegistryStatus } from '../../src/node/views/overview.ts'
import { parseExposition } from '../support/exposition.ts'
import { freePort } from '../support/free-port.ts'
import { makeToken, ROOT, startSkein, type SkeinProcess } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'

const ECHO = join(ROOT, 'test/fixtures/echo-server.ts')
const SECRET = 'a-secret-that-nobody-may-see'
/** Gossipsub grafts in its heartbeat (1 s); a mesh of three stands after a few. */
const MESH_STANDS_MS = 20_000

const tokenOf = ({ dataDir }: SkeinProcess) => readFileSync(join(dataDir, 'api-token'), 'utf8').trim()

/** A tool of `a`, for the route that wants one. */
const SEARCH: Record<string, string> = { '/api/route': '?tool=graph__list_graphs' }

async function ask<T>(node: SkeinProcess, key: string, body?: object): Promise<{ status: number; body: T; text: string }> {
  const [method, path] = key.split(' ') as [string, string]
  const headers = { authorization: `Bearer ${tokenOf(node)}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
  const answer = await fetch(new URL(path + (SEARCH[path] ?? ''), node.mcpUrl()), { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  const text = await answer.text()
  return { status: answer.status, body: JSON.parse(text) as T, text }
}

async function get<T>(node: SkeinProcess, path: string): Promise<T> {
  const { status, body } = await ask<T>(node, `GET ${path}`)
  expect(status, path).toBe(200)
  return body
}

/** At most one a second, whoever asked before. */
async function testMessage(node: SkeinProcess, body: object = {}): Promise<GossipTestResult> {
  let answer = await ask<GossipTestResult>(node, 'POST /api/gossip/test-message', body)
  await waitUntil('another test message may be sent', async () => {
    if (answer.status === 429) answer = await ask<GossipTestResult>(node, 'POST /api/gossip/test-message', body)
    return answer.status !== 429
  }, { every: 200 })
  expect(answer.status, answer.text).toBe(200)
  return answer.body
}

describe('the HTTP API of three real nodes', () => {
  let nodes: [SkeinProcess, SkeinProcess, SkeinProcess]
  let bogus: string
  const peers = () => nodes.map((node) => node.status().peer)

  beforeAll(async () => {
    const servers = { hidden: { url: 'http://127.0.0.1:1/mcp', headers: { authorization: `Bearer ${SECRET}` } } }
    const a = await startSkein({ config: { node: { id: 'a' }, mcp: { graph: { expose: true } } } })
    const [tokenB, tokenC] = [await makeToken(a), await makeToken(a)]
    // Nobody is there.
    bogus = `/ip4/127.0.0.1/tcp/${await freePort()}`
    const b = await startSkein({ token: tokenB, config: { node: { id: 'b' }, network: { bootstrap: [bogus] }, mcp: { graph: { enabled: false }, servers } } })
    const c = await startSkein({ token: tokenC, config: { node: { id: 'c' }, mcp: { graph: { enabled: false }, servers: { echo: { command: process.execPath, args: [ECHO], env: { API_KEY: SECRET } } } } } })
    nodes = [a, b, c]
    await waitUntil('all see all and the tools of a', async () => {
      const counts = await Promise.all(nodes.map(async (node) => (await get<{ records: { path: string }[] }>(node, '/api/registry/status')).records.filter(({ path }) => path !== 'none').length))
      const tools = await Promise.all(nodes.map(async (node) => (await get<{ tools: unknown[] }>(node, '/api/tools')).tools.length))
      return counts.every((count) => count === 3) && tools.every((count) => count > 0)
    }, { timeout: 30_000, every: 250 })
  }, 120_000)
  afterAll(() => Promise.all((nodes ?? []).map((node) => node.dispose())))

  test('a bogus bootstrap address is a failure and never a success; what was done is what the dashboard and the metrics say', { timeout: 60_000 }, async () => {
    const b = nodes[1]
    // An answer is kept for 30 s: what follows must be the first one.
    const scrape = async () => parseExposition(await (await fetch(b.metricsUrl())).text())
    await waitUntil('the bogus address was tried', async () => ((await scrape()).value('p2p_bootstrap_attempts_total', { method: 'ipfs_nodes', status: 'failure' }) ?? 0) > 0)
    const before = await scrape()
    const { peer_discovery: discovery, bootstrap, workflows } = await get<Dashboard>(b, '/api/dashboard')
    const after = await scrape()
    const counted = (metrics: typeof before, name: string, status: string) => metrics.samples.filter((sample) => sample.name === name && sample.labels['status'] === status).reduce((sum, { value }) => sum + value, 0)

    expect(bootstrap).toMatchObject({ successful: 0, success_rate: 0, by_method: { ipfs_nodes: bootstrap.total_attempts } })
    expect(bootstrap.failed).toBe(bootstrap.total_attempts)
    expect(discovery.by_source).not.toHaveProperty('ipfs_nodes')
    expect(discovery.total).toBe(discovery.successful + discovery.failed)
    for (const [name, { successful, failed }] of [['p2p_peer_discoveries_total', discovery], ['p2p_bootstrap_attempts_total', bootstrap]] as const) {
      for (const [status, said] of [['success', successful], ['failure', failed]] as const) {
        expect(said, `${name} ${status}`).toBeGreaterThanOrEqual(counted(before, name, status))
        expect(said, `${name} ${status}`).toBeLessThanOrEqual(counted(after, name, status))
      }
    }
    expect(discovery.success_rate).toBeCloseTo((100 * discovery.successful) / discovery.total, 1)
    expect(workflows).toEqual({ total: 0, active: 0, completed: 0, failed: 0, success_rate: 0, avg_duration_ms: 0, by_status: {}, last_workflow: null })
    for (const time of [discovery.last_discovery, bootstrap.last_bootstrap]) expect(Math.abs(Date.parse(time as string) - Date.now())).toBeLessThan(60_000)
    // Kept: the same answer, although dialling goes on.
    expect(await get<Dashboard>(b, '/api/dashboard')).toEqual({ peer_discovery: discovery, bootstrap, workflows })
  })

  test.each(Object.entries(API_ROUTES).filter(([key]) => !key.startsWith('POST')))('%s of every node is what its schema says', async (key, { answer }) => {
    for (const node of nodes) {
      const { status, body } = await ask(node, key)
      expect([status, schemaProblem(answer, body, key)]).toEqual([200, undefined])
    }
  })

  test('no answer holds a secret: no token, nothing of the environment, no header of a server', async () => {
    for (const node of nodes) {
      for (const key of Object.keys(API_ROUTES).filter((one) => one.startsWith('GET'))) {
        const { text } = await ask(node, key)
        for (const secret of [SECRET, tokenOf(node), 'skein1']) expect(text.includes(secret), `${key} holds ${secret}`).toBe(false)
      }
    }
  })

  test('status, members, peers and tools are what the commands say', async () => {
    const [a, b] = nodes
    const { status } = { status: await get<{ peer: string; mcpUrl: string; metricsUrl: string; members: object }>(a, '/api/status') }
    expect(status).toMatchObject({ peer: a.status().peer, mcpUrl: a.mcpUrl(), metricsUrl: a.metricsUrl(), members: { total: 3, healthy: 3 } })
    const names = <T extends { name: string }>(list: readonly T[]) => list.map(({ name }) => name).sort()
    expect(names((await get<{ members: { name: string }[] }>(b, '/api/members')).members)).toEqual(['a', 'b', 'c'])
    expect(names((await get<{ peers: { name: string }[] }>(b, '/api/peers')).peers)).toEqual(names(await b.peers()))
    expect(names((await get<{ tools: { name: string }[] }>(b, '/api/tools')).tools)).toEqual(names(await b.tools()))
  })

  test('the registry has the record of every node, its path, and nothing missing', async () => {
    const [a, b] = nodes
    await waitUntil('all definitions have arrived', async () => (await get<RegistryStatus>(b, '/api/registry/status')).missing.total === 0)
    const { peer, pool, records, lastSync } = await get<RegistryStatus>(b, '/api/registry/status')
    expect([peer, pool]).toEqual([b.status().peer, 'root'])
    expect(records.map(({ name, path, self, draining }) => ({ name, path, self, draining }))).toEqual([
      { name: 'a', path: 'direct', self: false, draining: false },
      { name: 'b', path: 'self', self: true, draining: false },
      { name: 'c', path: 'direct', self: false, draining: false }
    ])
    expect(records[0]).toMatchObject({ servers: ['graph'], peer: a.status().peer })
    expect(records[0]?.tools).toBeGreaterThan(5)
    for (const { ageSeconds, expires } of records) {
      expect(ageSeconds).toBeLessThan(120)
      expect(expires).toBeGreaterThan(Date.now())
    }
    expect(peers()).toContain(lastSync?.peer)
    expect(Math.abs((lastSync?.at ?? 0) - Date.now())).toBeLessThan(120_000)
  })

  test('a test message reaches everyone over a path that is true, and gossip counts it', { timeout: 60_000 }, async () => {
    const [a, b, c] = nodes
    const topicOf = async (node: SkeinProcess) => (await get<GossipInfo>(node, '/api/gossip/stats')).gossipsub.topics.find(({ about }) => about === 'test')
    await waitUntil('the mesh stands', async () => (await Promise.all(nodes.map(topicOf))).every((topic) => topic !== undefined && topic.subscribers === 2 && topic.meshPeers.length > 0), { timeout: MESH_STANDS_MS, every: 250 })
    const before = await Promise.all(nodes.map(topicOf))
    const began = Date.now()
    const result = await testMessage(a)
    const [self, ...others] = peers() as [string, string, string]
    console.log(`test message: ${result.ms.toFixed(1)} ms; ${result.reached.map(({ name, ms, path }) => `${name} ${ms.toFixed(1)} ms over ${path?.length ?? '?'} nodes`).join(', ')}`)
    expect(result.missing).toEqual([])
    expect(result.reached.map(({ peer }) => peer).sort()).toEqual(others.toSorted())
    expect(result.id).toMatch(/^[0-9a-f]{32}$/)
    expect(result.sent).toBeGreaterThanOrEqual(began - 1_000)
    for (const { peer, name, via, ms, path } of result.reached) {
      expect(name).toBe(peer === b.status().peer ? 'b' : 'c')
      expect(path?.[0]).toBe(self)
      expect(path?.at(-1)).toBe(peer)
      expect(path?.at(-2)).toBe(via)
      expect(ms).toBeGreaterThan(0)
      expect(ms).toBeLessThanOrEqual(result.ms)
    }
    const after = await Promise.all(nodes.map(topicOf))
    expect((after[0]?.published ?? 0) - (before[0]?.published ?? 0)).toBe(1)
    // Whoever got it directly was sent a copy by a.
    const direct = result.reached.filter(({ via }) => via === self).length
    expect((after[0]?.sentCopies ?? 0) - (before[0]?.sentCopies ?? 0)).toBeGreaterThanOrEqual(direct)
    for (const index of [1, 2]) {
      expect((after[index]?.received ?? 0) - (before[index]?.received ?? 0)).toBe(1)
      expect((after[index]?.receivedBytes ?? 0) - (before[index]?.receivedBytes ?? 0)).toBeGreaterThan(40)
    }
    const { gossipsub, swim } = await get<GossipInfo>(c, '/api/gossip/stats')
    expect(gossipsub.peers).toBe(2)
    expect(gossipsub.sentBytes).toBeGreaterThan(0)
    expect(gossipsub.receivedBytes).toBeGreaterThan(gossipsub.topics.reduce((sum, topic) => sum + topic.receivedBytes, 0))
    expect(Object.values(swim.sent).reduce((sum, value) => sum + value, 0)).toBeGreaterThan(0)
    expect(swim.links).toBe(2)
  })

  test('test messages at once: one goes, the others are 429', async () => {
    await testMessage(nodes[0])
    const answers = await Promise.all(Array.from({ length: 5 }, () => ask<{ error?: { code: string } }>(nodes[0], 'POST /api/gossip/test-message')))
    expect(answers.filter(({ status }) => status === 429).length).toBeGreaterThanOrEqual(4)
    for (const { status, body } of answers) if (status === 429) expect(body.error?.code).toBe('SKEIN_BUSY')
  })

  test('after kill -9 a node is missing, and the others are still reached', { timeout: 60_000 }, async () => {
    const [a, b, c] = nodes
    const peer = c.status().peer
    await testMessage(a)
    await c.kill('SIGKILL')
    const result = await testMessage(a, { within_ms: 1_500 })
    expect(result.missing).toMatchObject([{ peer, name: 'c', state: expect.stringMatching(/^(alive|suspect|dead)$/) }])
    expect(result.reached).toMatchObject([{ peer: b.status().peer, name: 'b' }])
    await waitUntil('c is dead', async () => (await testMessage(a, { within_ms: 500 })).missing[0]?.state === 'dead', { timeout: 30_000, every: 200 })
    // Nobody waits for the dead.
    expect((await testMessage(a, { within_ms: 8_000 })).ms).toBeLessThan(2_000)
    expect((await get<RegistryStatus>(a, '/api/registry/status')).records.find((record) => record.peer === peer)?.path ?? 'none').toBe('none')
  })
})
