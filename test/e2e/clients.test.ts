import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { inspectorClis } from '../support/inspector-cli.ts'
import { bridgeTo, CLIENTS, type AnyClient, type ClientKind, type Target } from '../support/mcp-clients.ts'
import { installPinned } from '../support/pinned-tools.ts'
import { makeToken, ROOT, startSkein, tempDataDir, type SkeinProcess } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'

const scratch = tempDataDir()
const node = process.execPath
const SERVERS = {
  /** The reference server, of the era with sessions. */
  everything: { command: node, args: [join(ROOT, 'node_modules/@modelcontextprotocol/server-everything/dist/index.js')] },
  /** Speaks 2026-07-28 and refuses `initialize`. */
  modern: { command: node, args: [join(ROOT, 'test/fixtures/conformance/server.ts'), '--era', '2026', '--stdio'] }
}

let edge: SkeinProcess | undefined
let provider: SkeinProcess | undefined
const atEdge = () => edge ?? expect.fail('the nodes did not start')

beforeAll(async () => {
  edge = await startSkein({ config: { node: { id: 'edge' }, mcp: { graph: { enabled: false } } } })
  provider = await startSkein({ token: await makeToken(edge), config: { node: { id: 'provider' }, mcp: { graph: { enabled: false }, servers: SERVERS } } })
  await waitUntil('the edge lists the servers of the provider', async () => new Set((await edge?.tools())?.map(({ server }) => server)).size === 2, { timeout: 20_000, every: 200 })
}, 120_000)
afterAll(async () => {
  await Promise.all([edge?.dispose(), provider?.dispose()])
  rmSync(scratch, { recursive: true, force: true })
})

async function useAll(client: AnyClient): Promise<void> {
  const tools = await client.list()
  expect(tools).toEqual(expect.arrayContaining(['everything__echo', 'everything__get-structured-content', 'modern__test_simple_text', 'modern__test_header_param']))
  expect(new Set(tools).size).toBe(tools.length)
  expect(await client.call('everything__echo', { message: 'héllo' })).toMatchObject({ content: [{ type: 'text', text: 'Echo: héllo' }] })
  expect(await client.call('everything__get-structured-content', { location: 'Chicago' })).toMatchObject({ structuredContent: { temperature: 36 } })
  expect(await client.call('modern__test_simple_text')).toMatchObject({ content: [{ type: 'text', text: 'A line of plain text.' }] })
  // The server refuses a call whose Mcp-Param-Region differs from its argument.
  expect(await client.call('modern__test_header_param', { region: 'eu west' })).toMatchObject({ content: [{ text: 'Region: eu west' }] })

  expect(await client.resources()).toEqual(expect.arrayContaining(['demo://resource/static/document/features.md', 'test://static-text']))
  expect(JSON.stringify(await client.read('demo://resource/static/document/features.md'))).toContain('Everything Server')
  expect(JSON.stringify(await client.read('demo://resource/dynamic/text/7'))).toContain('Resource 7')
  expect(await client.read('test://static-text')).toMatchObject({ contents: [{ uri: 'test://static-text', mimeType: 'text/plain' }] })

  expect(await client.prompts()).toEqual(expect.arrayContaining(['args-prompt', 'test_prompt_with_arguments']))
  expect(JSON.stringify(await client.prompt('args-prompt', { city: 'Lisbon' }))).toContain('Lisbon')
  expect(JSON.stringify(await client.prompt('test_prompt_with_arguments', { arg1: 'one', arg2: 'two' }))).toMatch(/one[^]*two/)
}

async function works({ connect, revision }: ClientKind, target: Target): Promise<void> {
  const client = await connect(target)
  try {
    if (client.revision !== undefined) expect(client.revision).toBe(revision)
    await useAll(client)
  } finally {
    await client.close()
  }
}

describe.each(CLIENTS)('$kind, servers one hop away', (kind) => {
  test('over HTTP', () => works(kind, { url: atEdge().mcpUrl() }))
  test('over skein mcp', () => works(kind, bridgeTo(atEdge().dataDir)))
})

const installed = await installPinned(join(import.meta.dirname, 'tools'), 'skein-e2e-tools', console.log)
if ('reason' in installed) {
  if (!installed.unreachable) throw new Error(installed.reason)
  console.warn(`NOT TESTED: the Inspector could not be installed because the package registry cannot be reached.\n${installed.reason}`)
}
const inspectors = 'home' in installed ? inspectorClis(installed.home, scratch) : []

describe.each(inspectors)('$kind, servers one hop away', (kind) => {
  test('over HTTP', () => works(kind, { url: atEdge().mcpUrl() }))
  test('over skein mcp', () => works(kind, bridgeTo(atEdge().dataDir)))
})
test.skipIf(inspectors.length > 0)('the Inspector CLI: not tested, the package registry cannot be reached', () => {})
