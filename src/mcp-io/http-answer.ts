import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { createSseParser } from './sse-parser.ts'

/** Where an event stream can be taken up again. */
export interface StreamCursor {
  lastId: string | undefined
  /** What the server asks to wait before that, ms. */
  retry: number | undefined
}

/** A server may ask for patience, but a stream that is taken up again after an hour is of no use to a call. */
const MAX_RETRY = 60_000

/** More does not fit into the headers of a request beside the others. */
const MAX_ID_BYTES = 4_096

/** An id as the header value that says where to go on; undefined if it cannot be one, such as the empty id, which takes the position back. */
function usable(id: string): string | undefined {
  const bytes = Buffer.from(id)
  // Headers are bytes, and so are the characters of a header value in Node.
  return bytes.length === 0 || bytes.length > MAX_ID_BYTES || bytes.some((byte) => (byte < 32 && byte !== 9) || byte === 127) ? undefined : bytes.toString('latin1')
}

/** `text/event-stream` of `Text/Event-Stream; charset=utf-8`. */
export function mediaType(headers: IncomingHttpHeaders): string {
  return (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
}

/** The whole body, without a byte order mark; undefined if it is over `maxBytes`. Rejects when the connection breaks. */
export async function readText(body: IncomingMessage, maxBytes: number): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length
    // Leaving the loop destroys the body.
    if (size > maxBytes) return undefined
    chunks.push(chunk)
  }
  return (chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)).toString('utf8').replace(/^\uFEFF/, '')
}

/**
 * The events of a body until it ends: the data of each message to `onData`, ids and delays into `cursor`. False: an event was over
 * `maxBytes`. Rejects when the connection breaks.
 */
export async function readEvents(body: IncomingMessage, maxBytes: number, cursor: StreamCursor, onData: (data: string) => void): Promise<boolean> {
  const parser = createSseParser(maxBytes, {
    event({ id, type, data }) {
      if (id !== undefined) cursor.lastId = usable(id)
      if (type === 'message' && data !== '') onData(data)
    },
    retry(ms) {
      cursor.retry = Math.min(ms, MAX_RETRY)
    }
  })
  for await (const chunk of body as AsyncIterable<Buffer>) {
    if (!parser.feed(chunk)) return false
  }
  return true
}
