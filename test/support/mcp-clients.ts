import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from '@modelcontextprotocol/client'
import { StdioClientTransport as StdioV2 } from '@modelcontextprotocol/client/stdio'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport as StdioV1 } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { join } from 'node:path'
import { ROOT } from './skein-process.ts'

/** What tests need of a client, whichever SDK it comes from. */
export interface AnyClient {
  kind: string
  list(): Promise<string[]>
  call(name: string, args?: Record<string, unknown>): Promise<{ content?: unknown; structuredContent?: unknown; isError?: boolean }>
  close(): Promise<void>
}

const INFO = { name: 'skein-test', version: '1.0.0' }

type Raw = {
  listTools(params?: { cursor?: string }): Promise<{ tools: { name: string }[]; nextCursor?: string | undefined }>
  callTool(params: { name: string; arguments: Record<string, unknown> }): Promise<unknown>
  close(): Promise<void>
}

function wrap(kind: string, client: Raw): AnyClient {
  return {
    kind,
    async list() {
      const names: string[] = []
      let cursor: string | undefined
      do {
        const page = await client.listTools(cursor === undefined ? {} : { cursor })
        names.push(...page.tools.map((tool) => tool.name))
        cursor = page.nextCursor
      } while (cursor !== undefined)
      return names
    },
    call: async (name, args = {}) => (await client.callTool({ name, arguments: args })) as Awaited<ReturnType<AnyClient['call']>>,
    close: () => client.close()
  }
}

/** SDK v1 and v2 clients over HTTP. */
export const httpClients = [
  {
    kind: 'SDK v1 over HTTP',
    async connect(url: string): Promise<AnyClient> {
      const client = new ClientV1(INFO)
      await client.connect(new HttpV1(new URL(url)) as never)
      return wrap('SDK v1 over HTTP', client as unknown as Raw)
    }
  },
  {
    kind: 'SDK v2 over HTTP',
    async connect(url: string): Promise<AnyClient> {
      const client = new ClientV2(INFO)
      await client.connect(new HttpV2(new URL(url)))
      return wrap('SDK v2 over HTTP', client as unknown as Raw)
    }
  }
]

const bridge = (dataDir: string) => ({ command: process.execPath, args: [join(ROOT, 'bin/skein.js'), 'mcp', '--data-dir', dataDir] })

/** The same over `skein mcp`. */
export const stdioClients = [
  {
    kind: 'SDK v1 over skein mcp',
    async connect(dataDir: string): Promise<AnyClient> {
      const client = new ClientV1(INFO)
      await client.connect(new StdioV1(bridge(dataDir)))
      return wrap('SDK v1 over skein mcp', client as unknown as Raw)
    }
  },
  {
    kind: 'SDK v2 over skein mcp',
    async connect(dataDir: string): Promise<AnyClient> {
      const client = new ClientV2(INFO)
      await client.connect(new StdioV2(bridge(dataDir)))
      return wrap('SDK v2 over skein mcp', client as unknown as Raw)
    }
  }
]
