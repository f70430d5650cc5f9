import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from '@modelcontextprotocol/client'
import { StdioClientTransport as StdioV2 } from '@modelcontextprotocol/client/stdio'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport as StdioV1 } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { join } from 'node:path'
import { legacyClient, modernClient, type Message } from './recording-client.ts'
import { ROOT, type SkeinProcess } from './skein-process.ts'
import { waitUntil } from './wait-until.ts'

/** How a call ended: its text, or the error as the client has it; `status` where HTTP itself refused. */
export type Seen = { text: string } | { code: number | string; skein?: string; message: string }

/** A client of one kind that keeps what it sees; its person answers questions when the test says so. */
export interface Witness {
  readonly kind: string
  readonly legacy: boolean
  /** Where it hangs on: HTTP, or `skein mcp`. */
  readonly carrier: 'http' | 'stdio'
  call(tool: string, args?: Message): Promise<Seen>
  /** Notifications that arrived, in order. */
  readonly heard: Message[]
  /** Questions whose person has not answered. */
  readonly open: (() => void)[]
  tools(): Promise<string[]>
  subscribe(uri: string): Promise<void>
  /** How the subscription of a modern client ended, if it did. */
  readonly ended: () => string | undefined
  close(): Promise<void>
}

export interface WitnessOptions {
  node: SkeinProcess
  /** One server's endpoint instead of all. */
  server?: string
  /** Can be asked by servers. */
  askable?: boolean
}

type Carrier = Witness['carrier']
/** Shorter than the minute that `wait` takes: an SDK that does not notice the end of its connection gives up then. Twice what a loaded machine needed. */
const CALL_TIMEOUT = 30_000
const ANSWER = { action: 'accept', content: { name: 'Ada' } }

function seenOf({ result, error }: Message): Seen {
  if (error === undefined) return { text: String(result?.content?.[0]?.text) }
  return { code: error.code, message: error.message, ...(error.data?.code === undefined ? {} : { skein: error.data.code }) }
}
/** As thrown: by an SDK, or because HTTP gave no answer. */
function thrownOf(error: any): Seen {
  const skein = error?.data?.code
  return { code: error?.data?.status ?? error?.code ?? 'no answer', message: String(error?.message), ...(typeof skein === 'string' ? { skein } : {}) }
}
const seen = (answer: Promise<Message>) => answer.then(seenOf, thrownOf)

/** A person who answers when told to. */
function person() {
  const open: (() => void)[] = []
  return { open, ask: () => new Promise<typeof ANSWER>((resolve) => open.push(() => resolve(ANSWER))) }
}

const capabilitiesOf = (askable: boolean): Message => (askable ? { elicitation: {} } : {})
const urlOf = ({ node, server }: WitnessOptions) => (server === undefined ? node.mcpUrl() : `${node.mcpUrl()}/${server}`)
const bridge = ({ node, server }: WitnessOptions) => ({
  command: process.execPath,
  args: [join(ROOT, 'bin/skein.js'), 'mcp', '--data-dir', node.dataDir, ...(server === undefined ? [] : ['--server', server])],
  stderr: 'ignore' as const
})

async function raw(kind: string, legacy: boolean, options: WitnessOptions): Promise<Witness> {
  const { open, ask } = person()
  const heard: Message[] = []
  const made = { name: kind, onHeard: (message: Message) => void heard.push(message), url: urlOf(options), capabilities: capabilitiesOf(options.askable === true), onAsked: ask }
  const client = legacy ? await legacyClient(made) : modernClient(made)
  return {
    kind,
    legacy,
    carrier: 'http',
    open,
    heard,
    call: (name, args = {}) => seen(client.ask('tools/call', { name, arguments: args })),
    tools: async () => (await client.ask('tools/list')).result.tools.map((tool: Message) => tool.name),
    subscribe: (uri) => client.subscribe([uri]),
    ended: () => undefined,
    close: () => client.close().catch(() => {})
  }
}

/** The few methods of the SDKs' clients that both have. */
type SdkClient = {
  connect(transport: unknown): Promise<void>
  request(request: Message, ...rest: unknown[]): Promise<Message>
  callTool(params: Message, ...rest: unknown[]): Promise<Message>
  listTools(): Promise<{ tools: { name: string }[] }>
  subscribeResource(params: { uri: string }): Promise<unknown>
  listen?(filter: Message): Promise<{ closed: Promise<string> }>
  fallbackNotificationHandler?: (message: Message) => Promise<void>
  onerror?: (error: Error) => void
  close(): Promise<void>
}

async function sdk(kind: string, legacy: boolean, carrier: Carrier, client: SdkClient, transport: unknown, open: (() => void)[]): Promise<Witness> {
  const heard: Message[] = []
  let ended: string | undefined
  client.fallbackNotificationHandler = async (message) => void heard.push(message)
  client.onerror = () => {}
  await client.connect(transport)
  return {
    kind,
    legacy,
    carrier,
    open,
    heard,
    call(name, args = {}) {
      const params = { name, arguments: args }
      const options = { timeout: CALL_TIMEOUT }
      const answer = legacy ? client.callTool(params, undefined, options) : client.callTool(params, options)
      return seen(answer.then((result) => ({ result })))
    },
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
    async subscribe(uri) {
      if (legacy) return void (await client.subscribeResource({ uri }))
      const subscription = await client.listen?.({ toolsListChanged: true, resourceSubscriptions: [uri] })
      void subscription?.closed.then((how) => (ended = how))
    },
    ended: () => ended,
    close: () => client.close().catch(() => {})
  }
}

function first(carrier: Carrier, options: WitnessOptions): Promise<Witness> {
  const { open, ask } = person()
  const client = new ClientV1({ name: 'sdk-1', version: '1.0.0' }, { capabilities: capabilitiesOf(options.askable === true) })
  if (options.askable === true) client.setRequestHandler(ElicitRequestSchema, ask as never)
  const transport = carrier === 'http' ? new HttpV1(new URL(urlOf(options))) : new StdioV1(bridge(options))
  return sdk(`legacy, SDK v1 over ${carrier === 'http' ? 'HTTP' : 'skein mcp'}`, true, carrier, client as unknown as SdkClient, transport, open)
}

function second(carrier: Carrier, options: WitnessOptions): Promise<Witness> {
  const { open, ask } = person()
  const client = new ClientV2({ name: 'sdk-2', version: '1.0.0' }, { capabilities: capabilitiesOf(options.askable === true), versionNegotiation: { mode: 'auto' } })
  if (options.askable === true) client.setRequestHandler('elicitation/create', ask as never)
  const transport = carrier === 'http' ? new HttpV2(new URL(urlOf(options))) : new StdioV2(bridge(options))
  return sdk(`modern, SDK v2 over ${carrier === 'http' ? 'HTTP' : 'skein mcp'}`, false, carrier, client as unknown as SdkClient, transport, open)
}

/** One client of each kind. */
export function allKinds(options: WitnessOptions): Promise<Witness[]> {
  return Promise.all([
    raw('legacy, by hand over HTTP', true, options),
    first('http', options),
    raw('modern, by hand over HTTP', false, options),
    second('http', options),
    first('stdio', options),
    second('stdio', options)
  ])
}

/** The same of each: a test says once what every kind must see. */
export async function each<T>(witnesses: readonly Witness[], what: (witness: Witness, index: number) => Promise<T> | T): Promise<Record<string, T>> {
  return Object.fromEntries(await Promise.all(witnesses.map(async (witness, index) => [witness.kind, await what(witness, index)] as const)))
}

/** Calls until an answer comes, and how long that took, ms: for what may take a while to be back. */
export async function comesBack(witness: Witness, tool: string, args: Message = {}, within = 20_000): Promise<{ text: string; after: number; failed: Seen[] }> {
  const began = performance.now()
  const failed: Seen[] = []
  let text = ''
  await waitUntil(
    `${witness.kind} gets an answer of ${tool}`,
    async () => {
      const answer = await witness.call(tool, args)
      if ('text' in answer) text = answer.text
      else failed.push(answer)
      return 'text' in answer
    },
    { timeout: within, every: 50 }
  ).catch((error: Error) => {
    throw new Error(`${error.message}: ${JSON.stringify(failed.at(-1))}`)
  })
  return { text, after: Math.round(performance.now() - began), failed }
}
