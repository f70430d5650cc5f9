import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema, type ClientCapabilities } from '@modelcontextprotocol/sdk/types.js'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeToken, ROOT, startSkein, type SkeinProcess } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'

/** Tools that this server registers only for clients which declared the capability. */
const FOR_SOME = ['get-roots-list', 'trigger-elicitation-request', 'trigger-sampling-request']

const nodes: SkeinProcess[] = []
const server = { command: process.execPath, args: [join(ROOT, 'node_modules/@modelcontextprotocol/server-everything/dist/index.js')] }

beforeAll(async () => {
  const mcp = { graph: { enabled: false }, servers: { everything: { ...server, expose: { deny: ['get-env', 'get-roots-list'] } } } }
  nodes.push(await startSkein({ config: { node: { id: 'provider' }, mcp } }))
  const token = await makeToken(nodes[0] as SkeinProcess)
  nodes.push(await startSkein({ token, config: { node: { id: 'edge' }, mcp: { graph: { enabled: false } } } }))
  await waitUntil('the edge lists the server', async () => (await nodes[1]?.tools())?.some((tool) => tool.server === 'everything') === true, { timeout: 20_000, every: 250 })
}, 60_000)
afterAll(async () => {
  await Promise.all(nodes.map((each) => each.dispose()))
})

async function connect(node: SkeinProcess, capabilities: ClientCapabilities): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' }, { capabilities })
  if (capabilities.sampling !== undefined) {
    client.setRequestHandler(CreateMessageRequestSchema, async () => ({ role: 'assistant', model: 'm', content: { type: 'text', text: 'forty-two' } }))
    client.setRequestHandler(ElicitRequestSchema, async () => ({ action: 'decline' }))
    client.setRequestHandler(ListRootsRequestSchema, async () => ({ roots: [] }))
  }
  await client.connect(new StreamableHTTPClientTransport(new URL(`${node.mcpUrl()}/everything`)) as never)
  return client
}

const names = async (client: Client) => (await client.listTools()).tools.map(({ name }) => name)

test.each([
  ['over a hop', 1],
  ['at its own node', 0]
])("/mcp/<server> %s is the server itself: its tools for some clients are listed for those and work", async (_, index) => {
  const node = nodes[index] as SkeinProcess
  const plain = await connect(node, {})
  const asked = await connect(node, { sampling: {}, elicitation: {}, roots: {} })
  const listed = await names(plain)
  expect(listed).toContain('echo')
  for (const tool of [...FOR_SOME, 'get-env']) expect(listed).not.toContain(tool)

  const all = await names(asked)
  expect(all).toEqual(expect.arrayContaining(['echo', 'trigger-elicitation-request', 'trigger-sampling-request']))
  // Not offered here, whoever asks; and asynchronous ones need tasks, which skein does not carry.
  for (const tool of ['get-env', 'get-roots-list', 'trigger-sampling-request-async']) expect(all).not.toContain(tool)
  const sampled = await asked.callTool({ name: 'trigger-sampling-request', arguments: { prompt: 'what?', maxTokens: 10 } })
  expect(JSON.stringify(sampled.content)).toContain('forty-two')
  const elicited = await asked.callTool({ name: 'trigger-elicitation-request', arguments: {} })
  expect(JSON.stringify(elicited.content)).toContain('declined')
  await expect(asked.callTool({ name: 'get-roots-list', arguments: {} })).rejects.toThrow('get-roots-list')
  await expect(plain.callTool({ name: 'trigger-sampling-request', arguments: { prompt: 'what?' } })).rejects.toThrow('trigger-sampling-request')
  await Promise.all([plain.close(), asked.close()])
})
