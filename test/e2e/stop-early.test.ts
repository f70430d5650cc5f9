import { spawn } from 'node:child_process'
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { alive, descendants } from '../support/processes.ts'
import { makeToken, ROOT, runSkein, startSkein, tempDataDir } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'

// Each has a node of its own, and mostly waits for it: side by side.
describe.concurrent('a node that is stopped before it is ready', () => {
  let token = ''
  const dirs: string[] = []
  beforeAll(async () => {
    // The only node that could let anybody in is gone: joining goes on for half a minute.
    const issuer = await startSkein({ config: { mcp: { graph: { enabled: false } } } })
    token = await makeToken(issuer)
    await issuer.dispose()
  })
  afterAll(() => {
    for (const dir of dirs) rmSync(dir, { recursive: true, force: true })
  })

  async function startJoining() {
    const dataDir = tempDataDir()
    dirs.push(dataDir)
    const file = join(dataDir, 'node.yaml')
    const servers = { stubborn: { command: process.execPath, args: [join(ROOT, 'test/fixtures/stubborn-server.ts')] } }
    writeFileSync(
      file,
      stringify({ network: { listen: ['/ip4/127.0.0.1/tcp/0'], http_port: 0 }, monitoring: { metrics_port: 0, log_format: 'json' }, mcp: { servers } }),
      { mode: 0o600 }
    )
    const child = spawn(process.execPath, [join(ROOT, 'bin/skein.js'), 'start', '--data-dir', dataDir, '--config', file, '--token', token], { stdio: ['ignore', 'pipe', 'pipe'] })
    const node = { dataDir, child, stdout: '', stderr: '', ended: undefined as number | string | null | undefined }
    child.stdout.on('data', (chunk: Buffer) => (node.stdout += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (node.stderr += chunk.toString()))
    child.once('close', (code, signal) => (node.ended = signal ?? code))
    await waitUntil('it is joining', () => `${node.stdout}${node.stderr}`.includes('"joining"') || node.ended !== undefined, { timeout: 20_000 })
    expect(node.ended).toBe(undefined)
    return node
  }

  async function endsCleanly(node: Awaited<ReturnType<typeof startJoining>>, children: ReturnType<typeof descendants>): Promise<void> {
    const asked = performance.now()
    await waitUntil('it has ended', () => node.ended !== undefined, { timeout: 8_000 })
    console.log(`stopped while joining: ended after ${Math.round(performance.now() - asked)} ms`)
    expect(node.ended).toBe(0)
    expect(node.stderr).toContain('skein: the node was stopped before it was ready\n')
    expect(`${node.stdout}${node.stderr}`).not.toMatch(/\n\s+at |Unhandled/)
    expect(existsSync(join(node.dataDir, 'run.json'))).toBe(false)
    expect(readdirSync(node.dataDir).filter((name) => name.endsWith('.sock'))).toEqual([])
    await waitUntil('no process is left', () => alive(children).length === 0, { timeout: 2_000 })
  }

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`by ${signal}: everything that was started stops, code 0`, async () => {
      const node = await startJoining()
      const children = descendants(node.child.pid as number)
      expect(children.length).toBeGreaterThan(0)
      node.child.kill('SIGHUP')
      node.child.kill(signal)
      await endsCleanly(node, children)
    })
  }

  test('by `skein stop --wait`', async () => {
    const node = await startJoining()
    const children = descendants(node.child.pid as number)
    const stop = await runSkein(['stop', '--wait', '--data-dir', node.dataDir])
    expect(stop.code, stop.stderr).toBe(0)
    await endsCleanly(node, children)
  })

  test('a port that is busy only at the last step leaves nothing behind', async () => {
    const first = await startSkein({ config: { mcp: { graph: { enabled: false } } } })
    const port = Number(new URL(first.metricsUrl()).port)
    const dataDir = tempDataDir()
    dirs.push(dataDir)
    const late = await runSkein(['start', '--data-dir', dataDir, '--listen', '/ip4/127.0.0.1/tcp/0', '--http-port', '0', '--metrics-port', String(port), '--log-format', 'json'])
    expect(late.code).toBe(5)
    expect(late.stderr).toContain('SKEIN_PORT_IN_USE')
    expect(late.stderr).not.toMatch(/\n\s+at |Unhandled/)
    expect(readdirSync(dataDir).filter((name) => name.endsWith('.sock') || name === 'run.json')).toEqual([])
    // The same data serves the next start.
    const again = await startSkein({ dataDir, config: { mcp: { graph: { enabled: false } } } })
    await again.dispose()
    await first.dispose()
  })
})
