import { SkeinError } from '../base/errors.ts'

/** One message, its length not counted: a digest of 1 400 members, and small enough to leave at once on any stream. */
export const MAX_SWIM_FRAME = 64 * 1024
const LENGTH_BYTES = 4

/** A message as it goes on the stream: its length as an unsigned 32-bit big-endian number, then its bytes. */
export function frameSwim(message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(LENGTH_BYTES + message.length)
  new DataView(frame.buffer).setUint32(0, message.length)
  frame.set(message, LENGTH_BYTES)
  return frame
}

export interface SwimSplitter {
  /**
   * Hands on every message that is complete. Throws SKEIN_PROTOCOL on a length outside 1..MAX_SWIM_FRAME, and what the handler throws;
   * either ends it, and every later push throws the same: where the next message starts is not known any more.
   */
  push(chunk: Uint8Array): void
}

/** Cuts a byte stream into messages. One that lies within a chunk is not copied; room for another is made once its length is known to be allowed. */
export function createSwimSplitter(onMessage: (bytes: Uint8Array) => void): SwimSplitter {
  const header = new Uint8Array(LENGTH_BYTES)
  let headerFilled = 0
  /** An unfinished message; undefined between messages and within a header. */
  let partial: Uint8Array | undefined
  let filled = 0
  let ended: { error: unknown } | undefined

  function checkedLength(): number {
    const length = new DataView(header.buffer).getUint32(0)
    if (length >= 1 && length <= MAX_SWIM_FRAME) return length
    throw new SkeinError('SKEIN_PROTOCOL', `a swim message has 1 to ${MAX_SWIM_FRAME} bytes, not ${length}`)
  }

  /** Takes the bytes from `at` to the end of the next message, as far as they are here; returns where it stopped. */
  function take(chunk: Uint8Array, at: number): number {
    if (partial === undefined) {
      const part = chunk.subarray(at, at + LENGTH_BYTES - headerFilled)
      header.set(part, headerFilled)
      headerFilled += part.length
      at += part.length
      if (headerFilled < LENGTH_BYTES) return at
      const length = checkedLength()
      headerFilled = 0
      if (chunk.length - at >= length) {
        onMessage(chunk.subarray(at, at + length))
        return at + length
      }
      partial = new Uint8Array(length)
      filled = 0
    }
    const part = chunk.subarray(at, at + partial.length - filled)
    partial.set(part, filled)
    filled += part.length
    if (filled === partial.length) {
      const message = partial
      partial = undefined
      onMessage(message)
    }
    return at + part.length
  }

  return {
    push(chunk) {
      if (ended !== undefined) throw ended.error
      try {
        for (let at = 0; at < chunk.length; ) at = take(chunk, at)
      } catch (error) {
        ended = { error }
        partial = undefined
        throw error
      }
    }
  }
}
