import type { ServerResponse } from 'node:http'

/**
 * Bytes a client may leave unread before it is closed. Counted before a message is added, so a single large result always
 * gets through; what is bounded is a client that stopped reading.
 */
export const MAX_UNREAD = 4 * 1024 * 1024

/** What is written to the end and not taken for this long, ms, is left to a client that stopped reading, and to nobody's memory. */
const UNREAD_FOR = 60_000

const HEADERS = { 'content-type': 'text/event-stream', 'cache-control': 'no-cache, no-transform', 'x-accel-buffering': 'no' }

/** A comment that tells proxies and clients that we are here. */
export const KEEP_ALIVE = ': keep-alive\n\n'

/** Ms; below the 30 to 60 s after which proxies and phones drop a silent connection. */
export const KEEP_ALIVE_EVERY = 15_000

/**
 * A request that has waited for less, ms, is not turned into an event stream only to be kept alive: most get a plain answer, with
 * its own status. So the first keep-alive comes after 20 s at the latest.
 */
export const PLAIN_FOR = 5000

/** Turns a response into an event stream (WHATWG HTML, section 9.2). Nothing goes out before the first event. */
export function startSse(res: ServerResponse, headers?: Record<string, string>): void {
  res.writeHead(200, headers === undefined ? HEADERS : { ...HEADERS, ...headers })
}

/** One message as an event; with an id, where the stream can be resumed. `json` has no line breaks. */
export function eventText(json: string, id?: string): string {
  return id === undefined ? `event: message\ndata: ${json}\n\n` : `event: message\nid: ${id}\ndata: ${json}\n\n`
}

/** False: the client is gone, or was closed because it does not read. */
export function writeSse(res: ServerResponse, text: string, onSlow: () => void): boolean {
  if (res.destroyed || res.writableEnded) return false
  if (res.writableLength > MAX_UNREAD) {
    onSlow()
    res.destroy()
    return false
  }
  res.write(text)
  return true
}

/** After the last byte of an answer: closes a client that takes nothing more of it. One that reads slowly is left alone. */
export function closeIfUnread(res: ServerResponse, onSlow: () => void, after = UNREAD_FOR): void {
  if (res.writableLength === 0 || res.destroyed) return
  // The socket's own timer sees how much the system still holds; node:http sets it anew for the next request.
  res.setTimeout(after, () => {
    onSlow()
    res.destroy()
  })
}
