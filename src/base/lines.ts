/** Cuts a byte stream at newlines. */
export interface LineSplitter {
  /** Hands every line that is now complete to `onLine`. False: a line is over the limit, nothing more will come out. */
  feed(chunk: Buffer): boolean
  /** The stream is over: hands out what is left without a newline. */
  end(): void
}

/**
 * Lines as bytes, without their end: a newline byte is never part of another UTF-8 character, so a cut anywhere in the stream
 * harms nothing, and who only passes a line on need not decode it.
 * @param maxBytes of one line: what is kept of an unfinished one is bounded by it
 */
export function createLineSplitter(maxBytes: number, onLine: (line: Buffer) => void): LineSplitter {
  let parts: Buffer[] = []
  let size = 0
  let over = false

  return {
    feed(chunk) {
      for (let from = 0; !over; ) {
        const at = chunk.indexOf(10, from)
        const end = at === -1 ? chunk.length : at
        if (size + end - from > maxBytes) {
          over = true
          parts = []
        } else if (at === -1) {
          if (from < end) parts.push(chunk.subarray(from))
          size += end - from
          break
        } else {
          const last = chunk.subarray(from, at)
          const line = parts.length === 0 ? last : Buffer.concat([...parts, last])
          if (parts.length > 0) parts = []
          size = 0
          from = at + 1
          onLine(line)
        }
      }
      return !over
    },
    end() {
      const rest = parts
      parts = []
      if (size > 0 && !over) onLine(Buffer.concat(rest))
      size = 0
    }
  }
}
