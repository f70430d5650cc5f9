import type { ServerResponse } from 'node:http'
import { sendJson } from './replies.ts'
import { openSse, type SseStream } from './sse.ts'
import type { JsonRpcMessage } from '../../wire/json-rpc.ts'

/** One POSTed request and the way its answer goes back: plain JSON if the answer is all there is, else an event stream. */
export interface Exchange {
  /** Something that goes out before the answer. False: the client is gone or takes no event stream. */
  before(message: JsonRpcMessage): boolean
  answer(message: JsonRpcMessage): boolean
  /** There will be no answer. */
  drop(): void
  /** Still waiting: keeps proxies and clients from giving up on a silent connection. */
  keepAlive(): void
}

export interface ExchangeOptions {
  accepts: { json: boolean; sse: boolean }
  headers: Record<string, string>
  onSlow: () => void
}

export function createExchange(res: ServerResponse, options: ExchangeOptions): Exchange {
  let stream: SseStream | undefined

  function open(): SseStream | undefined {
    if (stream === undefined && options.accepts.sse && !res.destroyed) stream = openSse(res, options.headers, options.onSlow)
    return stream
  }

  return {
    before: (message) => open()?.send(JSON.stringify(message)) ?? false,
    answer(message) {
      if (res.destroyed) return false
      const json = JSON.stringify(message)
      if (stream === undefined && options.accepts.json) {
        sendJson(res, 200, json, options.headers)
        return true
      }
      const sent = open()?.send(json) ?? false
      stream?.end()
      return sent
    },
    drop() {
      // An event stream without an answer is what the specification has for a cancelled request; 202 where there can be none.
      if (open() !== undefined) stream?.end()
      else if (!res.destroyed) res.writeHead(202, options.headers).end()
    },
    keepAlive: () => open()?.keepAlive()
  }
}
