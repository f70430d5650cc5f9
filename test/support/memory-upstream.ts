import type { UpstreamTransport } from '../../src/mcp/ports.ts'
import type { Json, JsonRpcId, JsonRpcMessage, JsonRpcRequest } from '../../src/wire/json-rpc.ts'
import { SkeinError } from '../../src/base/errors.ts'

/** The server's end of a link in memory. */
export interface MemoryLink {
  transport: UpstreamTransport
  /** All that was sent to the server, in order. */
  received: JsonRpcMessage[]
  /** Requests with this method that are not answered yet. */
  open(method: string): JsonRpcRequest[]
  emit(message: object): void
  answer(id: JsonRpcId, result: Json): void
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
  /** What tools/list answers. */
  tools: unknown[]
  /** The next starts fail with this. */
  failStart: Error | undefined
  /** Answers initialize; false leaves that to the test. */
  greet: boolean
  /** Answers requests that are not part of the handshake; undefined leaves them open. */
  respond?: (request: JsonRpcRequest, link: MemoryLink) => Json | undefined
}

/** An MCP server in memory: greets and lists by itself, the rest is the test's. Everything arrives in the same tick. */
export function createMemoryServer(tools: unknown[] = [{ name: 'echo', inputSchema: { type: 'object' } }]): MemoryServer {
  const server: MemoryServer = {
    links: [],
    get last() {
      const link = server.links.at(-1)
      if (link === undefined) throw new Error('nobody connected yet')
      return link
    },
    tools,
    failStart: undefined,
    greet: true,
    connect() {
      const link = createLink(server)
      server.links.push(link)
      return link.transport
    }
  }
  return server
}

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
  function onRequest(request: JsonRpcRequest): void {
    if (request.method === 'initialize' && server.greet) {
      link.answer(request.id, { protocolVersion: '2025-11-25', capabilities: { tools: { listChanged: true } }, serverInfo: { name: 'memory', version: '1' } })
    } else if (request.method === 'tools/list') link.answer(request.id, { tools: server.tools })
    else {
      const result = server.respond?.(request, link)
      if (result !== undefined) link.answer(request.id, result)
    }
  }

  const link: MemoryLink = {
    received: [],
    refuse: false,
    stall: false,
    closed: false,
    open: (method) => link.received.filter((message): message is JsonRpcRequest => 'id' in message && 'method' in message && message.method === method && !answered.has(message.id)),
    emit(message) {
      if (!link.closed) link.transport.onMessage({ jsonrpc: '2.0', ...message } as JsonRpcMessage)
    },
    answer(id, result) {
      answered.add(id)
      link.emit({ id, result })
    },
    die: (error = new Error('killed')) => end(error),
    transport: {
      onMessage() {},
      onClose() {},
      onNoise() {},
      pid: undefined,
      async start({ signal }) {
        signal.throwIfAborted()
        if (server.failStart !== undefined) throw server.failStart
      },
      send(message) {
        if (link.closed || link.refuse) return Promise.reject(down())
        if (link.stall) return new Promise((_, reject) => rejectStalled.push(reject))
        link.received.push(message)
        if ('method' in message && 'id' in message) queueMicrotask(() => onRequest(message))
        return Promise.resolve()
      },
      async close() {
        end()
      }
    }
  }
  return link
}
