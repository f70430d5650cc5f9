import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { CreateMessageRequestSchema, ToolListChangedNotificationSchema, type CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { httpClients } from '../support/mcp-clients.ts'
import { makeToken, ROOT, runSkein, startSkein, type SkeinProcess } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'

const fixture = (name: string) => ({ command: process.execPath, args: [join(ROOT, `test/fixtures/${name}-server.ts`)] })
const VIEWS = { few: { allow: ['*__echo', 'features__*'], deny: ['features__wait'], rename: { say__echo: 'shout' } } }

let edge: SkeinProcess
let provider: SkeinProcess
beforeAll(async () => {
  edge = await startSkein({ config: { mcp: { views: VIEWS, servers: { say: fixture('echo') } } } })
  provider = await startSkein({ token: await makeToken(edge), config: { mcp: { graph: { enabled: false }, servers: { features: fixture('feature') } } } })
  await waitUntil('the edge lists the other node', async () => (await edge.tools()).some(({ name }) => name === 'features__sample'), { timeout: 20_000, every: 200 })
})
afterAll(async () => {
  await Promise.all([edge?.dispose(), provider?.dispose()])
})

const open: Client[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((client) => client.close()))
})
async function connect(path: string, capabilities: object = {}): Promise<Client> {
  const client = new Client({ name: 'viewer', version: '1' }, { capabilities })
  open.push(client)
  await client.connect(new StreamableHTTPClientTransport(new URL(`${edge.mcpUrl()}${path}`)) as never)
  return client
}
const names = async (client: Client) => (await client.listTools()).tools.map(({ name }) => name)

describe('the search view', () => {
  test.each(httpClients)('finds, describes and calls tools of both nodes: $kind', async ({ connect: connectTo }) => {
    const client = await connectTo(`${edge.mcpUrl()}/@search`)
    expect(await client.list()).toEqual(['call_tool', 'describe_tool', 'search_tools'])
    expect((await client.call('search_tools', { query: 'echo', limit: 1 })).structuredContent).toMatchObject({ tools: [{ name: 'say__echo', server: 'say' }] })
    expect((await client.call('describe_tool', { name: 'features__progress' })).structuredContent).toMatchObject({ name: 'features__progress', inputSchema: { type: 'object' } })
    expect(await client.call('call_tool', { name: 'features__progress', arguments: { steps: 2 } })).toMatchObject({ content: [{ text: 'done 2' }] })
    expect(await client.call('call_tool', { name: 'features__progres' })).toMatchObject({ isError: true, content: [{ text: expect.stringContaining('Similar names: features__progress') }] })
    await client.close()
  })

  test('progress and a question of the server come through a mapped call, over a hop', async () => {
    const client = await connect('/@search', { sampling: {} })
    client.setRequestHandler(CreateMessageRequestSchema, () => ({ model: 'm', role: 'assistant' as const, content: { type: 'text' as const, text: 'my answer' } }))
    const sampled = (await client.callTool({ name: 'call_tool', arguments: { name: 'features__sample', arguments: { prompt: 'hm' } } })) as CallToolResult
    expect(JSON.stringify(sampled.content)).toContain('my answer')
  })
})

test('a configured view: what it leaves out is neither listed nor called, new names work', async () => {
  const client = await connect('/@few')
  const listed = await names(client)
  expect(listed).toContain('shout')
  expect(listed).toContain('features__sample')
  expect(listed.filter((name) => name.startsWith('graph__') || ['features__wait', 'say__echo'].includes(name))).toEqual([])
  expect(await client.callTool({ name: 'shout', arguments: { text: 'hi' } })).not.toHaveProperty('isError', true)
  await expect(client.callTool({ name: 'features__wait', arguments: {} })).rejects.toThrow('-32602')
  await expect(connect('/@none')).rejects.toThrow('There is no view named')
})

test('skein import and skein reload: new servers and views are there at once, and clients are told', async () => {
  const client = await connect('/@few')
  let told = 0
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => void told++)
  await names(client)

  const file = join(edge.dataDir, 'node.yaml')
  const written = join(edge.dataDir, 'client.json')
  writeFileSync(written, JSON.stringify({ mcpServers: { 'the other one': fixture('echo'), old: { type: 'sse', url: 'https://h/sse' } } }))
  const imported = await runSkein(['import', written, '--config', file])
  expect(imported).toMatchObject({ code: 0, stdout: expect.stringMatching(/the-other-one +added[^]*old +not imported/) })
  const config = parse(readFileSync(file, 'utf8')) as { mcp: { views: Record<string, unknown>; servers: object } }
  expect(Object.keys(config.mcp.servers)).toEqual(['say', 'the-other-one'])
  config.mcp.views = { ...VIEWS, few: { ...VIEWS.few, rename: { say__echo: 'whisper', nothing__here: 'x' } } }
  writeFileSync(file, stringify(config))
  const reloaded = await edge.cli('reload', '--json')
  expect(JSON.parse(reloaded.stdout)).toMatchObject({ attached: ['the-other-one'], needsRestart: [] })

  await waitUntil('the client was told', () => told > 0)
  await waitUntil('the new names are listed', async () => {
    const listed = await names(client)
    return listed.includes('whisper') && listed.includes('the-other-one__echo') && !listed.includes('shout')
  })
  const { stdout } = await edge.cli('status')
  expect(stdout).toContain('mcp.views.few.rename: there is no tool "nothing__here" in this view now')
})
