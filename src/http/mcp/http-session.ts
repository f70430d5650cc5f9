import type { ServerResponse } from 'node:http'
import type { Exchange } from './exchange.ts'
import type { Link, Session, Sessions } from './ports.ts'
import type { JsonRpcId, JsonRpcMessage, JsonRpcRequest } from '../../wire/json-rpc.ts'
import { openSse, type SseStream } from './sse.ts'

export interface HttpSession {
  /** The value of Mcp-Session-Id: a secret of the client, never sent to other nodes. */
  readonly id: string
  readonly view: string | undefined
  /** Monotonic ms of the last request. */
  used: number
  /** Somebody is waiting for something. */
  readonly busy: boolean
  readonly streaming: boolean
  /** False: a request with this id is still running. */
  request(message: JsonRpcRequest, exchange: Exchange, correlation: string | undefined): boolean
  /** A notification or a response of the client. */
  receive(message: JsonRpcMessage): void
  /** Makes `res` the stream for messages of the session itself. */
  stream(res: ServerResponse): void
  keepAlive(): void
  close(reason: string): void
}

export function createHttpSession(
  deps: { downstream: Sessions; onSlow: () => void },
  options: { id: string; view: string | undefined; now: number }
): HttpSession {
  const exchanges = new Map<JsonRpcId, Exchange>()
  let own: SseStream | undefined
  let ownResponse: ServerResponse | undefined

  const link: Link = {
    send(message, related) {
      if (related === undefined) return own?.send(JSON.stringify(message)) ?? false
      const exchange = exchanges.get(related)
      if (exchange === undefined) return false
      if ('method' in message) return exchange.before(message)
      exchanges.delete(related)
      return exchange.answer(message)
    },
    dropped(id) {
      exchanges.get(id)?.drop()
      exchanges.delete(id)
    }
  }
  const session: Session = deps.downstream.open({ view: options.view, transport: 'http', link })

  return {
    id: options.id,
    view: options.view,
    used: options.now,
    get busy() {
      return own !== undefined || exchanges.size > 0 || session.running > 0
    },
    get streaming() {
      return own !== undefined
    },
    request(message, exchange, correlation) {
      if (exchanges.has(message.id)) return false
      exchanges.set(message.id, exchange)
      session.receive(message, correlation === undefined ? {} : { correlation })
      return true
    },
    receive: (message) => session.receive(message),
    stream(res) {
      own = openSse(res, {}, deps.onSlow)
      ownResponse = res
      own.keepAlive()
      res.on('close', () => {
        if (ownResponse === res) own = ownResponse = undefined
      })
      session.streamOpened()
    },
    keepAlive() {
      own?.keepAlive()
      for (const exchange of exchanges.values()) exchange.keepAlive()
    },
    close(reason) {
      session.close(reason)
      for (const exchange of exchanges.values()) exchange.drop()
      exchanges.clear()
      own?.end()
    }
  }
}
