import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { CreateMessageRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeToken, ROOT, startSkein, tempDataDir, type SkeinProcess } from '../support/skein-process.ts'
import { waitUntil } from '../support/wait-until.ts'

const echoServer = { command: process.execPath, args: [join(ROOT, 'test/fixtures/echo-server.ts')] }

/** One POST with everything the edge wrote into its answer, in order: what a client sees on the wire. */
async function post(url: string, session: string | undefined, message: Record<string, unknown>, options: { signal?: AbortSignal } = {}): Promise<{ session: string | null; messages: Record<string, any>[] }> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...(session === undefined ? {} : { 'mcp-session-id': session }) },
    body: JSON.stringify({ jsonrpc: '2.0', ...message }),
    ...options
  })
  const text = await response.text()
  const isStream = (response.headers.get('content-type') ?? '').startsWith('text/event-stream')
  const parts = isStream ? text.split('\n').filter((line) => line.startsWith('data: ')).map((line) => line.slice('data: '.length)) : text === '' ? [] : [text]
  return { session: response.headers.get('mcp-session-id'), messages: parts.map((part) => JSON.parse(part) as Record<string, any>) }
}

async function openSession(url: string): Promise<string> {
  const { session } = await post(url, undefined, { id: 0, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'wire', version: '1' } } })
  await post(url, session as string, { method: 'notifications/initialized' })
  return session as string
}

describe('a call over a hop', () => {
  let edge: SkeinProcess
  let provider: SkeinProcess
  const scratch = tempDataDir()
  const events = join(scratch, 'events')

  beforeAll(async () => {
    edge = await startSkein({ config: { node: { id: 'edge' }, monitoring: { log_level: 'debug' }, mcp: { graph: { enabled: false }, servers: {} } } })
    provider = await startSkein({
      token: await makeToken(edge),
      config: {
        node: { id: 'provider' },
        monitoring: { log_level: 'debug' },
        mcp: { graph: { enabled: false }, servers: { echo: { ...echoServer, env: { SKEIN_EVENTS: events } } } }
      }
    })
    await waitUntil('the edge lists the tools', async () => (await edge.tools()).some((tool) => tool.name === 'echo__slow'), { timeout: 20_000, every: 200 })
  })
  afterAll(async () => {
    await Promise.all([edge?.dispose(), provider?.dispose()])
    rmSync(scratch, { recursive: true, force: true })
  })

  test('progress arrives complete, in order, before the result, with the client’s own token', async () => {
    const session = await openSession(edge.mcpUrl())
    const { messages } = await post(edge.mcpUrl(), session, {
      id: 1,
      method: 'tools/call',
      params: { name: 'echo__slow', arguments: { steps: 50, burst: true }, _meta: { progressToken: 'mine' } }
    })
    const progress = messages.filter((message) => message['method'] === 'notifications/progress')
    expect(progress.map((message) => message['params'].progress)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1))
    expect(new Set(progress.map((message) => message['params'].progressToken))).toEqual(new Set(['mine']))
    expect(messages.at(-1)).toMatchObject({ id: 1, result: { content: [{ text: 'done 50' }] } })
  })

  test('cancelling reaches the tool, and no answer follows', async () => {
    const session = await openSession(edge.mcpUrl())
    const calling = post(edge.mcpUrl(), session, { id: 7, method: 'tools/call', params: { name: 'echo__slow', arguments: { steps: 500, ms: 20, id: 'c1' } } })
    await new Promise((resolve) => setTimeout(resolve, 300))
    await post(edge.mcpUrl(), session, { method: 'notifications/cancelled', params: { requestId: 7, reason: 'test' } })
    await waitUntil('the tool heard of it', () => existsSync(events) && readFileSync(events, 'utf8').includes('cancelled c1'), { timeout: 5_000 })
    expect((await calling).messages.filter((message) => message['id'] === 7)).toEqual([])
  })

  test('the correlation id of a request is in the logs of both nodes', async () => {
    const session = await openSession(edge.mcpUrl())
    await fetch(edge.mcpUrl(), {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'mcp-session-id': session, 'x-correlation-id': 'follow-me-42' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 3, method: 'tools/call', params: { name: 'echo__echo', arguments: { text: 'x' } } })
    })
    await waitUntil('both logs have it', () => edge.output().includes('follow-me-42') && provider.output().includes('follow-me-42'), { timeout: 5_000 })
  })

  test('a server that asks its client reaches the right one: sampling over the hop, in a child of its own', async () => {
    const answers = await Promise.all(
      ['one', 'two'].map(async (who) => {
        const client = new Client({ name: who, version: '1' }, { capabilities: { sampling: {} } })
        client.setRequestHandler(CreateMessageRequestSchema, async () => ({ model: who, role: 'assistant' as const, content: { type: 'text' as const, text: `answer of ${who}` } }))
        await client.connect(new StreamableHTTPClientTransport(new URL(edge.mcpUrl())) as never)
        const result = await client.callTool({ name: 'echo__sample', arguments: { prompt: 'hi' } })
        await client.close()
        return JSON.stringify(result.content)
      })
    )
    expect(answers[0]).toContain('answer of one')
    expect(answers[1]).toContain('answer of two')
  })

  test('a changed tool list is announced to clients of other nodes, and the new tool works', async () => {
    const client = new Client({ name: 'listener', version: '1' })
    let changes = 0
    client.setNotificationHandler((await import('@modelcontextprotocol/sdk/types.js')).ToolListChangedNotificationSchema, () => void changes++)
    await client.connect(new StreamableHTTPClientTransport(new URL(edge.mcpUrl())) as never)
    await client.callTool({ name: 'echo__toggle', arguments: {} })
    await waitUntil('list_changed arrived', () => changes > 0, { timeout: 5_000 })
    await waitUntil('the new tool is listed', async () => (await client.listTools()).tools.some((tool) => tool.name === 'echo__extra'), { timeout: 5_000, every: 100 })
    expect(JSON.stringify((await client.callTool({ name: 'echo__extra', arguments: {} })).content)).toContain('extra')
    await client.close()
  })

  test('/mcp/<server> at another node: bare names', async () => {
    const session = await openSession(`${edge.mcpUrl()}/echo`)
    const { messages } = await post(`${edge.mcpUrl()}/echo`, session, { id: 1, method: 'tools/call', params: { name: 'echo', arguments: { text: 'bare' } } })
    expect(messages[0]).toMatchObject({ result: { content: [{ text: 'bare' }] } })
  })

  test('a large result crosses the hop whole', async () => {
    const session = await openSession(edge.mcpUrl())
    const { messages } = await post(edge.mcpUrl(), session, { id: 1, method: 'tools/call', params: { name: 'echo__big', arguments: { bytes: 3_000_000 } } })
    expect(messages[0]?.['result'].content[0].text).toHaveLength(3_000_000)
  })

  test('two nodes with a stateful server of one name: both stay usable, under names that do not move, with a notice', async () => {
    const second = await startSkein({ token: await makeToken(edge), config: { node: { id: 'second' }, mcp: { graph: { enabled: false }, servers: { echo: echoServer } } } })
    try {
      const suffixed = `echo-${second.status().peer.slice(-8)}__echo`
      await waitUntil('the later claimant is listed under its node’s id', async () => (await edge.tools()).some((tool) => tool.name === suffixed), { timeout: 20_000, every: 200 })
      const plain = (await edge.tools()).find((tool) => tool.name === 'echo__echo')
      expect(plain?.providers).toMatchObject([{ name: 'provider' }])
      const status = await edge.state()
      expect(status.notices.join('\n')).toMatch(/stateless/)
    } finally {
      await second.dispose()
    }
  })
})
