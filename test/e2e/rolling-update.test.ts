import { spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../support/free-port.ts'
import { makeToken, readJson, ROOT, startSkein, tempDataDir, type SkeinProcess } from '../support/skein-process.ts'
import { refusedWindows, startLoad, type Load, type LoadCall } from '../support/steady-load.ts'
import { waitUntil } from '../support/wait-until.ts'
import type { Row } from '../../scripts/rolling-update/update.ts'

/** Each server is at three of five nodes, so that everybody's calls go to other nodes too, and every node serves others. */
const SERVERS: Record<string, string[]> = { a: ['east'], b: ['east', 'west'], c: ['west'], d: ['east'], e: ['west'] }
const NAMES = Object.keys(SERVERS)
const TOOLS = ['east__append', 'west__append', 'east__read', 'west__read']
/** Clients of a node that is replaced are refused for no longer than this, ms: nearly all of it is a process that starts, … */
const REFUSED_AT_MOST = 3_000
/** … so on a machine that has much else to do it is only printed, and must end at all, ms. */
const REFUSED_AT_MOST_WHEN_BUSY = 30_000
/** Processes that want a core, for each core, before this test begins its own. */
const BUSY = 1.5
/** Calls before the first and after the last replacement, ms. */
const AROUND = 1_500

interface Federated {
  name: string
  dataDir: string
  node: SkeinProcess
  mcpUrl: string
}

interface Ran {
  code: number | null
  stdout: string
  /** What it said, with the time, unix ms. */
  said: { at: number; line: string }[]
}

function rollingUpdate(...args: string[]): Promise<Ran> {
  const child = spawn(process.execPath, [join(ROOT, 'scripts/rolling-update.ts'), ...args], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
  const said: Ran['said'] = []
  let stdout = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => {
    for (const line of chunk.toString().split('\n')) if (line !== '') said.push({ at: Date.now(), line })
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, stdout, said }))
  })
}

describe('a federation of five nodes under load', () => {
  const scratch = tempDataDir()
  const log = join(scratch, 'executions.log')
  const nodes: Federated[] = []
  const pidOf = ({ dataDir }: Federated) => readJson<{ pid: number }>(join(dataDir, 'run.json')).pid
  const dirs = () => nodes.flatMap(({ dataDir }) => ['--data-dir', dataDir])
  const restart = `exec ${process.execPath} ${join(ROOT, 'bin/skein.js')} start --json --data-dir {data_dir} --config {data_dir}/node.yaml`

  async function start(name: string, token?: string): Promise<Federated> {
    const dataDir = tempDataDir()
    const [httpPort, p2pPort] = [await freePort(), await freePort()]
    const server = { command: process.execPath, args: [join(ROOT, 'test/fixtures/log-server.ts')], env: { SKEIN_LOG: log }, stateless: true, repeatable: ['read'] }
    const config = {
      node: { id: name },
      network: { http_port: httpPort, listen: [`/ip4/127.0.0.1/tcp/${p2pPort}`] },
      mcp: { graph: { enabled: false }, servers: Object.fromEntries((SERVERS[name] as string[]).map((one) => [one, server])) }
    }
    const node = await startSkein({ dataDir, config, ...(token === undefined ? {} : { token }) })
    return { name, dataDir, node, mcpUrl: node.mcpUrl() }
  }

  beforeAll(async () => {
    const first = await start('a')
    nodes.push(first)
    const token = await makeToken(first.node, { uses: NAMES.length - 1 })
    nodes.push(...(await Promise.all(NAMES.slice(1).map((name) => start(name, token)))))
    await waitUntil(
      'every node lists three providers of each server',
      async () => (await Promise.all(nodes.map(({ node }) => node.tools()))).every((tools) => TOOLS.every((tool) => tools.find(({ name }) => name === tool)?.providers.length === 3)),
      { timeout: 30_000, every: 50 }
    )
  }, 120_000)
  afterAll(async () => {
    for (const one of nodes) {
      let pid: number | undefined
      try {
        pid = pidOf(one)
        process.kill(pid, 'SIGTERM')
      } catch {
        // It did not come back.
      }
      await waitUntil('it has ended', () => !isAlive(pid), { timeout: 20_000 }).catch(() => pid !== undefined && process.kill(pid, 'SIGKILL'))
      await one.node.dispose()
    }
    rmSync(scratch, { recursive: true, force: true })
  })

  function isAlive(pid: number | undefined): boolean {
    try {
      return pid !== undefined && process.kill(pid, 0)
    } catch {
      return false
    }
  }

  /** How often each call ran, whoever ran it. */
  function executions(): Map<string, number> {
    const runs = new Map<string, number>()
    for (const line of readFileSync(log, 'utf8').split('\n')) {
      const id = line.split(' ')[1]
      if (id !== undefined) runs.set(id, (runs.get(id) ?? 0) + 1)
    }
    return runs
  }

  test('--dry-run says what it would do, and touches nothing', async () => {
    const before = nodes.map(pidOf)
    const { code, said } = await rollingUpdate(...dirs(), '--restart', restart, '--dry-run')
    const lines = said.map(({ line }) => line)
    expect(code, lines.join('\n')).toBe(0)
    for (const { name, dataDir } of nodes) expect(lines.some((line) => line.startsWith(`${name} (`) && line.includes(`--data-dir ${dataDir}`))).toBe(true)
    expect(nodes.map(pidOf)).toEqual(before)
  })

  test('all replaced one by one: no call of a client of another node fails, none that was accepted is lost, none runs twice', { timeout: 240_000 }, async () => {
    const before = nodes.map(pidOf)
    const busy = (loadavg()[0] as number) / availableParallelism()
    const limit = busy > BUSY ? REFUSED_AT_MOST_WHEN_BUSY : REFUSED_AT_MOST
    const loads: Load[] = nodes.flatMap(({ name, mcpUrl }) => (['2025', '2026'] as const).map((era) => startLoad({ name, url: mcpUrl, era, tools: TOOLS, workers: 2 })))
    await new Promise((resolve) => setTimeout(resolve, AROUND))
    const { code, stdout, said } = await rollingUpdate(...dirs(), '--restart', restart, '--within', '10s', '--ready-within', '60s', '--json')
    await new Promise((resolve) => setTimeout(resolve, AROUND))
    const byClient = await Promise.all(loads.map((load) => load.stop()))
    const calls = byClient.flat()
    const transcript = said.map(({ line }) => line).join('\n')
    expect(code, transcript).toBe(0)
    const rows = JSON.parse(stdout) as Row[]
    expect(rows.map(({ name }) => name)).toEqual(NAMES)
    expect(nodes.map(pidOf).every((pid, index) => pid !== before[index])).toBe(true)

    const timeOf = (name: string, what: string) => said.find(({ line }) => line.startsWith(`${name}: ${what}`))?.at as number
    const windows = byClient.flatMap((list) => refusedWindows(list).map((window) => ({ client: (list[0] as LoadCall).client, ...window })))
    const failed = calls.filter(({ outcome }) => outcome !== 'ok')
    console.log(
      [
        `${calls.length} calls of ${loads.length} clients at ${NAMES.length} nodes; ${failed.length} refused, all at the node that was being replaced`,
        ...rows.map(({ name, drained, stopped, ready, seen, out }) => `  ${name}: drained ${drained} ms, stopped ${stopped}, ready ${ready}, seen ${seen}; out ${out}`),
        `  load of the machine before: ${busy.toFixed(1)} a core, so refused windows may last ${limit} ms`,
        ...windows.map(({ client, ms, outcomes }) => `  a client of ${client} was refused for ${ms} ms: ${JSON.stringify(outcomes)}`)
      ].join('\n')
    )
    // Failures at a node belong to the time of its replacement, which ends when the next one's begins; a line is read a moment after it was said.
    const until = (name: string) => timeOf(NAMES[NAMES.indexOf(name) + 1] ?? '', 'draining') ?? Infinity
    expect(failed.filter(({ client, at, ms }) => at + ms < timeOf(client, 'draining') - 100 || at > until(client))).toEqual([])
    for (const { client, ms } of windows) expect(ms, `clients of ${client}`).toBeLessThanOrEqual(limit)
    // Every client of every node met its replacement, or this says nothing.
    expect(new Set(windows.map(({ client }) => client))).toEqual(new Set(NAMES))

    const runs = executions()
    expect(calls.filter(({ id, outcome }) => (runs.get(id) ?? 0) !== (outcome === 'ok' ? 1 : 0)).map((call) => ({ ...call, ran: runs.get(call.id) ?? 0 }))).toEqual([])
    // A node that is back knows what the others offer before it serves, unless everything takes so long that it goes on without.
    const refusals = new Set(['SKEIN_GOAWAY', 'ECONNREFUSED', 'ECONNRESET', 'HTTP 404', ...(busy > BUSY ? ['SKEIN_NOT_FOUND'] : [])])
    expect(failed.filter(({ outcome }) => !refusals.has(outcome))).toEqual([])
  })

  test('a node whose calls do not end in time is taken back into service, and the rest is not touched', async () => {
    const before = nodes.map(pidOf)
    const [first] = nodes as [Federated]
    const load = startLoad({ name: 'b', url: (nodes[1] as Federated).mcpUrl, era: '2026', tools: TOOLS, workers: 2 })
    const long = fetch(first.mcpUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'east__append' },
      body: JSON.stringify({
        jsonrpc: '2.0', id: 1, method: 'tools/call',
        params: { name: 'east__append', arguments: { id: 'long', after: 6_000 }, _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} } }
      })
    })
    await waitUntil('the long call runs', () => executions().has('long'))
    const { code, said } = await rollingUpdate(...dirs(), '--restart', restart, '--within', '500ms')
    const last = said.at(-1)?.line
    expect(code).toBe(1)
    expect(last).toMatch(/^rolling-update: a: 1 calls still ran there after 500 ms, so it was taken back into service\. Allow more with --within/)
    expect(nodes.map(pidOf)).toEqual(before)
    expect((await fetch(new URL('/ready', first.mcpUrl))).status).toBe(200)
    expect(((await (await long).text()).match(/append long/) ?? []).length).toBe(1)
    expect((await load.stop()).filter(({ outcome }) => outcome !== 'ok')).toEqual([])
  })

  test('a restart command that fails: it stops there and says how to go on', async () => {
    const { code, said } = await rollingUpdate(...dirs(), '--restart', 'exit 7', '--ready-within', '2s', '--from', 'e')
    expect(code).toBe(1)
    expect(said.at(-1)?.line).toMatch(/^rolling-update: e: it is stopped and not ready again after 2000 ms: the restart command ended with 7\. Start it by hand \(exit 7;.*--from/)
    const e = nodes.at(-1) as Federated
    expect(() => pidOf(e)).toThrow()
    // The others go on, and it may come back later.
    const { stdout } = await (nodes[0] as Federated).node.cli('members', '--json')
    expect((JSON.parse(stdout) as { name: string; state: string }[]).map(({ name, state }) => `${name} ${state}`).sort()).toEqual(['a alive', 'b alive', 'c alive', 'd alive', 'e left'])
  })
})
