import { describe, expect, onTestFinished, test } from 'vitest'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { CreateMessageRequestSchema, ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js'
import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from '@modelcontextprotocol/client'
import { setup, until } from './setup.ts'

interface Connected {
  listTools(): Promise<{ tools: { name: string }[] }>
  callTool(params: { name: string; arguments?: Record<string, unknown> }, options?: { signal?: AbortSignal; onprogress?: (progress: { progress: number }) => void }): Promise<unknown>
  readonly changes: () => number
  listResources(): Promise<unknown>
  close(): Promise<void>
}

const info = { name: 'test', version: '1' }
const sampled = { model: 'm', role: 'assistant' as const, content: { type: 'text' as const, text: 'sampled' } }

async function connectV1(url: URL): Promise<Connected> {
  const client = new ClientV1(info, { capabilities: { sampling: {} } })
  let changes = 0
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => void changes++)
  client.setRequestHandler(CreateMessageRequestSchema, () => sampled)
  await client.connect(new TransportV1(url) as Parameters<typeof client.connect>[0])
  return {
    listTools: () => client.listTools(),
    callTool: (params, options) => client.callTool(params, undefined, options),
    changes: () => changes,
    listResources: () => client.listResources(),
    close: () => client.close()
  }
}

function connectV2(mode: 'legacy' | 'auto') {
  return async (url: URL): Promise<Connected> => {
    const client = new ClientV2(info, { capabilities: { sampling: {} }, versionNegotiation: { mode } })
    let changes = 0
    client.setNotificationHandler('notifications/tools/list_changed', () => void changes++)
    client.setRequestHandler('sampling/createMessage', () => sampled)
    await client.connect(new TransportV2(url))
    // The stateless era has no news that nobody asked for.
    if (mode === 'auto') await client.listen({ toolsListChanged: true })
    return {
      listTools: () => client.listTools(),
      callTool: (params, options) => client.callTool(params, options),
      changes: () => changes,
      listResources: () => client.listResources(),
      close: () => client.close()
    }
  }
}

describe.each([
  ['SDK v1', connectV1],
  ['SDK v2, default', connectV2('legacy')],
  ['SDK v2, auto', connectV2('auto')]
])('%s', (_name, connect) => {
  const open = async (url: URL) => {
    const client = await connect(url)
    onTestFinished(() => client.close())
    return client
  }

  test('lists and calls', async () => {
    const { url, tools } = await setup()
    const client = await open(url)
    expect((await client.listTools()).tools.map((tool) => tool.name)).toEqual(tools.toSorted())
    expect(await client.callTool({ name: 'a__echo', arguments: { text: 'hé🙂' } })).toMatchObject({ content: [{ text: 'hé🙂' }] })
    await expect(client.callTool({ name: 'a__nothing' })).rejects.toThrow('There is no tool a__nothing.')
  })

  test('gets progress in order before the answer', async () => {
    const { url } = await setup()
    const client = await open(url)
    const seen: number[] = []
    await client.callTool({ name: 'a__progress' }, { onprogress: ({ progress }) => void seen.push(progress) })
    expect(seen).toEqual([1, 2, 3])
  })

  test('cancels', async () => {
    const { url, backend } = await setup()
    const client = await open(url)
    const abort = new AbortController()
    const calling = client.callTool({ name: 'a__wait' }, { signal: abort.signal })
    const failed = expect(calling).rejects.toThrow()
    await until(() => backend.calls.length === 1)
    abort.abort('enough')
    await failed
    await until(() => backend.calls[0]?.cancelled !== undefined)
    expect(await client.callTool({ name: 'a__echo', arguments: { text: 'still' } })).toMatchObject({ content: [{ text: 'still' }] })
  })

  test('answers a sampling request in the middle of a call', async () => {
    const { url } = await setup()
    const client = await open(url)
    const result = (await client.callTool({ name: 'a__ask' })) as { content: { text: string }[] }
    expect(JSON.parse(result.content[0]!.text)).toEqual(sampled)
  })

  test('hears that tools changed', async () => {
    const { url, backend } = await setup()
    const client = await open(url)
    await client.listTools()
    backend.setTools(['a__echo'])
    await until(() => client.changes() === 1)
    expect((await client.listTools()).tools).toHaveLength(1)
  })

  test('uses one server as if it were alone', async () => {
    const { url } = await setup()
    const client = await open(new URL(`${url}/files`))
    expect((await client.listTools()).tools.map((tool) => tool.name)).toEqual(['echo'])
    expect(await client.callTool({ name: 'echo', arguments: { text: 'x' } })).toMatchObject({ content: [{ text: 'x' }] })
    expect(await client.listResources()).toMatchObject({ resources: [{ uri: 'a://b' }] })
  })
})

test('20 clients at once, of all kinds, keep apart', async () => {
  const { url, mcpHttp } = await setup()
  const kinds = [connectV1, connectV2('legacy'), connectV2('auto')]
  const clients = await Promise.all(Array.from({ length: 20 }, (_, index) => kinds[index % kinds.length]!(url)))
  onTestFinished(() => Promise.all(clients.map((client) => client.close())).then(() => {}))
  // Those of the stateless era have none.
  expect(mcpHttp.sessions()).toBe(14)
  const answers = await Promise.all(
    clients.flatMap((client, index) => Array.from({ length: 10 }, (_, call) => client.callTool({ name: 'a__echo', arguments: { text: `${index}/${call}` } })))
  )
  const texts = answers.map((answer) => (answer as { content: { text: string }[] }).content[0]!.text)
  expect(texts).toEqual(clients.flatMap((_, index) => Array.from({ length: 10 }, (__, call) => `${index}/${call}`)))
})
