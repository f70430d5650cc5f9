import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { systemClock, type Clock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { systemRandom } from '../../../src/base/random.ts'
import { createMcpHttp } from '../../../src/http/mcp/create-mcp-http.ts'
import type { Link, McpHttpOptions, Sessions, StatelessOptions } from '../../../src/http/mcp/ports.ts'
import { viewOf } from '../../../src/http/server.ts'
import type { Json, JsonRpcError, JsonRpcMessage, JsonRpcRequest } from '../../../src/wire/json-rpc.ts'
import { until } from './setup.ts'

/** A request as the session machine gets it; the test decides what it hears. */
export interface FakeRequest {
  message: JsonRpcRequest
  link: Link
  options: StatelessOptions | undefined
  cancelled: string | undefined
  /** Progress with this number on the request's own stream. */
  progress(value: number): boolean
  answer(result: Json): boolean
  fail(error: JsonRpcError, refused?: boolean): boolean
}

export interface FakeSessions extends Sessions {
  requests: FakeRequest[]
  /** The links of the sessions, in the order they were opened. */
  links: Link[]
  received: JsonRpcMessage[]
  streamsOpened: number
}

/** Answers initialize by itself, nothing else. */
export function createFakeSessions(): FakeSessions {
  const fake: FakeSessions = {
    versions: ['2025-11-25', '2025-06-18', '2025-03-26'],
    statelessVersions: ['2026-07-28'],
    requests: [],
    links: [],
    received: [],
    streamsOpened: 0,
    draining: false,
    serves: (view) => view === undefined || view === 'files' || view === '@search',
    open({ link }) {
      fake.links.push(link)
      return {
        running: 0,
        receive(message) {
          if (!('method' in message && 'id' in message)) fake.received.push(message)
          else if (message.method === 'initialize') link.answer(message.id, { result: { protocolVersion: '2025-11-25' } }, false)
          else requestOf(message, link)
        },
        streamOpened: () => void fake.streamsOpened++,
        close: () => {}
      }
    },
    stateless(message, options) {
      const request = requestOf(message, options.link, options)
      return { cancel: (reason) => (request.cancelled = reason) }
    },
    drain: () => Promise.resolve(),
    close: () => {}
  }
  function requestOf(message: JsonRpcRequest, link: Link, options?: StatelessOptions): FakeRequest {
    const request: FakeRequest = {
      message,
      link,
      options,
      cancelled: undefined,
      progress: (value) => link.send({ jsonrpc: '2.0', method: 'notifications/progress', params: { progress: value } }, message.id),
      answer: (result) => link.answer(message.id, { result }, false),
      fail: (error, refused = false) => link.answer(message.id, { error }, refused)
    }
    fake.requests.push(request)
    return request
  }
  return fake
}

/** The edge on a real server at 127.0.0.1, over sessions that the test plays. */
export async function setupFake(options: McpHttpOptions & { clock?: Clock } = {}) {
  const { clock = systemClock, ...httpOptions } = options
  const sessions = createFakeSessions()
  const meter = createMeter()
  const mcpHttp = createMcpHttp({ clock, random: systemRandom, meter, logger: silentLogger, downstream: sessions }, httpOptions)
  const server: Server = createServer((req, res) => mcpHttp.handle(req, res, viewOf((req.url ?? '/').split('?')[0] as string) ?? undefined))
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  /** Resolves when the server knows that the client has left. */
  const left = async (leave: () => Promise<unknown>) => {
    const before = [...sockets]
    await leave()
    // Counting would not do: fetch opens a connection in place of the one it gave up.
    await until(() => before.some((socket) => !sockets.has(socket)))
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    mcpHttp.close()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const value = (name: string, label?: string) => meter.snapshot().find((family) => family.name === name)?.samples.find((sample) => label === undefined || sample.labels.includes(label))?.value
  return { sessions, mcpHttp, server, value, left, url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`) }
}

export interface SseEvent {
  id: string | undefined
  retry: string | undefined
  data: string
}

/** Reads an event stream as browsers do, comments left out. */
export function events(response: Response) {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  const parse = (block: string): SseEvent | undefined => {
    const fields = block.split('\n').filter((line) => line !== '' && !line.startsWith(':'))
    if (fields.length === 0) return undefined
    const field = (name: string) => fields.find((line) => line.startsWith(`${name}: `) || line === `${name}:`)?.slice(name.length + 2)
    return { id: field('id'), retry: field('retry'), data: field('data') ?? '' }
  }
  return {
    /** The next event; undefined at the end of the stream. */
    async next(): Promise<SseEvent | undefined> {
      for (;;) {
        const end = text.indexOf('\n\n')
        if (end !== -1) {
          const event = parse(text.slice(0, end))
          text = text.slice(end + 2)
          if (event !== undefined) return event
          continue
        }
        const { value, done } = await reader.read()
        if (done) return undefined
        text += value
      }
    },
    /** All that are left. */
    async rest(): Promise<SseEvent[]> {
      const all: SseEvent[] = []
      for (let event = await this.next(); event !== undefined; event = await this.next()) all.push(event)
      return all
    },
    leave: () => reader.cancel()
  }
}

/** What an event says: the number of a progress, or an answer's id. */
export function said(event: SseEvent | undefined): unknown {
  if (event === undefined || event.data === '') return undefined
  const message = JSON.parse(event.data) as { id?: unknown; params?: { progress?: unknown } }
  return message.params?.progress ?? message.id
}
