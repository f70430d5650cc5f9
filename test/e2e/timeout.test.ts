import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { CreateMessageRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { leanClient } from '../support/lean-mcp.ts'
import { makeToken, ROOT, startSkein, type SkeinProcess } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'

const echoServer = { command: process.execPath, args: [join(ROOT, 'test/fixtures/echo-server.ts')] }

let edge: SkeinProcess
let provider: SkeinProcess
beforeAll(async () => {
  edge = await startSkein({ config: { mcp: { request_timeout: '500ms', graph: { enabled: false } } } })
  provider = await startSkein({
    token: await makeToken(edge),
    config: { mcp: { request_timeout: '500ms', graph: { enabled: false }, servers: { patient: { ...echoServer, timeout: '10s' }, hasty: echoServer } } }
  })
  await waitUntil('the edge lists both servers', async () => new Set((await edge.tools()).map((tool) => tool.server)).size === 2, { timeout: 20_000, every: 200 })
})
afterAll(async () => {
  await Promise.all([edge?.dispose(), provider?.dispose()])
})

test('a server’s own timeout holds wherever its client is; others have the general one', async () => {
  await Promise.all(
    [edge, provider].map(async (node) => {
      const client = await leanClient(node.mcpUrl())
      const patient = await client.call('patient__slow', { steps: 1, ms: 1_500 })
      expect(JSON.stringify(patient.result)).toContain('done 1')
      const hasty = await client.call('hasty__slow', { steps: 1, ms: 1_500 })
      expect(hasty.error?.data?.code).toBe('SKEIN_OUTCOME_UNKNOWN')
      client.close()
    })
  )
})

test('progress renews it', async () => {
  const client = await leanClient(edge.mcpUrl())
  const steady = await client.call('hasty__slow', { steps: 8, ms: 200 }, { progressToken: 'p' })
  expect(JSON.stringify(steady.result)).toContain('done 8')
  client.close()
})

test('a person may think for longer than the time limit, over a hop too', async () => {
  const thinks = async (node: SkeinProcess) => {
    const client = new Client({ name: 'thinker', version: '1' }, { capabilities: { sampling: {} } })
    client.setRequestHandler(CreateMessageRequestSchema, async () => {
      await new Promise((resolve) => setTimeout(resolve, 1_500))
      return { model: 'm', role: 'assistant' as const, content: { type: 'text' as const, text: 'thought about it' } }
    })
    await client.connect(new StreamableHTTPClientTransport(new URL(node.mcpUrl())) as never)
    await waitUntil('its process runs', async () => (await client.callTool({ name: 'hasty__echo', arguments: { text: 'there' } }).catch(() => undefined)) !== undefined)
    const result = await client.callTool({ name: 'hasty__sample', arguments: { prompt: 'hm' } })
    expect(JSON.stringify(result.content)).toContain('thought about it')
    await client.close()
  }
  // One after the other: the limit holds for what the server needs itself, its start on a busy machine too.
  for (const node of [edge, provider]) await thinks(node)
})

test('a limit given with the call holds over the server’s', async () => {
  const { code, stderr } = await edge.cli('call', 'patient__slow', '{"steps":1,"ms":3000}', '--timeout', '300ms')
  expect(code).toBe(1)
  expect(stderr).toMatch(/SKEIN_(OUTCOME_UNKNOWN|DEADLINE)/)
})
