import type { Clock } from '../base/clock.ts'
import type { JsonRpcId, JsonRpcRequest, JsonRpcResponse } from '../wire/json-rpc.ts'
import { envelopeVersion } from './rev2026/http-headers.ts'

/** After the answer a server closes the stream; one that does not must not hold a connection for each call. */
const ANSWERED_GRACE = 1_000

/** One request to an HTTP server, from its sending to its answer. */
export interface Exchange {
  readonly request: JsonRpcRequest
  /** Of the era without sessions: its stream is all there is of it. */
  readonly stateless: boolean
  readonly abort: AbortController
  sent: boolean
  /** Its connection is over without an answer. */
  broken: boolean
  /** It is being answered with a stream. */
  streaming: boolean
  answered: boolean
  resolve(): void
  reject(error: Error): void
}

/** The requests that wait for their answers. */
export interface Exchanges {
  readonly size: number
  /** Opens one; `run` carries it out, and its rejection is that of the exchange. Resolves when it is answered. */
  open(request: JsonRpcRequest, run: (exchange: Exchange) => Promise<void>): Promise<void>
  get(id: JsonRpcId): Exchange | undefined
  all(): Iterable<Exchange>
  /** The one that this message answers; `related` is the request on whose stream it came. An error without an id gets that one's. */
  answeredBy(message: JsonRpcResponse, related: JsonRpcId | undefined): Exchange | undefined
  settle(exchange: Exchange): void
  drop(exchange: Exchange, error: Error): void
}

export function createExchanges({ clock }: { clock: Clock }): Exchanges {
  const exchanges = new Map<JsonRpcId, Exchange>()

  function withId({ id }: JsonRpcResponse): Exchange | undefined {
    if (id === null || id === undefined) return undefined
    // Some servers give the id back as a text.
    const number = Number(id)
    return exchanges.get(id) ?? (id === String(number) ? exchanges.get(number) : undefined)
  }
  /** An error without an id can only mean the request it answers. */
  function nameless(message: JsonRpcResponse, related: JsonRpcId | undefined): Exchange | undefined {
    if (related === undefined || message.error === undefined || (message.id !== null && message.id !== undefined)) return undefined
    message.id = related
    return exchanges.get(related)
  }

  return {
    get size() {
      return exchanges.size
    },
    open(request, run) {
      return new Promise((resolve, reject) => {
        const exchange: Exchange = { request, stateless: envelopeVersion(request) !== undefined, abort: new AbortController(), sent: false, broken: false, streaming: false, answered: false, resolve, reject }
        exchanges.set(request.id, exchange)
        run(exchange).catch((error: unknown) => {
          if (exchanges.get(request.id) === exchange) exchanges.delete(request.id)
          // After the answer nobody waits for this any more.
          reject(error)
        })
      })
    },
    get: (id) => exchanges.get(id),
    all: () => exchanges.values(),
    answeredBy: (message, related) => withId(message) ?? nameless(message, related),
    settle(exchange) {
      exchange.answered = true
      exchanges.delete(exchange.request.id)
      exchange.resolve()
      if (exchange.streaming) clock.after(ANSWERED_GRACE, () => exchange.abort.abort())
    },
    drop(exchange, error) {
      exchanges.delete(exchange.request.id)
      exchange.reject(error)
      exchange.abort.abort()
    }
  }
}
