import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { HttpAnswer } from './http-client.ts'
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

/**
 * Reads a successful answer to its end: the text of each message to `data`, after `stream` if they come as events. Rejects with a
 * reason where it can be no answer, and when a whole body breaks; an event stream that breaks is one that ended early.
 */
export async function readMessages({ status, headers, body }: HttpAnswer, maxBytes: number, cursor: StreamCursor, on: { stream(): void; data(text: string): void }): Promise<void> {
  const tooLarge = `the server sent a message of over ${maxBytes} bytes`
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') {
    body.destroy()
    throw new Error(`the server compressed its answer (${encoding}), which it was not asked to`)
  }
  const type = mediaType(headers)
  if (type === 'text/event-stream') {
    on.stream()
    // What follows from a broken stream is decided by who called.
    if (!(await readEvents(body, maxBytes, cursor, on.data).catch(() => true))) throw new Error(tooLarge)
    return
  }
  if (type !== 'application/json') {
    body.destroy()
    throw new Error(`the server answered HTTP ${status} with ${type === '' ? 'no content' : type} instead of JSON or an event stream`)
  }
  const text = await readText(body, maxBytes)
  if (text === undefined) throw new Error(tooLarge)
  on.data(text)
}
