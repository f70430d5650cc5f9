import { SkeinError, errorMessage, toSkeinError } from '../../base/errors.ts'
import { isObject } from '../../base/is-object.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { ClientContext, McpRequest, McpRunner } from '../../mcp/ports.ts'
import type { Rpc, ServerExchange } from '../../rpc/types.ts'
import type { Json } from '../../wire/json-rpc.ts'
import { decodeMcpCall, encodeCallEnd, encodeCallMessage, type McpCallClient, type ServerLoad } from '../../wire/mcp-call.ts'
import { METHOD } from '../../wire/protocols.ts'
import { ATTRIBUTE } from '../../wire/rpc-frames.ts'
import { createPeerShare } from './peer-share.ts'

/** A listen is renewed this often: three times in the edge's time limit of a minute, so that one lost renewal changes nothing. */
export const LISTEN_RENEW_MS = 20_000

const LISTEN = 'subscriptions/listen'

/**
 * What nodes run for one another; a closed set, so that no member reaches what a server's own connection is for (`initialize`,
 * `logging/setLevel`).
 */
const METHODS: ReadonlySet<string> = new Set([
  'tools/call', 'tools/list', 'prompts/list', 'prompts/get', 'resources/list', 'resources/templates/list', 'resources/read', 'completion/complete', LISTEN
])

export interface ServeDeps {
  rpc: Rpc
  clock: Clock
  logger: Logger
  /** Runs on this node's own upstreams. */
  local: McpRunner & {
    endSession(session: string): void
    /** What the server has to do now: told with each answer. */
    load?(server: string): ServerLoad | undefined
  }
  /** Whether others may call this here: published, and for tools with the digest they listed. Throws SKEIN_NOT_FOUND. */
  check(server: string, tool: string | undefined, digest: string | undefined): void
}

export interface McpServing {
  /** Ends the listens of other nodes, which would go on for ever: they listen elsewhere. Calls finish by themselves. */
  drain(): void
}

/**
 * The limit of a call runs out at its caller and here at the same time, and the caller's word may be first. The limit here goes first, by so much: what nobody
 * answered in time counts against the server, and what was called off does not, ms.
 */
const LAST_MOMENT_MS = 50

/** The provider's side of protocols/mcp.md: answers other nodes' requests from local upstreams. */
export function serveMcpCalls({ rpc, clock, logger, local, check }: ServeDeps): McpServing {
  const share = createPeerShare()
  /** Bounded by the share of each peer. */
  const listens = new Set<() => void>()
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

  return {
    drain() {
      for (const end of listens) end()
    }
  }

  function serve(exchange: ServerExchange): void {
    const { peer } = exchange
    const { head, params } = decodeMcpCall(exchange.body)
    const { server, method, digest } = head
    const load = () => (head.load === true ? local.load?.(server) : undefined)
    const client = contextOf(head.client)
    if (client.session?.startsWith(`${peer}/`) === false) throw new SkeinError('SKEIN_BAD_REQUEST', 'client.session must begin with the peer id of the calling node')
    if (!METHODS.has(method)) throw new SkeinError('SKEIN_BAD_REQUEST', `nodes do not run ${method.slice(0, 64)} for one another`)
    check(server, method === 'tools/call' ? String(params['name']) : undefined, digest)
    const leave = method === LISTEN ? share.listen(peer, server, watched(params)) : share.enter(peer, server)
    const correlation = Buffer.from(exchange.header.attributes?.get(ATTRIBUTE.CORRELATION) ?? []).toString().slice(0, 128)
    const started = clock.now()
    const request: McpRequest = { server, method, params, client, timeout: exchange.deadline - started, correlation }
    const { trace } = exchange.header
    if (trace !== undefined) request.trace = trace
    const stopRenewing = method === LISTEN ? renewEvery(exchange, clock) : undefined
    const endListen = () => {
      exchange.end(encodeCallEnd({ result: {} }, load()))
      running.cancel('the node is leaving')
    }

    let late: Timer | undefined
    const over = (status: string) => {
      late?.cancel()
      leave()
      stopRenewing?.()
      listens.delete(endListen)
      const fields = { correlation, peer, server, method, status, duration_ms: Math.round(clock.now() - started) }
      // As at the edge: thousands a second that went well are not worth a line each.
      if (status === 'ok') logger.debug('served a call of another node', fields)
      else logger.info('a call of another node failed', fields)
    }
    const running = local.run(request, { notification: (message) => exchange.send(encodeCallMessage(message), { renew: true }) })
    if (method === LISTEN) listens.add(endListen)
    exchange.onCancel(({ message }) => {
      const left = method === LISTEN ? Infinity : exchange.deadline - clock.now()
      if (left > LAST_MOMENT_MS) running.cancel(message)
      else late = clock.after(Math.max(0, left) + LAST_MOMENT_MS, () => running.cancel(message))
    })
    running.outcome
      .then(
        (outcome) => {
          over('error' in outcome ? 'error' : 'ok')
          exchange.end(encodeCallEnd(outcome, load()))
        },
        (error: unknown) => {
          const known = toSkeinError(error)
          over(known.code)
          exchange.fail(known)
        }
      )
      .catch((error: unknown) => {
        logger.error('answering a call failed', { correlation, error: errorMessage(error) })
        exchange.fail(toSkeinError(error))
      })
  }
}

/** Keeps a listen open while nothing is said; returns the way to stop. */
function renewEvery(exchange: ServerExchange, clock: Clock): () => void {
  let timer: Timer
  const next = () => {
    timer = clock.after(LISTEN_RENEW_MS, () => {
      exchange.send(encodeCallMessage(undefined), { renew: true })
      next()
    })
  }
  next()
  return () => timer.cancel()
}

/** How many resources a listen names. */
function watched({ notifications }: Json): number {
  const uris = isObject(notifications) ? notifications['resourceSubscriptions'] : undefined
  return Array.isArray(uris) ? uris.length : 0
}

function contextOf({ session, clientInfo, capabilities, logLevel }: McpCallClient): ClientContext {
  return { session, clientInfo, capabilities, logLevel }
}
