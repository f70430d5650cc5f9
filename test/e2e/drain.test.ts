import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DrainStatus } from '../../src/node/api.ts'
import { leanClient } from '../support/lean-mcp.ts'
import { makeToken, ROOT, startSkein, type SkeinProcess } from '../support/skein-process.ts'
import { startLoad, type LoadCall } from '../support/steady-load.ts'
import { waitUntil } from '../support/wait-until.ts'

const TOOLS = ['log__append', 'log__read']

describe('drain', () => {
  const logs: Record<string, string> = {}
  let edge: SkeinProcess
  let b: SkeinProcess
  let c: SkeinProcess
  let ids = 0

  const lines = (name: string) => readFileSync(logs[name] as string, { encoding: 'utf8', flag: 'a+' }).split('\n').filter(Boolean)
  const base = (node: SkeinProcess) => new URL(node.mcpUrl()).origin
  const tokenOf = (node: SkeinProcess) => readFileSync(join(node.dataDir, 'api-token'), 'utf8').trim()
  const ask = (node: SkeinProcess, method: string, path: string, body?: object) =>
    fetch(base(node) + path, { method, headers: { authorization: `Bearer ${tokenOf(node)}`, 'content-type': 'application/json' }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  const statusOf = async (node: SkeinProcess) => (await (await ask(node, 'GET', '/admin/drain')).json()) as DrainStatus
  async function metric(node: SkeinProcess, line: string): Promise<number> {
    const text = await (await fetch(node.metricsUrl())).text()
    return Number(text.split('\n').find((one) => one.startsWith(`${line} `))?.split(' ')[1] ?? 0)
  }
  const retries = () => metric(edge, 'skein_calls_retries_total{verdict="next"}')
  const providers = async () => (await edge.tools()).find(({ name }) => name === 'log__append')?.providers.map(({ name }) => name).sort() ?? []
  async function startProvider(name: string, token: string): Promise<SkeinProcess> {
    logs[name] = join(edge.dataDir, `${name}.log`)
    const log = { command: process.execPath, args: [join(ROOT, 'test/fixtures/log-server.ts')], env: { SKEIN_LOG: logs[name] }, stateless: true, repeatable: ['read'] }
    return startSkein({ token, config: { node: { id: name }, mcp: { graph: { enabled: false }, servers: { log } } } })
  }
  const failures = (calls: readonly LoadCall[]) => calls.filter(({ outcome }) => outcome !== 'ok')

  beforeAll(async () => {
    edge = await startSkein({ config: { node: { id: 'edge' }, mcp: { graph: { enabled: false } } } })
    const token = await makeToken(edge, { uses: 2 })
    ;[b, c] = await Promise.all([startProvider('b', token), startProvider('c', token)])
    await waitUntil('both are listed at the edge', async () => (await providers()).join() === 'b,c', { timeout: 20_000, every: 50 })
  })
  afterAll(async () => {
    await Promise.all([edge, b, c].map((node) => node?.dispose()))
  })

  test('the API needs the token, and takes only what it knows', async () => {
    expect((await fetch(`${base(b)}/admin/drain`, { method: 'POST' })).status).toBe(401)
    expect((await ask(b, 'POST', '/admin/drain', { within: 1 })).status).toBe(400)
    expect((await ask(b, 'POST', '/admin/drain', { within_ms: -1 })).status).toBe(400)
    expect((await ask(b, 'DELETE', '/admin/drain')).status).toBe(405)
    expect(await statusOf(b)).toEqual({ state: 'serving', running: 0 })
  })

  test('a client of another node sees nothing of it: the catalog says so before anything is refused', async () => {
    const load = startLoad({ name: `edge${ids++}`, url: edge.mcpUrl(), era: '2025', tools: TOOLS, workers: 8 })
    const own = await leanClient(b.mcpUrl())
    await waitUntil('both run calls', () => lines('b').length > 20 && lines('c').length > 20)
    const drained = await ask(b, 'POST', '/admin/drain')
    expect([drained.status, ((await drained.json()) as DrainStatus).state]).toEqual([202, 'draining'])
    await waitUntil('b is drained', async () => (await statusOf(b)).state === 'drained', { every: 10 })
    expect(await statusOf(b)).toEqual({ state: 'drained', running: 0, since: expect.any(Number) })
    const done = lines('b').length
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    expect(lines('b').length).toBe(done)
    console.log(`${load.calls.length} calls of the edge so far, ${failures(load.calls).length} failed; ${await retries()} went to b in vain`)
    expect(failures(load.calls)).toEqual([])
    // Nobody was refused who could have known.
    expect(await retries()).toBe(0)

    // It is alive all the same, and says what it is.
    expect(await providers()).toEqual(['c'])
    const members = await edge.members()
    expect(members.find(({ name }) => name === 'b')?.state).toBe('alive')
    const ready = await fetch(`${base(b)}/ready`)
    expect([ready.status, ((await ready.json()) as { checks: Record<string, { detail: string }> }).checks['drain']?.detail]).toEqual([503, 'drained: takes no new calls, 0 still run'])
    expect((await fetch(`${base(b)}/health`)).status).toBe(200)
    expect((await b.cli('status')).stdout).toContain('skein drain --undo')
    expect(await metric(b, 'skein_node_draining')).toBe(1)
    expect((await own.call('log__append', { id: 'refused' })).error).toMatchObject({ data: { code: 'SKEIN_GOAWAY' } })
    await expect(leanClient(b.mcpUrl())).rejects.toThrow(/HTTP 503/)

    // And back, in the session that was there before.
    const { code, stdout } = await b.cli('drain', '--undo')
    expect([code, stdout]).toEqual([0, 'The node serves.\n'])
    expect((await own.call('log__append', { id: 'again' })).result?.content?.[0]?.text).toBe('append again')
    own.close()
    const back = lines('b').length
    await waitUntil('the edge calls b again', () => lines('b').length > back + 10, { timeout: 10_000 })
    expect((await fetch(`${base(b)}/ready`)).status).toBe(200)
    const calls = await load.stop()
    expect(failures(calls)).toEqual([])
    expect(await retries()).toBe(0)
    const runs = [...lines('b'), ...lines('c')].map((line) => line.split(' ')[1])
    expect(new Set(runs).size).toBe(runs.length)
    expect(runs).not.toContain('refused')
  })

  test('ten times there and back under load: not one call fails', async () => {
    const load = startLoad({ name: `edge${ids++}`, url: edge.mcpUrl(), era: '2026', tools: TOOLS, workers: 8 })
    for (let time = 0; time < 10; time++) {
      const node = time % 2 === 0 ? b : c
      await ask(node, 'POST', '/admin/drain', { within_ms: 5_000 })
      await waitUntil('it is drained', async () => (await statusOf(node)).state === 'drained', { every: 5 })
      expect((await ask(node, 'POST', '/admin/undrain')).status).toBe(200)
    }
    const calls = await load.stop()
    console.log(`${calls.length} calls while b and c were drained five times each; ${await retries()} retries`)
    expect(failures(calls)).toEqual([])
  })

  test('--wait waits for what runs, for as long as it may, and says what is left', async () => {
    const client = await leanClient(edge.mcpUrl())
    await ask(c, 'POST', '/admin/drain')
    await waitUntil('only b is left', async () => (await providers()).join() === 'b', { every: 50 })
    const long = client.call('log__append', { id: 'long', after: 2_500 })
    await waitUntil('it runs', () => lines('b').some((line) => line.includes(' long ')))
    const short = await b.cli('drain', '--wait', '--within', '200ms')
    expect([short.code, short.stdout]).toEqual([0, expect.stringMatching(/^The time is over and 1 call still runs/)])
    const patient = await b.cli('drain', '--wait', '--json')
    expect(JSON.parse(patient.stdout)).toMatchObject({ state: 'drained' })
    expect((await long).result?.content?.[0]?.text).toBe('append long')
    await waitUntil('nothing runs', async () => (await statusOf(b)).running === 0)
    // Nobody is left: the client hears it at once, and nothing ran.
    expect((await client.call('log__append', { id: 'nowhere' })).error).toBeDefined()
    for (const node of [b, c]) expect((await node.cli('drain', '--undo', '--json')).code).toBe(0)
    await waitUntil('both are listed again', async () => (await providers()).join() === 'b,c', { every: 50 })
    expect((await client.call('log__append', { id: 'somewhere' })).result?.content?.[0]?.text).toBe('append somewhere')
    expect([...lines('b'), ...lines('c')].some((line) => line.includes(' nowhere '))).toBe(false)
    client.close()
  })

  test('shutdown by the API: what runs finishes, exit code 0, the others see that it left', async () => {
    const client = await leanClient(b.mcpUrl())
    const running = client.call('log__append', { id: 'last', after: 800 })
    await waitUntil('it runs', () => lines('b').some((line) => line.includes(' last ')))
    const gone = new Promise((resolve) => b.child.once('exit', resolve))
    const answer = await ask(b, 'POST', '/admin/shutdown')
    expect([answer.status, await answer.json()]).toEqual([202, { pid: b.child.pid }])
    // The port is open meanwhile and says what is going on; there is no way back.
    expect((await fetch(`${base(b)}/ready`)).status).toBe(503)
    expect((await ask(b, 'POST', '/admin/undrain')).status).toBe(400)
    expect((await running).result?.content?.[0]?.text).toBe('append last')
    expect(await gone).toBe(0)
    client.close()
    const members = await edge.members()
    expect(members.find(({ name }) => name === 'b')?.state).toBe('left')
  })

  test('SIGTERM twice, the first while it is drained: the second one ends it at once', async () => {
    const client = await leanClient(c.mcpUrl())
    const lost = client.call('log__append', { id: 'never', after: 30_000 }).catch((error: unknown) => error)
    await waitUntil('it runs', () => lines('c').some((line) => line.includes(' never ')))
    expect((await c.cli('drain', '--wait', '--within', '100ms')).code).toBe(0)
    const gone = new Promise((resolve) => c.child.once('exit', resolve))
    c.child.kill('SIGTERM')
    await new Promise((resolve) => setTimeout(resolve, 700))
    expect(c.child.exitCode).toBe(null)
    const asked = performance.now()
    c.child.kill('SIGTERM')
    expect(await gone).toBe(130)
    expect(performance.now() - asked).toBeLessThan(2_000)
    expect(await lost).toBeInstanceOf(Error)
    client.close()
  })
})
