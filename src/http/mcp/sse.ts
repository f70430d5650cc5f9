import type { ServerResponse } from 'node:http'

/**
 * Bytes a client may leave unread before it is closed. Counted before a message is added, so a single large result always
 * gets through; what is bounded is a client that stopped reading.
 */
export const MAX_UNREAD = 4 * 1024 * 1024

export interface SseStream {
  /** False: the client is gone, or was closed because it does not read. */
  send(json: string): boolean
  /** A comment that tells proxies and clients that we are here. */
  keepAlive(): void
  end(): void
}

/** Turns a response into an event stream (WHATWG HTML, section 9.2). Events carry no ids: streams are not resumable. */
export function openSse(res: ServerResponse, headers: Record<string, string>, onSlow: () => void): SseStream {
  res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache, no-transform', 'x-accel-buffering': 'no', ...headers })
  res.flushHeaders()
  // Each event counts when it is written; waiting for the next packet (Nagle) would only delay progress.
  res.socket?.setNoDelay(true)

  function write(text: string): boolean {
    if (res.destroyed || res.writableEnded) return false
    if (res.writableLength > MAX_UNREAD) {
      onSlow()
      res.destroy()
      return false
    }
    res.write(text)
    return true
  }

  return {
    send: (json) => write(`event: message\ndata: ${json}\n\n`),
    keepAlive: () => void write(': keep-alive\n\n'),
    end: () => void res.end()
  }
}
