import type { Agent } from 'node:http'
import type { Clock } from '../base/clock.ts'
import type { UpstreamTransport } from '../mcp/ports.ts'
import type { HttpTarget } from '../mcp/upstream/spec.ts'
import type { JsonRpcError, JsonRpcId, JsonRpcMessage, JsonRpcRequest } from '../wire/json-rpc.ts'
import { SkeinError } from '../base/errors.ts'
import { createAgent } from './http-agent.ts'
import { mediaType, readMessages, readText, type StreamCursor } from './http-answer.ts'
import { createHttpClient, type HttpAnswer, type HttpClient } from './http-client.ts'
import { sendError, type HttpFailure } from './http-errors.ts'
import { createExchanges, type Exchange } from './http-exchanges.ts'
import { parseMessages, type ParsedMessage } from './message-parse.ts'
import { createHttpSession, type HttpSession } from './rev2025/http-session.ts'
import { envelopeVersion, requestHeaders } from './rev2026/http-headers.ts'

/** As for a line of stdio. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024
/** Of an error page, for the sentence that a person reads. */
const MAX_ERROR_BYTES = 64 * 1024
/** For the DELETE that ends the session: politeness, not worth waiting for. */
const CLOSE_GRACE = 1_000
/** A server of the older era that was told of a cancellation gets this long to end the response by itself. */
const CANCEL_GRACE = 5_000
/** The first requests wait this long for the server's own stream, so that nothing is missed; some servers open it only with its first event. */
const STREAM_WAIT = 250
/** When the session is lost, requests that are on their way get this long for their own answer: mostly that they were not run either. */
const LAST_WORDS = 2_000
/** Requests at a time; the callers above have bounds of their own, this one keeps a mistake there from taking the memory. */
const MAX_EXCHANGES = 2_048

export interface HttpTransportOptions {
  /** Under `mcp.servers`, for messages. */
  name: string
  target: HttpTarget
  /** @default 16 MiB */
  maxMessageBytes?: number
}

/**
 * A streamable HTTP server of either era; each request says in its envelope which one it belongs to. `send` of a request resolves
 * when it is answered (its message was delivered before) and rejects with SKEIN_OUTCOME_UNKNOWN if the response ends without an
 * answer: one POST lost is not the link lost. A lost session or an unreachable server ends the link, so that a new one is made.
 * An error that the server gives with a 4xx status is an answer; other refusals reject, `data.status` has the status.
 */
export function createHttpTransport(deps: { clock: Clock; env?: Readonly<Record<string, string | undefined>> }, options: HttpTransportOptions): UpstreamTransport {
  const { clock } = deps
  const { name, target } = options
  const maxMessageBytes = options.maxMessageBytes ?? MAX_MESSAGE_BYTES
  const exchanges = createExchanges({ clock })
  const stopped = new AbortController()
  let link: { agent: Agent; client: HttpClient; session: HttpSession } | undefined
  /** The server has read `notifications/initialized`: each request is a connection of its own and could overtake it. */
  let greeted: Promise<void> | undefined
  let over = false

  function failed(failure: HttpFailure): SkeinError {
    return sendError(name, target.url, failure)
  }
  function closed(): SkeinError {
    return new SkeinError('SKEIN_UPSTREAM_DOWN', `mcp.servers.${name}: the connection is closed; the request was not run.`)
  }

  /** @param lastWords ms for requests that are on their way */
  function end(why?: Error, lastWords = 0): void {
    if (over) return
    over = true
    stopped.abort()
    const gone = failed({ kind: 'lost', cause: why ?? new Error('the connection was closed') })
    for (const exchange of exchanges.all()) {
      if (!exchange.sent) exchanges.drop(exchange, closed())
      else if (exchange.broken) exchanges.drop(exchange, gone)
    }
    const cut = () => {
      for (const exchange of exchanges.all()) exchanges.drop(exchange, gone)
      link?.agent.destroy()
    }
    if (lastWords === 0 || exchanges.size === 0) cut()
    else clock.after(lastWords, cut)
    transport.onClose(why)
  }
  /** Ends the link after the caller of the running send heard its own error. */
  function endSoon(failure: HttpFailure): void {
    setImmediate(() => end(failed(failure), LAST_WORDS))
  }

  function deliver({ message, resultText }: ParsedMessage, related: JsonRpcId | undefined): void {
    // Of a lost session only answers count.
    if (over && ('method' in message || exchanges.size === 0)) return
    const answered = 'method' in message ? undefined : exchanges.answeredBy(message, related)
    if (answered?.request.method === 'initialize') {
      const version = (message as { result?: { protocolVersion?: unknown } | null }).result?.protocolVersion
      if (typeof version === 'string') link?.session.negotiated(version)
    }
    transport.onMessage(message, { ...(related === undefined ? {} : { related }), ...(resultText === undefined ? {} : { resultText }) })
    if (answered !== undefined) exchanges.settle(answered)
  }

  function hear(data: string, related: JsonRpcId | undefined): void {
    const messages = parseMessages(data)
    if (messages === undefined) transport.onNoise(data.slice(0, 500))
    else for (const message of messages) deliver(message, related)
  }

  /** Reads one answer to its end; throws where it can be none. */
  async function take(exchange: Exchange, answer: HttpAnswer, cursor: StreamCursor): Promise<void> {
    const { id } = exchange.request
    if (answer.status < 200 || answer.status >= 300) return refuse(exchange, answer)
    const stream = () => {
      exchange.streaming = true
    }
    await readMessages(answer, maxMessageBytes, cursor, { stream, data: (data) => hear(data, id) })
  }

  /** A refusal: an answer where it holds a JSON-RPC error of a 4xx, otherwise thrown. */
  async function refuse(exchange: Exchange | undefined, { status, headers, body }: HttpAnswer): Promise<void> {
    const text = (await readText(body, MAX_ERROR_BYTES).catch(() => undefined)) ?? ''
    const error = errorIn(text)
    const detail = error?.message ?? (mediaType(headers) === 'text/plain' ? text : undefined)
    const failure: HttpFailure = { kind: 'status', status, ...(detail === undefined ? {} : { detail }) }
    const stateful = exchange?.stateless !== true && exchange?.request.method !== 'initialize'
    if (stateful && link?.session.isGone(status, text) === true) endSoon(failure)
    else if (exchange !== undefined && error !== undefined && status >= 400 && status < 500 && status !== 401 && status !== 403) {
      return deliver({ message: { jsonrpc: '2.0', id: exchange.request.id, error } }, exchange.request.id)
    }
    throw failed(failure)
  }

  async function run(exchange: Exchange, given: Readonly<Record<string, string>>): Promise<void> {
    const { client, session } = link as NonNullable<typeof link>
    const { request, abort } = exchange
    if (greeted !== undefined && !exchange.stateless) await greeted
    // Cancelled meanwhile.
    if (exchange.answered || over) return
    exchange.sent = true
    const version = envelopeVersion(request)
    const own = version === undefined ? session.headers() : requestHeaders(request, version, { ...lowerCase(target.headers), ...lowerCase(given) })
    const outcome = await client.send({
      method: 'POST',
      headers: { ...own, ...POSTED },
      body: JSON.stringify(request),
      // Everything else only reads, or says the same twice.
      repeatable: request.method !== 'tools/call',
      signal: abort.signal
    })
    if ('failure' in outcome) {
      if (outcome.failure.kind === 'unreachable' && !abort.signal.aborted) endSoon(outcome.failure)
      throw failed(outcome.failure)
    }
    if (request.method === 'initialize' && outcome.answer.status < 300) session.opened(outcome.answer.headers)
    const cursor: StreamCursor = { lastId: undefined, retry: undefined }
    await take(exchange, outcome.answer, cursor)
    exchange.broken = !exchange.answered
    const again = (answer: HttpAnswer) => take(exchange, answer, cursor)
    while (!exchange.answered && !exchange.stateless && cursor.lastId !== undefined && (await session.resume(cursor, again, abort.signal)));
    if (!exchange.answered) throw new Error('the response ended without an answer')
  }

  function sendRequest(request: JsonRpcRequest, given: Readonly<Record<string, string>>): Promise<void> {
    if (exchanges.size >= MAX_EXCHANGES) return Promise.reject(new SkeinError('SKEIN_BUSY', `mcp.servers.${name}: ${MAX_EXCHANGES} requests are running already; the request was not run.`))
    return exchanges.open(request, (exchange) =>
      run(exchange, given).catch((error: unknown) => {
        throw error instanceof SkeinError ? error : failed({ kind: 'lost', cause: error })
      })
    )
  }

  /** A notification, or our answer to a request of the server: of the older era only. */
  async function post(message: JsonRpcMessage): Promise<void> {
    const { client, session } = link as NonNullable<typeof link>
    const outcome = await client.send({ method: 'POST', headers: { ...session.headers(), ...POSTED }, body: JSON.stringify(message), repeatable: true, signal: stopped.signal })
    if ('failure' in outcome) {
      if (outcome.failure.kind === 'unreachable' && !stopped.signal.aborted) endSoon(outcome.failure)
      throw failed(outcome.failure)
    }
    const { status, body } = outcome.answer
    const method = 'method' in message ? message.method : undefined
    if (status >= 200 && status < 300) body.resume()
    else await refuse(undefined, outcome.answer).catch((error: SkeinError) => {
      // Servers that dislike a notification work on, and so do we; where the door is shut, the next request will say so too.
      if (over || method === undefined || status === 401 || status === 403 || status === 404 || status >= 500) throw error
      transport.onNoise(error.message)
    })
  }
  /** `notifications/initialized`, then the server's own stream. */
  function greet(message: JsonRpcMessage): Promise<void> {
    const { promise: open, resolve } = Promise.withResolvers<void>()
    const posted = post(message)
    posted.then(
      () => {
        const timer = clock.after(STREAM_WAIT, resolve)
        void link?.session.listen(stopped.signal, () => {
          timer.cancel()
          resolve()
        })
      },
      () => resolve()
    )
    greeted = open
    return posted
  }

  /** True: nothing is to be sent. */
  function cancelled(id: JsonRpcId | undefined): boolean {
    const exchange = id === undefined ? undefined : exchanges.get(id)
    if (exchange === undefined) return true
    const leave = () => {
      if (exchange.answered) return
      exchanges.settle(exchange)
      exchange.abort.abort()
    }
    // The stateless era cancels by closing the stream of the request.
    const atOnce = exchange.stateless || !exchange.sent
    if (atOnce) leave()
    else clock.after(CANCEL_GRACE, leave)
    return atOnce
  }

  const transport: UpstreamTransport = {
    onMessage() {},
    onClose() {},
    onNoise() {},
    pid: undefined,
    async start({ signal }) {
      signal.throwIfAborted()
      const agent = createAgent({ name, target, env: deps.env ?? process.env })
      const client = createHttpClient({ clock, agent }, { url: target.url })
      const session = createHttpSession({
        clock,
        client,
        headers: lowerCase(target.headers),
        maxMessageBytes,
        onData: (data) => hear(data, undefined),
        onNoise: (text) => transport.onNoise(text),
        onLost: endSoon
      })
      link = { agent, client, session }
    },
    async send(message, { headers = {} } = {}) {
      if (link === undefined || over) throw closed()
      if ('method' in message && 'id' in message) return sendRequest(message, headers)
      if ('method' in message && message.method === 'notifications/cancelled' && cancelled(message.params?.requestId as JsonRpcId | undefined)) return
      await ('method' in message && message.method === 'notifications/initialized' ? greet(message) : post(message))
    },
    async close({ grace = CLOSE_GRACE } = {}) {
      if (link === undefined || over) return
      const { promise: late, resolve } = Promise.withResolvers<void>()
      const timer = clock.after(grace, resolve)
      await Promise.race([link.session.terminate(stopped.signal), late])
      timer.cancel()
      end()
    }
  }
  return transport
}

/** Uncompressed: the bounds are about what arrives, and events must not wait in a compressor. */
const POSTED = { 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'accept-encoding': 'identity' }

function lowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([key, value]) => [key.toLowerCase(), value]))
}

function errorIn(text: string): JsonRpcError | undefined {
  const message = parseMessages(text)?.[0]?.message
  const error = message === undefined || 'method' in message ? undefined : message.error
  return typeof error?.code === 'number' && typeof error.message === 'string' ? error : undefined
}
