import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock, Timer } from '../../../base/clock.ts'
import { responseText, type JsonRpcMessage, type JsonRpcRequest, type Outcome } from '../../../wire/json-rpc.ts'
import { INVALID_REQUEST, METHOD_NOT_FOUND, MISSING_CAPABILITY } from '../../../wire/mcp-spec.ts'
import { accepts, correlationOf } from '../guards.ts'
import type { McpHttpMetrics } from '../metrics.ts'
import type { Link, Sessions } from '../ports.ts'
import { refuse, refuseDraining, sendOutcome, viewMissing } from '../replies.ts'
import { eventText, KEEP_ALIVE, KEEP_ALIVE_EVERY, PLAIN_FOR, startSse, writeSse } from '../sse.ts'

/** Streamable HTTP of 2026-07-28: each request is alone, its connection is its life. */
export interface StatelessEndpoint {
  post(req: IncomingMessage, res: ServerResponse, view: string | undefined, message: JsonRpcMessage): void
  /** Requests and subscriptions whose connection is open. */
  readonly open: number
  /** Ends them all. */
  close(): void
}

/**
 * The HTTP status of an answer that comes alone: a request that was wrong in itself gets one, an error of the called server is
 * content. Only a capability that the client lacks is 400 whoever found out.
 */
export function statusOf(outcome: Outcome, refused: boolean): number {
  if (!('error' in outcome)) return 200
  if (refused) return outcome.error.code === METHOD_NOT_FOUND ? 404 : 400
  return outcome.error.code === MISSING_CAPABILITY ? 400 : 200
}

interface Exchange {
  breathe(now: number): void
  stop(): void
}

/** Plain JSON where the answer is all there is, else an event stream, without ids: there is nothing to come back to. */
export function createStatelessEndpoint(deps: { downstream: Sessions; clock: Clock; metrics: McpHttpMetrics; onSlow: () => void }): StatelessEndpoint {
  const { downstream, onSlow } = deps
  const open = new Set<Exchange>()
  let timer: Timer | undefined

  function tick(): void {
    const now = deps.clock.now()
    for (const exchange of open) exchange.breathe(now)
    timer = open.size > 0 ? deps.clock.after(KEEP_ALIVE_EVERY, tick) : undefined
  }

  function serve(req: IncomingMessage, res: ServerResponse, view: string | undefined, message: JsonRpcRequest): void {
    const accepted = accepts(req.headers.accept)
    const correlation = correlationOf(req.headers['x-correlation-id'])
    const since = deps.clock.now()
    let fresh = true
    let started = false
    let over = false

    function write(text: string): boolean {
      if (over || res.destroyed || !accepted.sse) return false
      if (!started) {
        started = true
        startSse(res)
      }
      return writeSse(res, text, onSlow)
    }
    const exchange: Exchange = {
      breathe(now) {
        if (started || now - since >= PLAIN_FOR) write(KEEP_ALIVE)
      },
      stop() {
        if (over) return
        running.cancel('the node is stopping')
        link.dropped(message.id)
      }
    }
    function finish(): void {
      over = true
      open.delete(exchange)
    }
    const link: Link = {
      send: (message) => write(eventText(JSON.stringify(message))),
      answer(id, outcome, refused) {
        if (over) return false
        let sent = !res.destroyed
        if (sent && !started && accepted.json) sendOutcome(res, id, outcome, statusOf(outcome, refused), fresh)
        else if (sent) {
          sent = write(eventText(responseText(id, outcome)))
          res.end()
        }
        finish()
        return sent
      },
      dropped() {
        if (over) return
        finish()
        if (started) res.end()
        else if (!res.destroyed) res.writeHead(202).end()
      }
    }
    open.add(exchange)
    timer ??= deps.clock.after(KEEP_ALIVE_EVERY, tick)
    let running: { cancel(reason: string): void }
    try {
      running = downstream.stateless(message, { view, link, headers: req.headers, ...(correlation === undefined ? {} : { correlation }) })
    } catch (error) {
      finish()
      throw error
    }
    fresh = false
    if (over) return
    const onGone = () => {
      if (over) return
      finish()
      running.cancel('the client closed the connection')
    }
    if (res.destroyed) onGone()
    else res.on('close', onGone)
  }

  return {
    post(req, res, view, message) {
      if (!('method' in message)) {
        refuse(res, 400, { code: INVALID_REQUEST, message: 'There are no responses in this revision: repeat the request with inputResponses.' })
      } else if (!('id' in message)) {
        // There is nothing to tell: a request is cancelled by closing its connection.
        res.writeHead(202).end()
      } else if (downstream.draining) {
        deps.metrics.refused('draining')
        refuseDraining(res, message.id)
      } else if (downstream.serves(view)) serve(req, res, view, message)
      else refuse(res, 404, viewMissing(view), undefined, message.id)
    },
    get open() {
      return open.size
    },
    close() {
      timer?.cancel()
      timer = undefined
      for (const exchange of open) exchange.stop()
    }
  }
}
