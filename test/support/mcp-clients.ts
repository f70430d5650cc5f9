import { createMCPClient, ElicitationRequestSchema } from '@ai-sdk/mcp'
import { StdioMCPTransport } from '@ai-sdk/mcp/mcp-stdio'
import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from '@modelcontextprotocol/client'
import { StdioClientTransport as StdioV2 } from '@modelcontextprotocol/client/stdio'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport as StdioV1 } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { join } from 'node:path'
import { ROOT } from './skein-process.ts'

/** What tests need of a client, whoever wrote it. */
export interface AnyClient {
  kind: string
  /** Names of all tools, whatever the number of pages. */
  list(): Promise<string[]>
  call(name: string, args?: Record<string, unknown>): Promise<{ content?: unknown; structuredContent?: unknown; isError?: boolean }>
  /** URIs of all resources. */
  resources(): Promise<string[]>
  read(uri: string): Promise<{ contents?: unknown }>
  /** Names of all prompts. */
  prompts(): Promise<string[]>
  prompt(name: string, args?: Record<string, string>): Promise<{ messages?: unknown }>
  close(): Promise<void>
}

/** Where a client connects to: a URL, or a program that it starts and speaks to on stdin and stdout. */
export type Target = { url: string } | { command: string; args: string[] }

export interface ClientKind {
  kind: string
  /** What it ends up speaking with a server of both eras: with sessions, or 2026-07-28. */
  era: '2025' | '2026'
  /** With `content` it lets servers ask a person, who always fills in this. */
  connect(target: Target, content?: Answer): Promise<AnyClient>
}

/** Values of a form. */
export type Answer = Record<string, string>

const INFO = { name: 'skein-test', version: '1.0.0' }
const ASKABLE = { elicitation: {} }

type Page<Key extends string, Item> = { [key in Key]: Item[] } & { nextCursor?: string | undefined }
interface Sdk {
  listTools(params: { cursor?: string }): Promise<Page<'tools', { name: string }>>
  listResources(params: { cursor?: string }): Promise<Page<'resources', { uri: string }>>
  listPrompts(params: { cursor?: string }): Promise<Page<'prompts', { name: string }>>
  callTool(params: { name: string; arguments: Record<string, unknown> }): Promise<unknown>
  readResource(params: { uri: string }): Promise<unknown>
  getPrompt(params: { name: string; arguments: Record<string, string> }): Promise<unknown>
  close(): Promise<void>
}

async function allPages<Key extends string, Item>(key: Key, page: (params: { cursor?: string }) => Promise<Page<Key, Item>>): Promise<Item[]> {
  const items: Item[] = []
  let cursor: string | undefined
  do {
    const answer = await page(cursor === undefined ? {} : { cursor })
    items.push(...answer[key])
    cursor = answer.nextCursor
  } while (cursor !== undefined)
  return items
}

function wrap(kind: string, client: Sdk): AnyClient {
  return {
    kind,
    list: async () => (await allPages('tools', (params) => client.listTools(params))).map(({ name }) => name),
    call: async (name, args = {}) => (await client.callTool({ name, arguments: args })) as Awaited<ReturnType<AnyClient['call']>>,
    resources: async () => (await allPages('resources', (params) => client.listResources(params))).map(({ uri }) => uri),
    read: async (uri) => (await client.readResource({ uri })) as { contents?: unknown },
    prompts: async () => (await allPages('prompts', (params) => client.listPrompts(params))).map(({ name }) => name),
    prompt: async (name, args = {}) => (await client.getPrompt({ name, arguments: args })) as { messages?: unknown },
    close: () => client.close()
  }
}

const sdkV1: ClientKind = {
  kind: 'SDK v1',
  era: '2025',
  async connect(target, content) {
    const client = new ClientV1(INFO, { capabilities: content === undefined ? {} : ASKABLE })
    if (content !== undefined) client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept' as const, content }))
    await client.connect(('url' in target ? new HttpV1(new URL(target.url)) : new StdioV1(target)) as never)
    return wrap('SDK v1', client as unknown as Sdk)
  }
}

function sdkV2(name: string, mode: 'legacy' | 'auto' | { pin: string }, era: ClientKind['era']): ClientKind {
  const kind = `SDK v2 (${name})`
  return {
    kind,
    era,
    async connect(target, content) {
      const client = new ClientV2(INFO, { versionNegotiation: { mode }, capabilities: content === undefined ? {} : ASKABLE })
      if (content !== undefined) client.setRequestHandler('elicitation/create', () => ({ action: 'accept' as const, content }))
      await client.connect('url' in target ? new HttpV2(new URL(target.url)) : new StdioV2(target))
      return wrap(kind, client as unknown as Sdk)
    }
  }
}

/** Vercel's AI SDK: widely used, speaks both eras and shares no code with the MCP SDKs. */
function aiSdk(name: string, protocolVersionDiscovery: boolean, era: ClientKind['era']): ClientKind {
  const kind = `AI SDK (${name})`
  return {
    kind,
    era,
    async connect(target, content) {
      const transport = 'url' in target ? { type: 'http' as const, url: target.url } : new StdioMCPTransport(target)
      const capabilities = content === undefined ? {} : ASKABLE
      const client = await createMCPClient({ transport, clientName: INFO.name, version: INFO.version, protocolVersionDiscovery, capabilities })
      if (content !== undefined) client.onElicitationRequest(ElicitationRequestSchema, () => ({ action: 'accept', content }))
      return wrap(kind, {
        listTools: (params) => client.listTools({ params }),
        listResources: (params) => client.listResources({ params }),
        listPrompts: (params) => client.listPrompts({ params }),
        callTool: (params) => client.callTool(params),
        readResource: (params) => client.readResource(params),
        getPrompt: (params) => client.getPrompt(params),
        close: () => client.close()
      })
    }
  }
}

const sdkV2Auto = sdkV2('auto', 'auto', '2026')

/** Clients that live in the test's process. */
export const CLIENTS: readonly ClientKind[] = [
  sdkV1,
  sdkV2('legacy', 'legacy', '2025'),
  sdkV2Auto,
  sdkV2('pinned', { pin: '2026-07-28' }, '2026'),
  aiSdk('initialize', false, '2025'),
  aiSdk('discovery', true, '2026')
]

/** Starts `skein mcp` for the node of this data directory, as a client's configuration does. */
export const bridgeTo = (dataDir: string): Target => ({ command: process.execPath, args: [join(ROOT, 'bin/skein.js'), 'mcp', '--data-dir', dataDir] })

/** One SDK client of each era, over HTTP. */
export const httpClients = [sdkV1, sdkV2Auto].map(({ kind, connect }) => ({ kind: `${kind} over HTTP`, connect: (url: string) => connect({ url }) }))

/** The same over `skein mcp`. */
export const stdioClients = [sdkV1, sdkV2Auto].map(({ kind, connect }) => ({
  kind: `${kind} over skein mcp`,
  connect: (dataDir: string) => connect(bridgeTo(dataDir))
}))
