import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import type { ReloadResult, ServerStatus } from '../../src/node/api.ts'
import { leanClient } from '../support/lean-mcp.ts'
import { alive, descendants } from '../support/processes.ts'
import { makeToken, readJson, ROOT, startSkein, type SkeinProcess } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'

const fixture = (name: string, env: Record<string, string> = {}) => ({ command: process.execPath, args: [join(ROOT, 'test/fixtures', `${name}.ts`)], env })
const official = (name: string, ...args: string[]) => ({ command: process.execPath, args: [join(ROOT, 'node_modules/@modelcontextprotocol', name, 'dist/index.js'), ...args] })
const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'skein-lifecycle-')))
const logServer = (name = 'log') => fixture('log-server', { SKEIN_LOG: join(scratch, `${name}.txt`) })

async function serverOf(node: SkeinProcess, name: string): Promise<ServerStatus | undefined> {
  return (await node.state()).servers.find((server) => server.name === name)
}
async function pidOf(node: SkeinProcess, name: string): Promise<number> {
  const pid = (await serverOf(node, name))?.pids[0]
  if (pid === undefined) throw new Error(`${name} has no process`)
  return pid
}

const nodes: SkeinProcess[] = []
async function start(options: Parameters<typeof startSkein>[0]): Promise<SkeinProcess> {
  const node = await startSkein(options)
  nodes.push(node)
  return node
}
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.dispose()))
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

describe('upstream servers of a real node', () => {
  test('one killed with -9 serves again within 1 s', async () => {
    const node = await start({ config: { mcp: { graph: { enabled: false }, servers: { log: logServer() } } } })
    const client = await leanClient(node.mcpUrl())
    for (const time of [1, 2]) {
      const pid = await pidOf(node, 'log')
      process.kill(pid, 'SIGKILL')
      const killed = performance.now()
      const answer = await client.call('log__append', { id: `after-${time}` })
      const took = performance.now() - killed
      // The call may have been handed to the dying process: then nobody knows, and the next one is answered.
      const served = answer.result === undefined ? await client.call('log__append', { id: `again-${time}` }) : answer
      const again = performance.now() - killed
      console.log(`kill -9 of an upstream, time ${time}: first answer after ${Math.round(took)} ms (${answer.error?.data?.code ?? 'success'}), served after ${Math.round(again)} ms`)
      if (answer.error !== undefined) expect(answer.error.data?.code).toBe('SKEIN_OUTCOME_UNKNOWN')
      expect(served.result?.content?.[0]?.text).toContain(`-${time}`)
      expect(again).toBeLessThan(1_000)
      expect(await pidOf(node, 'log')).not.toBe(pid)
    }
    client.close()
  })

  const servers = {
    log: logServer('children'),
    echo: fixture('echo-server'),
    stubborn: fixture('stubborn-server'),
    everything: official('server-everything'),
    filesystem: official('server-filesystem', scratch),
    memory: official('server-memory')
  }
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    test(`2 s after a node ended by ${signal} none of its processes is left`, async () => {
      const node = await start({ config: { mcp: { graph: { enabled: true }, servers } } })
      await waitUntil('all servers are ready', async () => (await node.state()).servers.every((server) => server.state === 'ready'), { timeout: 20_000, every: 100 })
      const client = await leanClient(node.mcpUrl())
      const grandchild = Number((await client.call('echo__grandchild', {})).result?.content?.[0]?.text)
      client.close()
      const children = descendants(node.child.pid as number)
      expect(children.map(({ pid }) => pid)).toContain(grandchild)
      for (const server of (await node.state()).servers) for (const pid of server.pids) expect(children.map((each) => each.pid)).toContain(pid)
      const asked = performance.now()
      await node.kill(signal)
      const ended = performance.now()
      await waitUntil('no process is left', () => alive(children).length === 0, { timeout: 2_000, every: 10 }).catch(() => {})
      console.log(`${signal}: node gone after ${Math.round(ended - asked)} ms, its ${children.length} processes ${Math.round(performance.now() - ended)} ms later`)
      const left = alive(children)
      for (const line of left) process.kill(Number(line.split(' ')[0]), 'SIGKILL')
      expect(left).toEqual([])
    })
  }
})

describe('reload', () => {
  function edit(node: SkeinProcess, change: (servers: Record<string, unknown>) => void): void {
    const file = join(node.dataDir, 'node.yaml')
    const config = parse(readFileSync(file, 'utf8')) as { mcp: { servers: Record<string, unknown> } }
    change(config.mcp.servers)
    writeFileSync(file, stringify(config))
  }

  test('`skein reload` and SIGHUP touch only what changed', async () => {
    const node = await start({ config: { mcp: { graph: { enabled: false }, servers: { kept: logServer('kept'), changed: logServer('changed'), removed: logServer('removed') } } } })
    const kept = await pidOf(node, 'kept')
    const before = { changed: await pidOf(node, 'changed'), removed: await pidOf(node, 'removed') }
    const client = await leanClient(node.mcpUrl())
    // A call that runs through the reload at the untouched server is not disturbed.
    const running = client.call('kept__append', { id: 'through', before: 700 })

    edit(node, (servers) => {
      delete servers['removed']
      servers['added'] = logServer('added')
      servers['changed'] = logServer('changed-again')
    })
    const { code, stdout, stderr } = await node.cli('reload', '--json')
    expect(code, stderr).toBe(0)
    const result = JSON.parse(stdout) as ReloadResult
    expect(result).toEqual({ attached: ['added'], detached: ['removed'], restarted: ['changed'], unchanged: ['kept'], needsRestart: [] })
    expect(await pidOf(node, 'kept')).toBe(kept)
    expect(await pidOf(node, 'changed')).not.toBe(before.changed)
    expect(await serverOf(node, 'removed')).toBeUndefined()
    expect(existsSync(`/proc/${before.removed}`)).toBe(false)
    expect((await running).result?.content?.[0]?.text).toBe('append through')
    expect((await client.call('added__append', { id: 'new' })).result?.content?.[0]?.text).toBe('append new')
    expect((await client.call('removed__append', { id: 'gone' })).error?.data?.code).toBe('SKEIN_NOT_FOUND')
    expect((await client.call('changed__append', { id: 'here' })).result?.content?.[0]?.text).toBe('append here')
    expect(readFileSync(join(scratch, 'changed-again.txt'), 'utf8')).toContain('append here ')

    const changed = await pidOf(node, 'changed')
    edit(node, (servers) => {
      delete servers['added']
      servers['second'] = logServer('second')
      servers['changed'] = logServer('changed-thrice')
    })
    node.child.kill('SIGHUP')
    await waitUntil('SIGHUP was followed', async () => {
      const found = Object.fromEntries((await node.state()).servers.map((server) => [server.name, server]))
      return found['second']?.state === 'ready' && found['changed']?.state === 'ready' && found['changed'].pids[0] !== changed && found['added'] === undefined
    }, { every: 50 })
    expect(await pidOf(node, 'kept')).toBe(kept)

    // A file that is wrong changes nothing and says where.
    writeFileSync(join(node.dataDir, 'node.yaml'), 'mcp:\n  serverz: {}\n')
    const refused = await node.cli('reload')
    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toMatch(/node\.yaml:2.*serverz/s)
    expect(await pidOf(node, 'kept')).toBe(kept)
    client.close()
  })
})

describe('graceful stop', () => {
  test('calls in flight at SIGTERM are answered, here and from another node; exit code 0; run.json is gone', async () => {
    const log = join(scratch, 'graceful.txt')
    const node = await start({ config: { node: { id: 'provider' }, mcp: { graph: { enabled: false }, servers: { log: logServer('graceful') } } } })
    const edge = await start({ token: await makeToken(node), config: { node: { id: 'edge' }, mcp: { graph: { enabled: false } } } })
    await waitUntil('the edge lists the tool', async () => (await edge.tools()).some((tool) => tool.name === 'log__append'), { every: 50 })
    const here = await leanClient(node.mcpUrl())
    const there = await leanClient(edge.mcpUrl())
    expect(readJson<{ pid: number }>(join(node.dataDir, 'run.json')).pid).toBe(node.child.pid)
    const calls = [here.call('log__append', { id: 'here', after: 1_000 }), there.call('log__append', { id: 'there', before: 1_000 })]
    await waitUntil('both calls run', () => existsSync(log) && readFileSync(log, 'utf8').includes('append here'))
    const asked = performance.now()
    const gone = node.kill('SIGTERM')
    await new Promise((resolve) => setTimeout(resolve, 200))
    const late = await there.call('log__append', { id: 'late' })
    expect(late.result, 'a node that leaves takes nothing new').toBeUndefined()
    expect((await calls[0])?.result?.content?.[0]?.text).toBe('append here')
    expect((await calls[1])?.result?.content?.[0]?.text).toBe('append there')
    await gone
    console.log(`a graceful stop with calls of 1 s took ${Math.round(performance.now() - asked)} ms; a call meanwhile got ${late.error?.data?.code}: ${late.error?.message}`)
    expect(node.child.exitCode).toBe(0)
    expect(existsSync(join(node.dataDir, 'run.json'))).toBe(false)
    expect(readFileSync(log, 'utf8')).not.toContain('late')
    here.close()
    there.close()
  })
  test('a second SIGTERM does not wait for what runs: exit code 130, and no child stays', async () => {
    const log = join(scratch, 'impatient.txt')
    const node = await start({ config: { mcp: { graph: { enabled: false }, servers: { log: logServer('impatient'), stubborn: fixture('stubborn-server') } } } })
    const client = await leanClient(node.mcpUrl())
    const lost = client.call('log__append', { id: 'long', after: 20_000 }).catch((error: unknown) => error)
    await waitUntil('the call runs', () => existsSync(log))
    const children = descendants(node.child.pid as number)
    const gone = node.kill('SIGTERM')
    await new Promise((resolve) => setTimeout(resolve, 700))
    expect(node.child.exitCode).toBe(null)
    const asked = performance.now()
    node.child.kill('SIGTERM')
    await gone
    console.log(`the second SIGTERM ended it after ${Math.round(performance.now() - asked)} ms`)
    expect(node.child.exitCode).toBe(130)
    await waitUntil('no process is left', () => alive(children).length === 0, { timeout: 2_000, every: 10 })
    expect(await lost).toBeInstanceOf(Error)
    client.close()
  })
})
