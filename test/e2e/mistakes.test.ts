import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeToken, runSkein, startSkein, tempDataDir, type SkeinProcess } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'

/** What a person must never see. */
const STACK = /\n\s+at .+:\d+:\d+/

describe('mistakes get a sentence, a code and an exit code', () => {
  test('a configuration error names file, line and key: exit 5', async () => {
    const dataDir = tempDataDir()
    const file = join(dataDir, 'node.yaml')
    writeFileSync(file, 'node:\n  id: x\nnetwork:\n  http_prot: 8080\n', { mode: 0o600 })
    const { code, stderr } = await runSkein(['start', '--data-dir', dataDir, '--config', file])
    expect(code).toBe(5)
    expect(stderr).toContain(`${file}:4`)
    expect(stderr).toContain('network.http_prot')
    expect(stderr).toContain('http_port')
    expect(stderr).not.toMatch(STACK)
  })

  test('an explicit port in use is an error that names the key', async () => {
    const busy = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => busy.once('listening', resolve))
    const { port } = busy.address() as { port: number }
    const dataDir = tempDataDir()
    for (const [flag, value, key] of [
      ['--http-port', String(port), 'network.http_port'],
      ['--listen', `/ip4/127.0.0.1/tcp/${port}`, 'network.listen']
    ] as const) {
      const { code, stderr } = await runSkein(['start', '--data-dir', dataDir, '--metrics-port', '0', ...(flag === '--http-port' ? ['--listen', '/ip4/127.0.0.1/tcp/0'] : ['--http-port', '0']), flag, value])
      expect(code, stderr).not.toBe(0)
      expect(stderr).toContain(key)
      expect(stderr).toContain('SKEIN_PORT_IN_USE')
      expect(stderr).not.toMatch(STACK)
    }
    busy.close()
  })

  test('a command without a node: exit 3', async () => {
    const dataDir = tempDataDir()
    for (const command of [['status'], ['peers'], ['tools', 'ls'], ['call', 'a__b'], ['token', 'ls'], ['reload'], ['stop']]) {
      const { code, stderr } = await runSkein([...command, '--data-dir', dataDir])
      expect(code, command.join(' ')).toBe(3)
      expect(stderr).not.toMatch(STACK)
    }
  })
})

describe('around a running node', () => {
  let node: SkeinProcess
  let other: SkeinProcess
  beforeAll(async () => {
    node = await startSkein({ config: { mcp: { graph: { enabled: true, expose: true } } } })
    other = await startSkein({ token: await makeToken(node), config: { mcp: { graph: { enabled: false } } } })
  })
  afterAll(async () => {
    await Promise.all([node?.dispose(), other?.dispose()])
  })

  test('secrets in the data directory are 0600', () => {
    for (const name of ['identity.key', 'skein.db', 'run.json', 'control.sock']) {
      const mode = (statMode(join(node.dataDir, name)) & 0o777).toString(8)
      expect(mode, name).toBe('600')
    }
  })

  test('a second node on the same data is refused', async () => {
    const { code, stderr } = await runSkein(['start', '--data-dir', node.dataDir, '--http-port', '0', '--metrics-port', '0', '--listen', '/ip4/127.0.0.1/tcp/0'])
    expect(code).not.toBe(0)
    expect(stderr).toContain('SKEIN_ALREADY_RUNNING')
  })

  test('a world-readable key is refused with the command that mends it', async () => {
    const spare = await startSkein({ config: { mcp: { graph: { enabled: false } } } })
    await spare.kill('SIGTERM')
    const key = join(spare.dataDir, 'identity.key')
    chmodSync(key, 0o644)
    const { code, stderr } = await runSkein(['start', '--data-dir', spare.dataDir, '--config', join(spare.dataDir, 'node.yaml')])
    expect(code).not.toBe(0)
    expect(stderr).toContain(`chmod 600 '${key}'`)
    chmodSync(key, 0o600)
    writeFileSync(key, 'not a key')
    const broken = await runSkein(['start', '--data-dir', spare.dataDir, '--config', join(spare.dataDir, 'node.yaml')])
    expect(broken.stderr).toContain('SKEIN_KEY_FILE')
    expect(readFileSync(key, 'utf8')).toBe('not a key')
    await spare.dispose()
  })

  test('net test goes step by step and says how far it got', async () => {
    const good = await node.cli('net', 'test', other.status().addresses[0] as string)
    expect(good.code, good.stderr + good.stdout).toBe(0)
    expect(good.stdout).toMatch(/echo/)
    const nobody = await node.cli('net', 'test', '/ip4/127.0.0.1/tcp/9')
    expect(nobody.code).toBe(1)
    const nonsense = await node.cli('net', 'test', 'http://example')
    expect(nonsense.code).not.toBe(0)
    expect(nonsense.stdout + nonsense.stderr).toMatch(/multiaddr/)
  })

  test('skein call: results, server errors, unknown tools', async () => {
    const made = await node.cli('call', 'graph__create_graph', '{"id":"cli"}', '--json')
    expect(made.code, made.stderr).toBe(0)
    const twice = await node.cli('call', 'graph__create_graph', '{"id":"cli"}')
    expect(twice.code).toBe(1)
    const unknown = await node.cli('call', 'graph__nothing')
    expect(unknown.code).toBe(1)
    expect(unknown.stderr).toMatch(/no tool|list the tools/)
    await waitUntil('the other node lists the graph tools', async () => (await other.tools()).some((tool) => tool.name === 'graph__list_graphs'), { every: 200, timeout: 20_000 })
    const remote = await other.cli('call', 'graph__list_graphs', '--json')
    expect(remote.stdout).toContain('cli')
  })

  test('probes are true, and foreign Host or Origin headers are refused', async () => {
    const base = node.mcpUrl().replace(/\/mcp$/, '')
    for (const path of ['/health', '/ready', '/startup']) expect((await fetch(base + path)).status, path).toBe(200)
    const { status } = await fetch(node.mcpUrl(), {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', origin: 'https://evil.example' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } } })
    })
    expect(status).toBe(403)
  })
})

function statMode(path: string): number {
  return statSync(path).mode
}
