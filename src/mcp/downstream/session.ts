import { randomHex } from '../../base/random.ts'
import type { JsonRpcId, JsonRpcNotification, JsonRpcRequest } from '../../wire/json-rpc.ts'
import { INVALID_REQUEST } from '../../wire/mcp-spec.ts'
import { busyProblem } from './calls.ts'
import { MAX_NAMED, toJsonRpcError } from './errors.ts'
import { answer, type Exchange } from './exchange.ts'
import type { OpenRequest, OpenRequests } from './open-requests.ts'
import type { DownstreamSession, SessionDeps, SessionOptions } from './ports.ts'
import { createSessionClient } from './rev2025/client.ts'
import { claimsRevision } from './rev2026/envelope.ts'
import type { Listens } from './rev2026/listens.ts'
import type { StatelessRequests } from './rev2026/requests.ts'

/** Requests of one client waiting for servers at once: more than a model runs in parallel, less than one client needs to fill the node. */
export const MAX_CALLS = 64

/** `subscriptions/listen` of one client: one is enough, so more than a few are a mistake. */
const MAX_SESSION_LISTENS = 64

/**
 * One connection of a client, free of transports: messages in by `receive`, out by the link. Each request is served in the era it
 * speaks: one whose `_meta` names a revision is of the era without sessions, everything else belongs to the session.
 */
export function createDownstreamSession(deps: SessionDeps & { listens: Listens; stateless: StatelessRequests }, options: SessionOptions): DownstreamSession {
  const { view, link, transport } = options
  const id = `${deps.edge}/${randomHex(deps.random, 8)}`
  const all = new Map<JsonRpcId, OpenRequest>()
  let listening = 0
  let closed = false

  const open: OpenRequests = {
    problem: () => busyProblem(deps, all.size - listening, MAX_CALLS, 'This session'),
    opened(request) {
      all.set(request.exchange.request.id, request)
      if (request.kind === 'listen') listening++
    },
    ended(request) {
      if (all.delete(request.exchange.request.id) && request.kind === 'listen') listening--
    }
  }
  const client = createSessionClient(deps, { ...options, id, open })

  function request(message: JsonRpcRequest, correlation: string): void {
    const stateless = claimsRevision(message.params)
    const exchange: Exchange = { request: message, view, link, transport, era: stateless ? '2026' : '2025', session: id, correlation, started: deps.clock.now() }
    try {
      serve(message, exchange, stateless)
    } catch (thrown) {
      // A failure of ours ends one request, never the connection.
      deps.logger.error('serving a request failed', { correlation, error: String(thrown) })
      answer(deps, exchange, { error: toJsonRpcError(thrown) })
    }
  }

  function serve(message: JsonRpcRequest, exchange: Exchange, stateless: boolean): void {
    if (all.has(message.id)) {
      const text = `A request with id ${JSON.stringify(message.id).slice(0, MAX_NAMED)} is still running: use a new id for each request.`
      return answer(deps, exchange, { error: { code: INVALID_REQUEST, message: text } })
    }
    if (!stateless && message.method !== 'server/discover') return client.request(exchange)
    if (message.method === 'subscriptions/listen' && listening >= MAX_SESSION_LISTENS) {
      return answer(deps, exchange, { error: { code: INVALID_REQUEST, message: `This connection already has ${MAX_SESSION_LISTENS} subscriptions/listen open: end some first.` } })
    }
    deps.stateless.serve(exchange, undefined, open)
  }

  function notification(message: JsonRpcNotification): void {
    if (message.method !== 'notifications/cancelled') return client.notification(message)
    const { requestId, reason } = message.params ?? {}
    if (typeof requestId !== 'string' && typeof requestId !== 'number') return
    all.get(requestId)?.cancel(typeof reason === 'string' ? reason.slice(0, 1024) : 'cancelled by the client')
  }

  return {
    id,
    get running() {
      return all.size - listening
    },
    receive(message, { correlation } = {}) {
      if (closed) return
      if (!('method' in message)) client.answered(message)
      else if ('id' in message) request(message, correlation ?? deps.correlation())
      else notification(message)
    },
    streamOpened: client.tellChanges,
    listsChanged: client.tellChanges,
    close(reason) {
      if (closed) return
      closed = true
      for (const one of all.values()) {
        if (deps.draining()) one.stop()
        else one.cancel(reason)
      }
      client.close()
      deps.logger.debug('client session ended', { session: id, reason })
    }
  }
}
