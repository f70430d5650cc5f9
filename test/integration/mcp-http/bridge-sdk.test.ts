import { pathToFileURL } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/stdio.js'
import { Client as ClientV2 } from '@modelcontextprotocol/client'
import { StdioClientTransport as TransportV2 } from '@modelcontextprotocol/client/stdio'
import { setup, until } from './setup.ts'

const info = { name: 'test', version: '1' }

/** `skein mcp` without the rest of the command line. */
function command(socketPath: string) {
  const url = pathToFileURL(new URL('../../../src/cli/mcp-bridge.ts', import.meta.url).pathname).href
  const script = `const { runMcpBridge } = await import(${JSON.stringify(url)})
    process.exitCode = await runMcpBridge({ socketPath: ${JSON.stringify(socketPath)} }, process.stdin, process.stdout)`
  return { command: process.execPath, args: ['--input-type=module', '-e', script], stderr: 'pipe' as const }
}

interface Connected {
  listTools(): Promise<{ tools: { name: string }[] }>
  callTool(params: { name: string; arguments: Record<string, unknown> }): Promise<unknown>
  close(): Promise<void>
}

async function connectV1(socketPath: string): Promise<Connected> {
  const client = new ClientV1(info)
  await client.connect(new TransportV1(command(socketPath)))
  return client
}

const connectV2 = (mode: 'legacy' | 'auto') => async (socketPath: string): Promise<Connected> => {
  const client = new ClientV2(info, { versionNegotiation: { mode } })
  await client.connect(new TransportV2(command(socketPath)))
  return client
}

describe.each([
  ['SDK v1', connectV1],
  ['SDK v2, default', connectV2('legacy')],
  ['SDK v2, auto', connectV2('auto')]
])('%s through the bridge as a child process', (_name, connect) => {
  test('lists, calls, and leaves nothing behind', async () => {
    const { socketPath, tools, mcpHttp } = await setup()
    const client = await connect(socketPath)
    onTestFinished(() => client.close())
    expect((await client.listTools()).tools.map((tool) => tool.name)).toEqual(tools.toSorted())
    expect(await client.callTool({ name: 'a__echo', arguments: { text: 'hi' } })).toMatchObject({ content: [{ text: 'hi' }] })
    await client.close()
    await until(() => mcpHttp.sessions() === 0)
  })
})
