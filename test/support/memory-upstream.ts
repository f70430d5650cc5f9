import type { MessageOrigin, UpstreamTransport } from '../../src/mcp/ports.ts'
import type { Json, JsonRpcId, JsonRpcMessage, JsonRpcNotification, JsonRpcRequest } from '../../src/wire/json-rpc.ts'
import { SkeinError } from '../../src/base/errors.ts'

/** The server's end of a link in memory. */
export interface MemoryLink {
  transport: UpstreamTransport
  /** All that was sent to the server, in order. */
  received: JsonRpcMessage[]
  /** The headers that went with each message of `received`. */
  headers: (Readonly<Record<string, string>> | undefined)[]
  /** What was received with this method, requests and notifications. */
  sent(method: string): (JsonRpcRequest | JsonRpcNotification)[]
  /** Requests with this method that are not answered yet. */
  open(method: string): JsonRpcRequest[]
  emit(message: object, origin?: MessageOrigin): void
  answer(id: JsonRpcId, result: Json, origin?: MessageOrigin): void
  refuseRequest(id: JsonRpcId, code: number, message?: string, data?: unknown): void
  /** The link ends by itself, as when a child is killed. */
  die(error?: Error): void
  /** Messages from now on are not taken, as when a pipe is closed. */
  refuse: boolean
  /** Messages from now on stay on the way until the link dies. */
  stall: boolean
  closed: boolean
}

export interface MemoryServer {
  links: MemoryLink[]
  /** The newest link. */
  readonly last: MemoryLink
  connect(): UpstreamTransport
  /** What it speaks: 2025-11-25 with `initialize`, 2026-07-28 with `server/discover`, or both. */
  era: '2025' | '2026' | 'both'
  /** What the handshake says; members that no test needs stay away. */
  capabilities: Json
  instructions: string | undefined
  /** What tools/list answers. */
  tools: unknown[]
  /** What prompts/list, resources/list and resources/templates/list answer, by the member of the result; without one the test answers. */
  lists: Record<string, unknown[]>
  /** Of its transports: with one they stand for a child's stdio, without for HTTP. */
  pid: number | undefined
  /** The next starts fail with this. */
  failStart: Error | undefined
  /** Links from now on end only when they die, however they are closed. */
  linger: boolean
  /** Answers the handshake; false leaves that to the test. */
  greet: boolean
  /** Answers requests before the server's own answers; undefined leaves them to those, or open. */
  respond?: (request: JsonRpcRequest, link: MemoryLink) => Json | undefined
}

/** An MCP server in memory: greets, lists and subscribes by itself, the rest is the test's. Everything arrives in the same tick. */
export function createMemoryServer(tools: unknown[] = [{ name: 'echo', inputSchema: { type: 'object' } }]): MemoryServer {
  const server: MemoryServer = {
    links: [],
    get last() {
      const link = server.links.at(-1)
      if (link === undefined) throw new Error('nobody connected yet')
      return link
    },
    era: '2025',
    capabilities: { tools: { listChanged: true } },
    instructions: undefined,
    tools,
    lists: { prompts: [], resources: [], resourceTemplates: [] },
    pid: undefined,
    failStart: undefined,
    linger: false,
    greet: true,
    connect() {
      const link = createLink(server)
      server.links.push(link)
      return link.transport
    }
  }
  return server
}

const SUBSCRIPTION_ID = 'io.modelcontextprotocol/subscriptionId'
/** List methods and the member of their results. */
const LISTS: Record<string, string> = { 'prompts/list': 'prompts', 'resources/list': 'resources', 'resources/templates/list': 'resourceTemplates' }

function createLink(server: MemoryServer): MemoryLink {
  const answered = new Set<JsonRpcId>()
  let rejectStalled: ((error: Error) => void)[] = []
  const down = () => new SkeinError('SKEIN_UPSTREAM_DOWN', 'the link in memory is closed')

  function end(error?: Error): void {
    if (link.closed) return
    link.closed = true
    const stalled = rejectStalled
    rejectStalled = []
    for (const reject of stalled) reject(down())
    link.transport.onClose(error)
  }
  function greeting(): Json {
    return { capabilities: server.capabilities, ...(server.instructions === undefined ? {} : { instructions: server.instructions }) }
  }
  /** The server's own answer; undefined leaves the request to the test. */
  function builtIn(request: JsonRpcRequest): Json | undefined {
    const serverInfo = { name: 'memory', version: '1' }
    const { method } = request
    if (method === 'initialize' && server.greet && server.era !== '2026') return { protocolVersion: '2025-11-25', serverInfo, ...greeting() }
    if (method === 'server/discover' && server.greet && server.era !== '2025') return typed({ supportedVersions: ['2026-07-28'], ...greeting(), _meta: { 'io.modelcontextprotocol/serverInfo': serverInfo } })
    if (method === 'tools/list') return typed({ tools: server.tools })
    const member = LISTS[method]
    if (member !== undefined && server.lists[member] !== undefined) return typed({ [member]: server.lists[member] })
    return method === 'resources/subscribe' || method === 'resources/unsubscribe' || method === 'logging/setLevel' ? {} : undefined
  }
  function typed(result: Json): Json {
    return server.era === '2025' ? result : { resultType: 'complete', ttlMs: 0, cacheScope: 'private', ...result }
  }
  function onRequest(request: JsonRpcRequest): void {
    const { id, method, params } = request
    // Asked first: a test may want another answer than the usual one.
    const result = server.respond?.(request, link) ?? builtIn(request)
    if (result !== undefined) link.answer(id, result)
    else if (server.greet && method === 'server/discover') link.refuseRequest(id, -32601, 'Method not found')
    else if (server.greet && method === 'initialize') link.refuseRequest(id, -32022, 'Unsupported protocol version', { supported: ['2026-07-28'], requested: params?.protocolVersion })
    else if (method === 'subscriptions/listen') {
      link.emit({ method: 'notifications/subscriptions/acknowledged', params: { notifications: params?.notifications, _meta: { [SUBSCRIPTION_ID]: id } } }, { related: id })
    }
  }

  const link: MemoryLink = {
    received: [],
    headers: [],
    sent: (method) => link.received.filter((message): message is JsonRpcRequest | JsonRpcNotification => 'method' in message && message.method === method),
    refuse: false,
    stall: false,
    closed: false,
    open: (method) => link.received.filter((message): message is JsonRpcRequest => 'id' in message && 'method' in message && message.method === method && !answered.has(message.id)),
    emit(message, origin = {}) {
      if (!link.closed) link.transport.onMessage({ jsonrpc: '2.0', ...message } as JsonRpcMessage, origin)
    },
    answer(id, result, origin) {
      answered.add(id)
      link.emit({ id, result }, origin)
    },
    refuseRequest(id, code, message = 'refused', data) {
      answered.add(id)
      link.emit({ id, error: { code, message, ...(data === undefined ? {} : { data }) } })
    },
    die: (error = new Error('killed')) => end(error),
    transport: {
      onMessage() {},
      onClose() {},
      onNoise() {},
      pid: server.pid,
      async start({ signal }) {
        signal.throwIfAborted()
        if (server.failStart !== undefined) throw server.failStart
      },
      send(message, { headers } = {}) {
        if (link.closed || link.refuse) return Promise.reject(down())
        if (link.stall) return new Promise((_, reject) => rejectStalled.push(reject))
        link.received.push(message)
        link.headers.push(headers)
        if ('method' in message && 'id' in message) queueMicrotask(() => onRequest(message))
        return Promise.resolve()
      },
      async close() {
        if (!server.linger) end()
      }
    }
  }
  return link
}
