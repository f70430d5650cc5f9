import type { Clock, Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { CallSink, McpOutcome } from '../ports.ts'
import type { JsonRpcId, JsonRpcMessage, JsonRpcRequest } from '../../wire/json-rpc.ts'
import { errorMessage } from '../../base/errors.ts'
import { INTERNAL_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND } from './messages.ts'

/** What a server may ask of a client; anything else has no meaning in this era. */
const CLIENT_METHODS = new Set(['sampling/createMessage', 'elicitation/create', 'roots/list'])

/** A person answers one question at a time; more open ones are a server gone wrong. */
const MAX_WAITING = 64

/** Long enough for a person to read and decide, short enough that a forgotten dialog ends. */
const ANSWER_TIMEOUT = 600_000

export interface ServerRequests {
  handle(request: JsonRpcRequest): void
  /** The server no longer wants this answer. */
  cancelled(id: JsonRpcId): void
  /** Requests that wait for a client: meanwhile no call's time runs. */
  readonly waiting: number
  close(): void
}

/** Answers what the server asks: ping by ourselves, the rest by the client whose call is running, or with an honest error. */
export function createServerRequests(
  deps: { clock: Clock; logger: Logger },
  link: { send(message: JsonRpcMessage): Promise<void>; clientSink(): CallSink | string; onAnswered(): void }
): ServerRequests {
  const waiting = new Map<JsonRpcId, Timer>()

  function answer(id: JsonRpcId, outcome: McpOutcome): void {
    link.send({ jsonrpc: '2.0', id, ...outcome }).catch((error: unknown) => {
      deps.logger.debug('an answer for the server was not delivered', { error: errorMessage(error) })
    })
  }
  function refuse(id: JsonRpcId, code: number, message: string): void {
    answer(id, { error: { code, message } })
  }
  function settle(id: JsonRpcId, outcome: McpOutcome): void {
    const timer = waiting.get(id)
    if (timer === undefined) return
    timer.cancel()
    waiting.delete(id)
    link.onAnswered()
    answer(id, outcome)
  }

  return {
    handle({ id, method, params }) {
      if (method === 'ping') return answer(id, { result: {} })
      if (!CLIENT_METHODS.has(method)) return refuse(id, METHOD_NOT_FOUND, `skein does not offer ${String(method).slice(0, 100)} to servers`)
      const sink = link.clientSink()
      if (typeof sink === 'string') return refuse(id, sink.startsWith('no call') ? INVALID_REQUEST : METHOD_NOT_FOUND, `${method}: ${sink}`)
      if (waiting.size >= MAX_WAITING || waiting.has(id)) return refuse(id, INVALID_REQUEST, 'too many open requests to the client, or an id used twice')
      const late: McpOutcome = { error: { code: INTERNAL_ERROR, message: `The client did not answer within ${ANSWER_TIMEOUT / 1000} s` } }
      waiting.set(id, deps.clock.after(ANSWER_TIMEOUT, () => settle(id, late)))
      sink.request(method, params).then(
        (outcome) => settle(id, outcome),
        (error: unknown) => settle(id, { error: { code: INTERNAL_ERROR, message: `The client did not answer: ${errorMessage(error)}` } })
      )
    },
    cancelled(id) {
      waiting.get(id)?.cancel()
      waiting.delete(id)
    },
    get waiting() {
      return waiting.size
    },
    close() {
      for (const timer of waiting.values()) timer.cancel()
      waiting.clear()
    }
  }
}
