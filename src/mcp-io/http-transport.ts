import type { StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import type { Clock } from '../base/clock.ts'
import type { UpstreamTransport } from '../mcp/ports.ts'
import type { JsonRpcId, JsonRpcMessage } from '../wire/json-rpc.ts'
import type { HttpTarget } from '../mcp/upstream/spec.ts'
import { errorMessage, SkeinError } from '../base/errors.ts'
import { boundBody } from './bounded-body.ts'
import { neverSent, sendError } from './http-errors.ts'

/** As for a line of stdio. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024
/** For the DELETE that ends the session: politeness, not worth waiting for. */
const CLOSE_GRACE = 1_000
/** A server that was told of a cancellation gets this long to end the response by itself. */
const CANCEL_GRACE = 5_000

interface Exchange {
  abort: AbortController
  resolve(): void
  reject(error: Error): void
}

/**
 * A streamable HTTP server through the SDK's transport. `send` of a request resolves when it is answered (its message was delivered
 * before) and rejects with SKEIN_OUTCOME_UNKNOWN if the response ends without an answer: one POST lost is not the link lost.
 * A lost session (404) or an unreachable server ends the link, so that a new one is made.
 */
export function createHttpTransport(deps: { clock: Clock }, options: { name: string; target: HttpTarget; maxMessageBytes?: number }): UpstreamTransport {
  const { clock } = deps
  const { name, target } = options
  const maxMessageBytes = options.maxMessageBytes ?? MAX_MESSAGE_BYTES
  const exchanges = new Map<JsonRpcId, Exchange>()
  let sdk: StreamableHTTPClientTransport | undefined
  let initializeId: JsonRpcId | undefined
  let over = false

  function end(why?: Error): void {
    if (over) return
    over = true
    const lost = why ?? new Error('the connection was closed')
    for (const [id, exchange] of exchanges) {
      exchanges.delete(id)
      exchange.reject(sendError(name, target.url, lost))
      exchange.abort.abort()
    }
    sdk?.close().catch(() => {})
    transport.onClose(why)
  }
  /** Ends the link after the error of the running send was told apart. */
  function endSoon(error: SkeinError): void {
    queueMicrotask(() => end(error))
  }

  async function watchedFetch(url: string | URL, init?: RequestInit): Promise<Response> {
    let response: Response
    try {
      response = await fetch(url, init)
    } catch (error) {
      if (neverSent(error)) setImmediate(() => end(sendError(name, target.url, error)))
      throw error
    }
    if (response.status === 404 && new Headers(init?.headers).has('mcp-session-id')) {
      setImmediate(() => end(new SkeinError('SKEIN_UPSTREAM_DOWN', `mcp.servers.${name}: the server forgot the session (HTTP 404).`)))
    }
    return boundBody(response, maxMessageBytes, () => endSoon(new SkeinError('SKEIN_UPSTREAM_DOWN', `mcp.servers.${name}: the server sent a message of over ${maxMessageBytes} bytes`)))
  }

  function onMessage(message: JsonRpcMessage): void {
    const isAnswer = !('method' in message) && message.id !== null && message.id !== undefined
    if (isAnswer && message.id === initializeId) {
      const version = (message as { result?: { protocolVersion?: unknown } }).result?.protocolVersion
      if (typeof version === 'string') sdk?.setProtocolVersion(version)
    }
    transport.onMessage(message)
    if (isAnswer) take(message.id as JsonRpcId)?.resolve()
  }
  function take(id: JsonRpcId): Exchange | undefined {
    const exchange = exchanges.get(id)
    exchanges.delete(id)
    return exchange
  }

  function sendRequest(link: StreamableHTTPClientTransport, message: JsonRpcMessage & { id: JsonRpcId }): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = new AbortController()
      exchanges.set(message.id, { abort, resolve, reject })
      const onRequestStreamEnd = () => take(message.id)?.reject(sendError(name, target.url, new Error('the response ended without an answer')))
      link.send(message as never, { requestSignal: abort.signal, onRequestStreamEnd }).catch((error: unknown) => take(message.id)?.reject(sendError(name, target.url, error)))
    })
  }
  function afterCancel(message: JsonRpcMessage): void {
    const id = (message as { params?: { requestId?: JsonRpcId } }).params?.requestId
    if (id === undefined || !exchanges.has(id)) return
    clock.after(CANCEL_GRACE, () => {
      const exchange = take(id)
      exchange?.resolve()
      exchange?.abort.abort()
    })
  }

  const transport: UpstreamTransport = {
    onMessage() {},
    onClose() {},
    onNoise() {},
    pid: undefined,
    async start({ signal }) {
      // Only nodes with an HTTP upstream pay for loading the SDK.
      const { StreamableHTTPClientTransport: Transport } = await import('@modelcontextprotocol/client')
      signal.throwIfAborted()
      if (!URL.canParse(target.url)) throw new SkeinError('SKEIN_CONFIG', `mcp.servers.${name}.url: '${target.url}' is not a URL`)
      sdk = new Transport(new URL(target.url), { requestInit: { headers: { ...target.headers } }, fetch: watchedFetch })
      sdk.onmessage = (message) => onMessage(message as JsonRpcMessage)
      sdk.onerror = (error) => transport.onNoise(errorMessage(error).slice(0, 500))
      await sdk.start()
    },
    async send(message) {
      if (sdk === undefined || over) throw new SkeinError('SKEIN_UPSTREAM_DOWN', `mcp.servers.${name}: the connection is closed; the request was not run.`)
      if ('method' in message && 'id' in message) {
        if (message.method === 'initialize') initializeId = message.id
        return sendRequest(sdk, message)
      }
      if ('method' in message && message.method === 'notifications/cancelled') afterCancel(message)
      await sdk.send(message as never).catch((error: unknown) => {
        throw sendError(name, target.url, error)
      })
    },
    async close({ grace = CLOSE_GRACE } = {}) {
      if (sdk === undefined || over) return
      const { promise: late, resolve } = Promise.withResolvers<void>()
      const timer = clock.after(grace, resolve)
      await Promise.race([sdk.terminateSession().catch(() => {}), late])
      timer.cancel()
      end()
    }
  }
  return transport
}
