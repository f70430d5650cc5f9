import { MAX_SCOPE } from './catalog-record.ts'

const POOL = 'pool'
const MAJOR = { bytes: 2, text: 3, array: 4, map: 5 } as const

/**
 * The pool that a swim message is for, without reading the rest of it: `pool` is among its first keys, since encoders sort them. Undefined if it has
 * none or is no CBOR map; what is wrong then is for decodeSwimMessageWith to say, which checks everything again. Never throws, allocates a few bytes.
 */
export function poolOf(message: Uint8Array): string | undefined {
  const read = createHeads(message)
  const map = read.head()
  if (map?.major !== MAJOR.map) return undefined
  // More pairs than bytes cannot be.
  for (let left = Math.min(map.value, message.length); left > 0; left--) {
    const key = read.text(POOL.length)
    if (key === undefined) return undefined
    if (key === POOL) return read.text(MAX_SCOPE) || undefined
    if (!read.skip()) return undefined
  }
  return undefined
}

/** Walks over CBOR items without looking into them. */
function createHeads(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0

  /** Type and number of the next item; lengths from 2^32 on and indefinite ones, which no message has, are none. */
  function head(): { major: number; value: number } | undefined {
    if (at >= bytes.length) return undefined
    const first = bytes[at++] as number
    const info = first & 31
    if (info < 24) return { major: first >> 5, value: info }
    const size = info <= 27 ? 2 ** (info - 24) : undefined
    if (size === undefined || at + size > bytes.length) return undefined
    const start = at
    at += size
    if (size === 1) return { major: first >> 5, value: view.getUint8(start) }
    if (size === 2) return { major: first >> 5, value: view.getUint16(start) }
    return { major: first >> 5, value: size === 4 ? view.getUint32(start) : view.getUint32(start) * 2 ** 32 + view.getUint32(start + 4) }
  }

  /** The next item if it is text; '' if it is longer than `max`. */
  function text(max: number): string | undefined {
    const found = head()
    if (found?.major !== MAJOR.text || at + found.value > bytes.length) return undefined
    const start = at
    at += found.value
    return found.value > max ? '' : Buffer.from(bytes.buffer, bytes.byteOffset + start, found.value).toString('utf8')
  }

  /** Over the next item with all that is in it. False at the end of the bytes. */
  function skip(): boolean {
    for (let left = 1; left > 0; left--) {
      const found = head()
      if (found === undefined) return false
      if (found.major === MAJOR.bytes || found.major === MAJOR.text) at += found.value
      if (found.major === MAJOR.array) left += found.value
      if (found.major === MAJOR.map) left += 2 * found.value
    }
    return at <= bytes.length
  }

  return { head, text, skip }
}
