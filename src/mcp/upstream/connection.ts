import type { JsonRpcNotification, JsonRpcRequest, Json, JsonRpcMessage } from '../../wire/json-rpc.ts'
import type { MessageOrigin } from '../ports.ts'
import type { ConnectionDeps, ConnectionOptions, UpstreamConnection } from './connection-ports.ts'
import type { EraSide } from './era-side.ts'
import { errorMessage, isSkeinError, SkeinError } from '../../base/errors.ts'
import { isObject } from '../../base/is-object.ts'
import { METHOD_NOT_FOUND } from '../../wire/mcp-spec.ts'
import { MAY_HAVE_RUN } from '../failed-call.ts'
import { createLink } from './link.ts'
import { ownId } from './messages.ts'
import { HANDSHAKE_TIMEOUT, negotiate } from './negotiate.ts'
import { createLegacySide } from './rev2025/side.ts'
import { createModernSide } from './rev2026/side.ts'

/**
 * Starts the transport and shakes hands. Rejects with a SkeinError when the server cannot be started or does not speak MCP (see
 * `probeDied`); the transport is closed then. The signal ends the attempt, not the connection.
 */
export async function openConnection(deps: ConnectionDeps, options: ConnectionOptions, { signal }: { signal: AbortSignal }): Promise<UpstreamConnection> {
  const { clock, logger } = deps
  const { transport } = options
  const { promise: closed, resolve: resolveClosed } = Promise.withResolvers<Error | undefined>()
  /** Undefined until the handshake is done. */
  let side: EraSide | undefined
  const link = createLink(deps, transport, () => side?.waiting === true)
  let heardAt = clock.now()
  let noisy = false

  function receive(message: JsonRpcMessage, origin: MessageOrigin): void {
    if (!('method' in message) || typeof message.method !== 'string') return link.settle(message, origin)
    const relatedId = ownId(origin.related)
    const related = relatedId === undefined ? undefined : link.calls.get(relatedId)
    if ('id' in message && message.id !== undefined && message.id !== null) return onRequest(message)
    const { method, params } = message
    const notification: JsonRpcNotification = params === undefined || isObject(params) ? (message as JsonRpcNotification) : { jsonrpc: '2.0', method }
    if (method === 'notifications/progress') onProgress(notification.params ?? {})
    else if (side !== undefined) side.onNotification(notification, related)
    else logger.debug('the server said something before it was ready', { method: method.slice(0, 100), params: JSON.stringify(params ?? null).slice(0, 500) })

    function onRequest(request: JsonRpcRequest): void {
      if (side !== undefined) side.onRequest(request, related)
      else if (request.method === 'ping') link.answer(request.id, { result: {} })
      else link.answer(request.id, { error: { code: METHOD_NOT_FOUND, message: 'the handshake is not done yet' } })
    }
  }
  function onProgress(params: Json): void {
    const id = ownId(params.progressToken)
    const call = id === undefined ? undefined : link.calls.get(id)
    if (call?.caller?.token === undefined) return
    call.renew()
    call.caller.sink.notification({ jsonrpc: '2.0', method: 'notifications/progress', params: { ...params, progressToken: call.caller.token } })
  }

  transport.onMessage = (message, origin) => {
    heardAt = clock.now()
    // A listener that throws must not take the link down with it.
    try {
      receive(message, origin)
    } catch (error) {
      logger.error('handling a message of the server failed', { error: errorMessage(error) })
    }
  }
  transport.onNoise = (text) => {
    heardAt = clock.now()
    // Once, it may be why an answer is missing; a server that always does it must not flood the log.
    logger[noisy ? 'debug' : 'info']('the server wrote something that is no message; more of it is logged at level debug', { text: text.slice(0, 500) })
    noisy = true
  }
  transport.onClose = (error) => {
    if (link.over) return
    side?.close()
    link.end(error)
    resolveClosed(error)
  }

  const onAbort = () => void transport.close().catch(() => {})
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    signal.throwIfAborted()
    await transport.start({ signal })
    const { era, identity } = await negotiate(clock, link, options)
    signal.throwIfAborted()
    link.established = true
    // The question of the other era may still be open, and nobody waits for its answer.
    for (const call of link.calls.all()) call.finish({ failure: new SkeinError('SKEIN_CANCELLED', 'The handshake is over.') })
    const ready = era === '2025' ? createLegacySide(deps, link, { ...options, identity }) : createModernSide(deps, link, { ...options, identity, headers: transport.pid === undefined })
    side = ready
    return {
      era,
      identity,
      pid: transport.pid,
      get heardAt() {
        return heardAt
      },
      call: ready.call,
      request: ready.request,
      subscribe: ready.subscribe,
      setLogLevel: ready.setLogLevel,
      closed,
      close: (how) => transport.close(how)
    }
  } catch (error) {
    const died = options.era === 'auto' && link.over && !signal.aborted && isSkeinError(error, 'SKEIN_OUTCOME_UNKNOWN')
    await transport.close().catch(() => {})
    throw startError(link.error ?? error, died)
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/**
 * True for an error of `openConnection` after which the server was gone although it had been started: some cannot stand a question
 * they do not know. The next attempt should go straight to `2025`.
 */
export function probeDied(error: unknown): boolean {
  return isSkeinError(error) && isObject(error.data) && error.data.probeDied === true
}

/** Whatever went wrong before the first request: nothing has run. */
function startError(error: unknown, died: boolean): SkeinError {
  const data = died ? { data: { probeDied: true } } : {}
  if (!died && isSkeinError(error) && error.code !== 'SKEIN_OUTCOME_UNKNOWN' && error.code !== 'SKEIN_DEADLINE') return error
  const why = isSkeinError(error, 'SKEIN_DEADLINE') ? `it did not answer ${HANDSHAKE_TIMEOUT / 1000} s long. Check that it is an MCP server.` : errorMessage(error).replace(` ${MAY_HAVE_RUN}`, '')
  return new SkeinError('SKEIN_UPSTREAM_DOWN', `The server did not start: ${why}`, { cause: error, ...data })
}
