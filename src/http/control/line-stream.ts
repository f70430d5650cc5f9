import type { ServerResponse } from 'node:http'
import type { ControlLine } from '../../wire/control.ts'

/** Unread answer bytes; a reader this far behind gets no more progress (the result always goes out). */
const MAX_UNREAD_BYTES = 1024 * 1024

export interface LineStream {
  /** Aborts when the reader goes away before the last line. */
  readonly signal: AbortSignal
  /** A line on the way; dropped (false) when the reader does not keep up. */
  report(line: ControlLine): boolean
  /** The last line. */
  end(line: ControlLine): void
}

/** A streamed answer: one JSON object a line, the last one a result or an error. */
export function createLineStream(res: ServerResponse): LineStream {
  const controller = new AbortController()
  res.once('close', () => {
    if (!res.writableFinished) controller.abort(new Error('the reader went away'))
  })
  res.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' })
  res.flushHeaders()
  return {
    signal: controller.signal,
    report(line) {
      if (res.writableEnded || res.writableLength >= MAX_UNREAD_BYTES) return false
      res.write(`${JSON.stringify(line)}\n`)
      return true
    },
    end: (line) => void res.end(`${JSON.stringify(line)}\n`)
  }
}
