/** One event of a `text/event-stream`. */
export interface SseEvent {
  /** The event's own id; undefined if it has none. */
  id: string | undefined
  /** `message` unless the server said something else. */
  type: string
  /** Empty for an event that only carries an id. */
  data: string
}

export interface SseParser {
  /** False once an event is over the limit: nothing more will come out. */
  feed(chunk: Buffer): boolean
}

/**
 * Reads an event stream as the WHATWG describes it, with a bound per event. An event that is cut off by the end of the stream is
 * dropped, its id too, so that a resumed stream brings it whole. (A lone CR ends a line only where an LF follows later on.)
 */
export function createSseParser(maxBytes: number, on: { event(event: SseEvent): void; retry(ms: number): void }): SseParser {
  let parts: Buffer[] = []
  /** Bytes of the open line and of the data of the open event. */
  let lineBytes = 0
  let dataBytes = 0
  let overflown = false
  let first = true
  let id: string | undefined
  let type = ''
  let data: string[] = []

  function dispatch(): void {
    const event = { id, type: type === '' ? 'message' : type, data: data.join('\n') }
    const empty = id === undefined && data.length === 0
    id = undefined
    type = ''
    data = []
    dataBytes = 0
    if (!empty) on.event(event)
  }
  function field(name: string, value: string): void {
    if (name === 'data') data.push(value)
    else if (name === 'event') type = value
    else if (name === 'id' && !value.includes('\0')) id = value
    else if (name === 'retry' && /^[0-9]{1,9}$/.test(value)) on.retry(Number(value))
  }
  function takeLine(line: string): void {
    if (line === '') return dispatch()
    const colon = line.indexOf(':')
    if (colon < 0) field(line, '')
    else if (colon > 0) field(line.slice(0, colon), line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1))
  }
  function emit(last: Buffer): void {
    let text = (parts.length === 0 ? last : Buffer.concat([...parts, last])).toString('utf8')
    // Comments are not kept: a server may send nothing else for days.
    if (!text.startsWith(':')) dataBytes += text.length
    parts = []
    lineBytes = 0
    if (first) text = text.replace(/^\uFEFF/, '')
    first = false
    if (text.endsWith('\r')) text = text.slice(0, -1)
    if (text.includes('\r')) text.split('\r').forEach(takeLine)
    else takeLine(text)
  }

  return {
    feed(chunk) {
      let from = 0
      while (!overflown) {
        const at = chunk.indexOf(10, from)
        const end = at < 0 ? chunk.length : at
        if (lineBytes + dataBytes + end - from > maxBytes) {
          overflown = true
          parts = []
          data = []
          break
        }
        if (at < 0) {
          if (from < end) parts.push(chunk.subarray(from))
          lineBytes += end - from
          break
        }
        emit(chunk.subarray(from, at))
        from = at + 1
      }
      return !overflown
    }
  }
}
