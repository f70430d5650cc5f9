import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { CallSink } from '../ports.ts'
import type { Json, JsonRpcId, JsonRpcMessage, JsonRpcNotification, JsonRpcRequest, JsonRpcResponse } from '../../wire/json-rpc.ts'
import type { McpOutcome, McpRequest, RunningCall, UpstreamTransport } from '../ports.ts'
import { errorMessage, isSkeinError, SkeinError } from '../../base/errors.ts'
import { createCallTable, progressToken, withProgressToken, type PendingCall } from './calls.ts'
import { legacyHandshake, type ServerIdentity } from './handshake.ts'
import { isObject, outcomeOf } from './messages.ts'
import { createServerRequests } from './server-requests.ts'

/** `npx some-server` may download before it answers. */
const HANDSHAKE_TIMEOUT = 60_000

export interface ConnectionDeps {
  clock: Clock
  logger: Logger
}

export interface ConnectionOptions {
  transport: UpstreamTransport
  /** Our version, for `clientInfo`. */
  version: string
  /** Announced to the server: `{}` on a shared connection, the client's own otherwise. */
  capabilities: Json
  /** Where requests of the server go: a running call of the one client this connection belongs to, else why there is none. */
  clientSink(): CallSink | string
  /** `notifications/tools/list_changed` arrived. */
  onToolsChanged(): void
}

/** One live, initialized connection to one MCP server. */
export interface UpstreamConnection {
  readonly identity: ServerIdentity
  readonly pid: number | undefined
  /** A client's request; ids and progress tokens are ours on the way and the client's again in what comes back. */
  call(request: McpRequest, sink: CallSink): RunningCall
  /** A request of our own, such as `tools/list`. */
  request(method: string, params: Json, timeout: number): Promise<McpOutcome>
  /** Resolves when the link is over, with the reason unless `close` asked for it. Never rejects. */
  readonly closed: Promise<Error | undefined>
  close(options?: { grace?: number }): Promise<void>
}

/**
 * Starts the transport and shakes hands. Rejects with a SkeinError when the server cannot be started or does not speak MCP; the
 * transport is closed then. The signal ends the attempt, not the connection.
 */
export async function openConnection(deps: ConnectionDeps, options: ConnectionOptions, { signal }: { signal: AbortSignal }): Promise<UpstreamConnection> {
  const { clock, logger } = deps
  const { transport } = options
  let linkError: Error | undefined
  let over = false
  const { promise: closed, resolve: resolveClosed } = Promise.withResolvers<Error | undefined>()
  const requests = createServerRequests({ clock, logger }, { send, clientSink: () => options.clientSink(), onAnswered: renewAll })
  const calls = createCallTable(clock, () => requests.waiting > 0)

  function send(message: JsonRpcMessage): Promise<void> {
    return over ? Promise.reject(downError()) : transport.send(message)
  }
  /** For what nobody waits for: an answer, a cancellation. */
  function sendQuietly(message: JsonRpcMessage): void {
    send(message).catch((error: unknown) => logger.debug('a message for the server was not delivered', { error: errorMessage(error) }))
  }
  function renewAll(): void {
    for (const call of calls.all()) call.renew()
  }
  function downError(): SkeinError {
    return new SkeinError('SKEIN_UPSTREAM_DOWN', `The connection to the server is closed${linkError === undefined ? '' : `: ${linkError.message}`}. The request was not run; try again.`)
  }
  function unknownError(): SkeinError {
    return new SkeinError('SKEIN_OUTCOME_UNKNOWN', `The server went away while the request was running${linkError === undefined ? '' : `: ${linkError.message}`}. It may or may not have taken effect; check before trying again.`)
  }

  function start(method: string, params: Json, about: { session?: string; sink?: CallSink; timeout: number }): { call: PendingCall; outcome: Promise<McpOutcome> } {
    const { promise: outcome, resolve, reject } = Promise.withResolvers<McpOutcome>()
    const expired = (call: PendingCall) => cancelAtServer(call, 'timed out')
    const token = about.sink === undefined ? undefined : progressToken(params)
    const call = calls.add({ ...about, token }, { resolve, reject, expired })
    // The id is unique on this connection, so it serves as the token too.
    const own = token === undefined ? params : withProgressToken(params, call.id)
    send({ jsonrpc: '2.0', id: call.id, method, params: own }).then(
      () => {
        call.handed = true
        if (over) call.finish({ error: unknownError() })
      },
      (error: unknown) => {
        const known = isSkeinError(error, 'SKEIN_OUTCOME_UNKNOWN', 'SKEIN_BUSY', 'SKEIN_UPSTREAM_INVALID', 'SKEIN_LIMIT')
        call.finish({ error: known ? error : new SkeinError('SKEIN_UPSTREAM_DOWN', `The server was not reached: ${errorMessage(error)}`, { cause: error }) })
      }
    )
    return { call, outcome }
  }
  function cancelAtServer(call: PendingCall, reason: string): void {
    // The handshake must not be cancelled, says the specification; its connection is closed instead.
    if (identity !== undefined) sendQuietly({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: call.id, reason } })
  }

  function onResponse(message: JsonRpcResponse): void {
    // Some servers answer with the id as a string. An error without an id answers something we cannot know: nobody's.
    const call = message.id === null || message.id === undefined ? undefined : calls.get(Number(message.id))
    if (call === undefined) return logger.debug('the server answered something that is not running any more', { id: message.id })
    const outcome = outcomeOf(message)
    if (outcome !== undefined) return call.finish({ outcome })
    call.finish({ error: new SkeinError('SKEIN_UPSTREAM_INVALID', 'The server answered with neither a result object nor an error. It ran the request; report this to its authors.') })
  }
  function onNotification(message: JsonRpcNotification): void {
    const params = isObject(message.params) ? message.params : {}
    if (message.method === 'notifications/progress') onProgress(params)
    else if (message.method === 'notifications/message') onLog(message, params)
    else if (message.method === 'notifications/tools/list_changed') options.onToolsChanged()
    else if (message.method === 'notifications/cancelled') requests.cancelled(params.requestId as JsonRpcId)
    else logger.debug('a notification of the server has no reader', { method: String(message.method).slice(0, 100) })
  }
  function onProgress(params: Json): void {
    const call = calls.get(Number(params.progressToken))
    if (call?.token === undefined) return
    call.renew()
    call.sink?.notification({ jsonrpc: '2.0', method: 'notifications/progress', params: { ...params, progressToken: call.token } })
  }
  function onLog(message: JsonRpcNotification, params: Json): void {
    // A log line does not say whose it is: with calls of two clients running, one would read the other's.
    let latest: PendingCall | undefined
    const sessions = new Set<string>()
    for (const call of calls.all()) {
      if (call.session === undefined) continue
      sessions.add(call.session)
      latest = call
    }
    if (sessions.size === 1) latest?.sink?.notification(message)
    else logger.debug('the server logged', { level: params.level, text: JSON.stringify(params.data ?? null).slice(0, 1000) })
  }

  transport.onMessage = (message) => {
    // A listener that throws must not take the link down with it.
    try {
      if ('method' in message && typeof message.method === 'string') {
        if ('id' in message && message.id !== undefined && message.id !== null) requests.handle(message as JsonRpcRequest)
        else onNotification(message as JsonRpcNotification)
      } else onResponse(message as JsonRpcResponse)
    } catch (error) {
      logger.error('handling a message of the server failed', { error: errorMessage(error) })
    }
  }
  transport.onNoise = (text) => logger.debug('the server wrote something that is no message', { text: text.slice(0, 500) })
  transport.onClose = (error) => {
    if (over) return
    over = true
    linkError = error
    requests.close()
    // Those still being sent end when the transport says whether they were taken.
    for (const call of calls.all()) if (call.handed) call.finish({ error: unknownError() })
    resolveClosed(error)
  }

  let identity: ServerIdentity | undefined
  const onAbort = () => void transport.close().catch(() => {})
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    signal.throwIfAborted()
    await transport.start({ signal })
    identity = await legacyHandshake(
      {
        request: (method, params) => start(method, params, { timeout: HANDSHAKE_TIMEOUT }).outcome,
        notify: (method) => send({ jsonrpc: '2.0', method })
      },
      options
    )
    signal.throwIfAborted()
  } catch (error) {
    await transport.close().catch(() => {})
    throw startError(linkError ?? error)
  } finally {
    signal.removeEventListener('abort', onAbort)
  }

  return {
    identity,
    pid: transport.pid,
    call(request, sink) {
      const { call, outcome } = start(request.method, request.params, { session: request.client.session, sink, timeout: request.timeout })
      return {
        outcome,
        cancel(reason) {
          if (calls.get(call.id) === undefined) return
          cancelAtServer(call, reason)
          call.finish({ error: new SkeinError('SKEIN_CANCELLED', `The request was cancelled: ${reason}`) })
        }
      }
    },
    request: (method, params, timeout) => start(method, params, { timeout }).outcome,
    closed,
    close: (how) => transport.close(how)
  }
}

/** Whatever went wrong before the first request: nothing has run. */
function startError(error: unknown): SkeinError {
  if (isSkeinError(error) && error.code !== 'SKEIN_OUTCOME_UNKNOWN' && error.code !== 'SKEIN_DEADLINE') return error
  return new SkeinError('SKEIN_UPSTREAM_DOWN', `The server did not start: ${errorMessage(error)}`, { cause: error })
}
