/** Cuts a byte stream at newlines. `feed` returns false when a line is over the limit: nothing more will come out. */
export function createLineSplitter(maxBytes: number, onLine: (line: string) => void): { feed(chunk: Buffer): boolean; end(): void } {
  let parts: Buffer[] = []
  let size = 0
  let overflown = false

  function emit(last: Buffer): void {
    const line = parts.length === 0 ? last : Buffer.concat([...parts, last])
    parts = []
    size = 0
    const text = line.toString('utf8').trim()
    if (text !== '') onLine(text)
  }

  return {
    feed(chunk) {
      let from = 0
      while (!overflown) {
        const at = chunk.indexOf(10, from)
        const end = at < 0 ? chunk.length : at
        if (size + end - from > maxBytes) {
          overflown = true
          parts = []
          break
        }
        if (at < 0) {
          if (from < chunk.length) {
            parts.push(chunk.subarray(from))
            size += chunk.length - from
          }
          break
        }
        emit(chunk.subarray(from, at))
        from = at + 1
      }
      return !overflown
    },
    end() {
      if (size > 0) emit(Buffer.alloc(0))
    }
  }
}
