import { HEADER_BYTES, MIN_FRAME, protocolError } from './rpc-frames.ts'
import { readU32 } from './rpc-decode.ts'

/** One frame; the payload is `bytes[start..end)` and must be read or copied before returning if `bytes` may change (ours never do). */
export type FrameHandler = (type: number, id: number, bytes: Uint8Array, start: number, end: number) => boolean

export interface Splitter {
  /** Splits what has arrived; throws SKEIN_PROTOCOL on a length outside 5..max. A handler that returns false stops the splitter for good. */
  push(bytes: Uint8Array): void
  /** Bytes of the unfinished frame held back. */
  readonly held: number
}

const LENGTH_BYTES = 4

/**
 * Cuts a byte stream into frames in place: a frame that lies within one chunk is not copied, and only the unfinished last one is
 * kept. A frame buffer is allocated only after its length was checked against `maxFrame`.
 */
export function createSplitter(maxFrame: number, onFrame: FrameHandler): Splitter {
  /** An unfinished frame, its length field included; undefined between frames. */
  let partial: Uint8Array | undefined
  let filled = 0
  /** How many bytes `partial` needs: 4 until its length is known. */
  let wanted = 0
  let stopped = false

  function checked(length: number): number {
    if (length < MIN_FRAME || length > maxFrame) throw protocolError(`a frame's length is in ${MIN_FRAME}-${maxFrame}, not ${length}`)
    return length
  }

  /** Fills the unfinished frame; returns how many bytes it took. */
  function fill(bytes: Uint8Array): number {
    let at = 0
    while (partial !== undefined && at < bytes.length) {
      const take = Math.min(wanted - filled, bytes.length - at)
      partial.set(bytes.subarray(at, at + take), filled)
      filled += take
      at += take
      if (filled < wanted) break
      if (wanted === LENGTH_BYTES) {
        wanted = LENGTH_BYTES + checked(readU32(partial, 0))
        const grown = new Uint8Array(wanted)
        grown.set(partial)
        partial = grown
      } else {
        const frame = partial
        partial = undefined
        if (!onFrame(frame[4] as number, readU32(frame, 5), frame, HEADER_BYTES, wanted)) stopped = true
      }
    }
    return at
  }

  function keep(bytes: Uint8Array, at: number): void {
    const left = bytes.length - at
    if (left < LENGTH_BYTES) {
      wanted = LENGTH_BYTES
      partial = new Uint8Array(LENGTH_BYTES)
    } else {
      wanted = LENGTH_BYTES + checked(readU32(bytes, at))
      partial = new Uint8Array(wanted)
    }
    partial.set(bytes.subarray(at))
    filled = left
  }

  return {
    push(bytes) {
      let at = partial === undefined ? 0 : fill(bytes)
      const size = bytes.length
      while (!stopped && at < size) {
        if (size - at < HEADER_BYTES) return keep(bytes, at)
        const end = at + LENGTH_BYTES + checked(readU32(bytes, at))
        if (end > size) return keep(bytes, at)
        if (!onFrame(bytes[at + 4] as number, readU32(bytes, at + 5), bytes, at + HEADER_BYTES, end)) stopped = true
        at = end
      }
    },
    get held() {
      return partial === undefined ? 0 : filled
    }
  }
}
