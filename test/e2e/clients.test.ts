import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseExposition } from '../support/exposition.ts'
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
  /** Of that era too; a tool of it asks the client's person, whoever the client is. */
  feature: { command: node, args: [join(ROOT, 'test/fixtures/feature-server.ts')] },
  /** Speaks 2026-07-28 and refuses `initialize`. */
  modern: { command: node, args: [join(ROOT, 'test/fixtures/conformance/server.ts'), '--era', '2026', '--stdio'] }
}

let edge: SkeinProcess | undefined
let provider: SkeinProcess | undefined
const atEdge = () => edge ?? expect.fail('the nodes did not start')

beforeAll(async () => {
  edge = await startSkein({ config: { node: { id: 'edge' }, mcp: { graph: { enabled: false } } } })
  provider = await startSkein({ token: await makeToken(edge), config: { node: { id: 'provider' }, mcp: { graph: { enabled: false }, servers: SERVERS } } })
  const servers = async () => new Set((await atEdge().tools()).map(({ server }) => server))
  await waitUntil('the edge lists the servers of the provider', async () => (await servers()).size === Object.keys(SERVERS).length, { timeout: 20_000, every: 200 })
}, 120_000)
afterAll(async () => {
  await Promise.all([edge?.dispose(), provider?.dispose()])
  rmSync(scratch, { recursive: true, force: true })
})

/** Tool calls that `useAll` makes. */
const TOOL_CALLS = 4

async function useAll(client: AnyClient): Promise<void> {
  const tools = await client.list()
  expect(tools).toEqual(expect.arrayContaining(['everything__echo', 'everything__get-structured-content', 'modern__test_simple_text']))
  expect(new Set(tools).size).toBe(tools.length)
  expect(await client.call('everything__echo', { message: 'héllo' })).toMatchObject({ content: [{ type: 'text', text: 'Echo: héllo' }] })
  expect(await client.call('everything__get-structured-content', { location: 'Chicago' })).toMatchObject({ structuredContent: { temperature: 36 } })
  expect(await client.call('modern__test_simple_text')).toMatchObject({ content: [{ type: 'text', text: 'A line of plain text.' }] })
  // Over HTTP, clients of 2026-07-28 repeat this argument in a header, and the edge compares.
  expect(await client.call('modern__test_header_param', { region: 'eu west' })).toMatchObject({ content: [{ text: 'Region: eu west' }] })

  expect(await client.resources()).toEqual(expect.arrayContaining(['demo://resource/static/document/features.md', 'test://static-text']))
  expect(JSON.stringify(await client.read('demo://resource/static/document/features.md'))).toContain('Everything Server')
  expect(JSON.stringify(await client.read('demo://resource/dynamic/text/7'))).toContain('Resource 7')
  expect(await client.read('test://static-text')).toMatchObject({ contents: [{ uri: 'test://static-text', mimeType: 'text/plain' }] })

  expect(await client.prompts()).toEqual(expect.arrayContaining(['args-prompt', 'test_prompt_with_arguments']))
  expect(JSON.stringify(await client.prompt('args-prompt', { city: 'Lisbon' }))).toContain('Lisbon')
  expect(JSON.stringify(await client.prompt('test_prompt_with_arguments', { arg1: 'one', arg2: 'two' }))).toMatch(/one[^]*two/)
}

/** What the edge counted so far: tool calls and failed requests of an era. */
async function counted(transport: 'http' | 'stdio'): Promise<Record<'2025' | '2026', { calls: number; failed: number }>> {
  const { samples } = parseExposition(await (await fetch(atEdge().metricsUrl())).text())
  const requests = samples.filter(({ name, labels }) => name === 'mcp_requests_total' && labels['transport'] === transport)
  const sum = (wanted: Record<string, string>) =>
    requests.filter(({ labels }) => Object.entries(wanted).every(([label, value]) => labels[label] === value)).reduce((total, { value }) => total + value, 0)
  const of = (era: string) => ({ calls: sum({ era, method: 'tools/call', status: 'ok' }), failed: sum({ era, status: 'error' }) })
  return { '2025': of('2025'), '2026': of('2026') }
}

const targetOf = (transport: 'http' | 'stdio'): Target => (transport === 'http' ? { url: atEdge().mcpUrl() } : bridgeTo(atEdge().dataDir))

async function works({ connect, era }: ClientKind, transport: 'http' | 'stdio'): Promise<void> {
  const before = await counted(transport)
  const client = await connect(targetOf(transport))
  try {
    await useAll(client)
  } finally {
    await client.close()
  }
  // It spoke the revision that it should, and nothing failed behind its back.
  const { calls, failed } = before[era]
  expect(await counted(transport)).toEqual({ ...before, [era]: { calls: calls + TOOL_CALLS, failed } })
}

describe.each(CLIENTS)('$kind, servers one hop away', (kind) => {
  test('over HTTP', () => works(kind, 'http'))
  test('over skein mcp', () => works(kind, 'stdio'))

  /** Whatever the eras of both ends, a question is a question. */
  test.each(['http', 'stdio'] as const)('servers of both eras ask its person (%s)', async (transport) => {
    const client = await kind.connect(targetOf(transport), { name: 'Ada' })
    try {
      expect(JSON.stringify(await client.call('feature__elicit'))).toContain('Ada')
      expect(JSON.stringify(await client.call('modern__test_input_required_result_elicitation'))).toContain('Ada')
    } finally {
      await client.close()
    }
  })
})

const installed = await installPinned(join(import.meta.dirname, 'tools'), 'skein-e2e-tools', console.log)
if ('reason' in installed) {
  if (!installed.unreachable) throw new Error(installed.reason)
  console.warn(`NOT TESTED: the Inspector could not be installed because the package registry cannot be reached.\n${installed.reason}`)
}
const inspectors = 'home' in installed ? inspectorClis(installed.home, scratch) : []

describe.each(inspectors)('$kind, servers one hop away', (kind) => {
  test('over HTTP', () => works(kind, 'http'))
  test('over skein mcp', () => works(kind, 'stdio'))
})
if (inspectors.length === 0) test.skip('the Inspector CLI: NOT TESTED, the package registry cannot be reached', () => {})
