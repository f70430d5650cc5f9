import { SkeinError, errorMessage, toSkeinError } from '../base/errors.ts'
import type { Clock, Timer } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { CallSink, McpOutcome, McpRequest, McpRunner, RunningCall } from '../mcp/ports.ts'
import type { JsonRpcNotification } from '../wire/json-rpc.ts'
import type { ClientExchange, Rpc, ServerExchange } from '../rpc/types.ts'
import { decodeJsonBody, decodeMcpCall, encodeJsonBody, encodeMcpCall } from '../wire/mcp-call.ts'
import { METHOD } from '../wire/protocols.ts'
import { ATTRIBUTE, type CallHeader } from '../wire/rpc-frames.ts'
import { createPeerShare } from './peer-share.ts'

/** Requests of one call's server to the client that may wait for an answer at once; a person answers them one by one. */
const MAX_PENDING_REQUESTS = 16
const END_SESSION_TIMEOUT_MS = 5_000
/** While a person thinks about a server's question the exchange is renewed this often, and at least three times in its time limit. */
const RENEW_EVERY_MS = 5_000

/** What a call over a hop adds to the request itself. */
export interface RemoteTarget {
  peer: string
  /** Digest of the definition the caller listed, for tools/call. */
  digest?: string
}

/** The edge's side: runs requests at another node (protocols/mcp.md). */
export function createRemoteRunner(rpc: Rpc, logger: Logger): { at(target: RemoteTarget): McpRunner; endSession(peer: string, session: string): void } {
  return {
    at: (target) => ({ run: (request, sink) => runRemote(rpc, logger, target, request, sink) }),
    endSession(peer, session) {
      rpc.call(peer, METHOD.MCP_END_SESSION, Buffer.from(session), { timeout: END_SESSION_TIMEOUT_MS }).catch((error: unknown) => {
        // The provider ends idle children by itself.
        logger.debug('a provider was not told that a session ended', { peer, error: errorMessage(error) })
      })
    }
  }
}

function runRemote(rpc: Rpc, logger: Logger, { peer, digest }: RemoteTarget, request: McpRequest, sink: CallSink): RunningCall {
  const { server, method, client } = request
  const body = encodeMcpCall({ server, method, client, ...(digest === undefined ? {} : { digest }) }, JSON.stringify(request.params))
  const exchange: ClientExchange = rpc.open(peer, METHOD.MCP_CALL, body, { timeout: request.timeout, header: headerOf(request), onMessage })

  function onMessage(bytes: Uint8Array): void {
    let message: Record<string, unknown>
    try {
      message = decodeJsonBody(bytes)
    } catch (error) {
      logger.warn('a provider sent a message that is not JSON; it is dropped', { peer, error: errorMessage(error), correlation: request.correlation })
      return
    }
    if (typeof message['method'] !== 'string') return
    if (!('id' in message)) return sink.notification(message as unknown as JsonRpcNotification)
    const { id } = message
    sink
      .request(message['method'], message['params'] as Record<string, unknown> | undefined)
      .catch((error: unknown): McpOutcome => ({ error: { code: -32_603, message: errorMessage(error) } }))
      .then((outcome) => exchange.send(encodeJsonBody({ jsonrpc: '2.0', id, ...outcome })))
      .catch((error: unknown) => logger.debug('an answer could not be passed on', { error: errorMessage(error) }))
  }

  return {
    outcome: exchange.answer.then(({ body: answer }) => outcomeOf(answer, peer)),
    cancel: (reason) => exchange.cancel(reason)
  }
}

function outcomeOf(body: Uint8Array, peer: string): McpOutcome {
  const answer = decodeJsonBody(body)
  const isObject = (value: unknown) => value !== null && typeof value === 'object' && !Array.isArray(value)
  // Never an empty success: an answer without either part is a fault of the provider.
  if (isObject(answer['result']) || isObject(answer['error'])) return answer as unknown as McpOutcome
  throw new SkeinError('SKEIN_UPSTREAM_INVALID', `node ${peer} answered with neither a result nor an error`)
}

function headerOf(request: McpRequest): CallHeader {
  return {
    attributes: new Map([[ATTRIBUTE.CORRELATION, Buffer.from(request.correlation)]]),
    ...(request.trace === undefined ? {} : { trace: request.trace })
  }
}

export interface ServeDeps {
  rpc: Rpc
  clock: Clock
  logger: Logger
  /** Runs on this node's own upstreams. */
  local: McpRunner & { endSession(session: string): void }
  /** Whether others may call this here: published, and with the digest they listed. Throws SKEIN_NOT_FOUND. */
  check(server: string, tool: string | undefined, digest: string | undefined): void
}

/** The provider's side: serves requests of other nodes on our own upstreams. */
export function serveMcpCalls({ rpc, clock, logger, local, check }: ServeDeps): void {
  const share = createPeerShare()
  rpc.handle(METHOD.MCP_CALL, (exchange) => {
    try {
      serve(exchange)
    } catch (error) {
      exchange.fail(toSkeinError(error))
    }
  })
  rpc.handle(METHOD.MCP_END_SESSION, (exchange) => {
    const session = Buffer.from(exchange.body).toString()
    // A session's name begins with the edge it belongs to: nobody ends another edge's sessions.
    if (session.startsWith(`${exchange.peer}/`)) local.endSession(session)
    exchange.end(new Uint8Array())
  })

  function serve(exchange: ServerExchange): void {
    const { head, params } = decodeMcpCall(exchange.body)
    if (!head.client.session.startsWith(`${exchange.peer}/`)) throw new SkeinError('SKEIN_BAD_REQUEST', 'client.session must begin with the peer id of the calling node')
    check(head.server, head.method === 'tools/call' ? String(params['name']) : undefined, head.digest)
    const leave = share.enter(exchange.peer, head.server)
    const correlation = Buffer.from(exchange.header.attributes?.get(ATTRIBUTE.CORRELATION) ?? []).toString().slice(0, 128)
    const started = clock.now()
    const asked = new Map<number, (outcome: McpOutcome) => void>()
    let nextId = 1

    let renewal: Timer | undefined
    // Time spent waiting for a person does not count against the deadline; the upstream bounds how long it may be.
    const renewWhileAsking = () => {
      renewal ??= clock.after(Math.min(RENEW_EVERY_MS, (exchange.deadline - started) / 3), () => {
        renewal = undefined
        if (asked.size === 0) return
        exchange.send(encodeJsonBody({}), { renew: true })
        renewWhileAsking()
      })
    }

    const sink: CallSink = {
      notification: (message) => exchange.send(encodeJsonBody(message), { renew: true }),
      request(method, requestParams) {
        if (asked.size >= MAX_PENDING_REQUESTS) return Promise.resolve({ error: { code: -32_603, message: `over ${MAX_PENDING_REQUESTS} requests to the client wait for an answer` } })
        const id = nextId++
        exchange.send(encodeJsonBody({ jsonrpc: '2.0', id, method, ...(requestParams === undefined ? {} : { params: requestParams }) }), { renew: true })
        return new Promise((resolve) => {
          asked.set(id, resolve)
          renewWhileAsking()
        })
      }
    }
    const running = local.run(
      {
        server: head.server,
        method: head.method,
        params,
        client: head.client,
        timeout: exchange.deadline - started,
        correlation,
        ...(exchange.header.trace === undefined ? {} : { trace: exchange.header.trace })
      },
      sink
    )
    const abandon = (message: string) => {
      for (const resolve of asked.values()) resolve({ error: { code: -32_603, message } })
      asked.clear()
      renewal?.cancel()
    }
    exchange.onMessage((bytes) => {
      let answer: Record<string, unknown>
      try {
        answer = decodeJsonBody(bytes)
      } catch (error) {
        logger.warn('a calling node sent a message that is not JSON; it is dropped', { peer: exchange.peer, error: errorMessage(error), correlation })
        return
      }
      const resolve = asked.get(answer['id'] as number)
      asked.delete(answer['id'] as number)
      resolve?.(answer as unknown as McpOutcome)
    })
    exchange.onCancel((reason) => {
      abandon('the call was cancelled')
      running.cancel(reason.message)
    })
    const log = (status: string) =>
      logger.info('served a call of another node', { correlation, peer: exchange.peer, server: head.server, method: head.method, status, duration_ms: Math.round(clock.now() - started) })
    running.outcome
      .then(
        (outcome) => {
          log('error' in outcome ? 'error' : 'ok')
          // Only the two known parts: an upstream's stray fields stay here.
          exchange.end(encodeJsonBody('error' in outcome ? { error: outcome.error } : { result: outcome.result }))
        },
        (error: unknown) => {
          const known = toSkeinError(error)
          log(known.code)
          exchange.fail(known)
        }
      )
      .finally(() => {
        leave()
        abandon('the call has ended')
      })
      .catch((error: unknown) => logger.error('answering a call failed', { correlation, error: errorMessage(error) }))
  }
}
