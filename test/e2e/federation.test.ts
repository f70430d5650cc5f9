import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { httpClients, stdioClients, type AnyClient } from '../support/mcp-clients.ts'
import { makeToken, ROOT, startSkein, type SkeinProcess } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'

const bin = (name: string) => join(ROOT, 'node_modules', '@modelcontextprotocol', name, 'dist/index.js')
const node = process.execPath

describe('three nodes, real MCP servers', () => {
  const nodes: SkeinProcess[] = []
  const shared = realpathSync(mkdtempSync(join(tmpdir(), 'skein-files-')))

  beforeAll(async () => {
    writeFileSync(join(shared, 'hello.txt'), 'hello from B')
    const a = await startSkein({ config: { node: { id: 'a' }, mcp: { graph: { enabled: false }, servers: { everything: { command: node, args: [bin('server-everything')] } } } } })
    nodes.push(a)
    const token = await makeToken(a, { uses: 2 })
    const b = startSkein({
      token,
      config: {
        node: { id: 'b' },
        mcp: {
          graph: { enabled: false },
          servers: {
            filesystem: { command: node, args: [bin('server-filesystem'), shared] },
            memory: { command: node, args: [bin('server-memory')], env: { MEMORY_FILE_PATH: join(shared, 'memory.jsonl') } }
          }
        }
      }
    })
    const c = startSkein({ token, config: { node: { id: 'c' }, mcp: { graph: { enabled: true, expose: true } } } })
    nodes.push(await b, await c)
    for (const each of nodes) {
      await waitUntil(`${each.status().name} sees the servers of all three`, async () => {
        const servers = new Set((await each.tools()).map((tool) => tool.server))
        return ['everything', 'filesystem', 'graph', 'memory'].every((server) => servers.has(server))
      }, { timeout: 20_000, every: 250 })
    }
  }, 90_000)
  afterAll(async () => {
    await Promise.all(nodes.map((each) => each.dispose()))
    rmSync(shared, { recursive: true, force: true })
  })

  test('each finds the others by itself: B and C were only told of A', async () => {
    for (const each of nodes) {
      await waitUntil(`${each.status().name} is connected to both others`, async () => (await each.peers()).filter((peer) => peer.state === 'connected').length === 2, { every: 250 })
    }
  })

  /** `label` names what it creates: the servers remember it. */
  async function useAll(client: AnyClient, label: string): Promise<void> {
    const names = await client.list()
    for (const wanted of ['everything__echo', 'filesystem__read_text_file', 'memory__read_graph', 'graph__create_graph']) expect(names, label).toContain(wanted)
    const echo = await client.call('everything__echo', { message: 'hi' })
    expect(JSON.stringify(echo.content)).toContain('hi')
    const file = await client.call('filesystem__read_text_file', { path: join(shared, 'hello.txt') })
    expect(JSON.stringify(file.content)).toContain('hello from B')
    const entity = label
    await client.call('memory__create_entities', { entities: [{ name: entity, entityType: 'test', observations: ['seen'] }] })
    const memory = await client.call('memory__read_graph')
    expect(JSON.stringify(memory)).toContain(entity)
    const id = entity.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
    const created = await client.call('graph__create_graph', { id })
    expect(created.isError, JSON.stringify(created)).not.toBe(true)
    const listed = await client.call('graph__list_graphs')
    expect(JSON.stringify(listed)).toContain(id)
    await client.close()
  }

  for (const index of [0, 1, 2]) {
    const label = 'abc'[index] as string
    for (const kind of httpClients) {
      test(`${kind.kind} at ${label} lists and calls the tools of all three`, async () => {
        await useAll(await kind.connect((nodes[index] as SkeinProcess).mcpUrl()), `${kind.kind} at ${label}`)
      })
    }
    for (const kind of stdioClients) {
      test(`${kind.kind} at ${label} lists and calls the tools of all three`, async () => {
        await useAll(await kind.connect((nodes[index] as SkeinProcess).dataDir), `${kind.kind} at ${label}`)
      })
    }
  }

  test('a node that vanishes loses its tools from every list at once', async () => {
    const [a, b, c] = nodes as [SkeinProcess, SkeinProcess, SkeinProcess]
    await c.kill('SIGKILL')
    const killed = performance.now()
    for (const each of [a, b]) {
      await waitUntil('the graph tools are gone', async () => !(await each.tools()).some((tool) => tool.server === 'graph'), { timeout: 5_000, every: 50 })
    }
    console.log(`gone from both lists ${Math.round(performance.now() - killed)} ms after kill -9 (two command runs included)`)
  })
})
