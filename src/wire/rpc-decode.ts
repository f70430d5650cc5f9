import { errorCodeOf } from '../base/error-codes.ts'
import { SkeinError } from '../base/errors.ts'
import { FLAG_MORE, FLAG_RENEW, HELLO_FIXED, MAX_ATTRIBUTE_BYTES, MAX_DEADLINE_MS, MAX_ERROR_DATA, MAX_FEDERATION_BYTES, MAX_TEXT_BYTES,
  MIN_MAX_FRAME, MIN_WINDOW, OPEN_FIXED, RPC_VERSION, STATUS_ERROR, STATUS_OK, TRACE_BYTES, protocolError,
  type EndHead, type HelloFrame, type OpenHead } from './rpc-frames.ts'

/**
 * Decoders read one frame's payload, `bytes[start..end)`, in place. All throw SKEIN_PROTOCOL with the broken rule;
 * none allocates by a length it has not checked.
 */
export function readU32(bytes: Uint8Array, at: number): number {
  return (((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)) >>> 0
}

function readU16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function readText(bytes: Uint8Array, start: number, end: number, what: string): string {
  try {
    return utf8.decode(bytes.subarray(start, end))
  } catch {
    throw protocolError(`${what} is not UTF-8`)
  }
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

export function readHello(bytes: Uint8Array, start: number, end: number): HelloFrame {
  if (end - start < HELLO_FIXED) throw protocolError(`HELLO has at least ${HELLO_FIXED} bytes`)
  const view = viewOf(bytes)
  const version = view.readUInt16BE(start)
  if (version !== RPC_VERSION) throw protocolError(`HELLO says version ${version}, this node speaks ${RPC_VERSION}`)
  const length = view.readUInt16BE(start + 34)
  if (length > MAX_FEDERATION_BYTES || start + HELLO_FIXED + length > end) throw protocolError('the federation id in HELLO does not fit')
  const hello = {
    version,
    boot: view.readBigUInt64BE(start + 2),
    nonce: view.readBigUInt64BE(start + 10),
    maxFrame: view.readUInt32BE(start + 18),
    window: view.readUInt32BE(start + 22),
    maxConcurrent: view.readUInt32BE(start + 26),
    maxBody: view.readUInt32BE(start + 30),
    federation: readText(bytes, start + HELLO_FIXED, start + HELLO_FIXED + length, 'the federation id in HELLO')
  }
  if (hello.maxFrame < MIN_MAX_FRAME) throw protocolError(`HELLO's max frame is under ${MIN_MAX_FRAME}`)
  if (hello.window < MIN_WINDOW) throw protocolError(`HELLO's window is under ${MIN_WINDOW}`)
  return hello
}

/** Flags of OPEN, MESSAGE, BODY and END; unknown bits are an error, so that they can mean something in a later version. */
export function readFlags(bytes: Uint8Array, start: number, end: number, allowed: number): number {
  if (end - start < 1) throw protocolError('a frame with a body starts with its flags')
  const flags = bytes[start] as number
  if ((flags & ~allowed) !== 0) throw protocolError(`flags ${flags} are unknown here`)
  return flags
}

export const MESSAGE_FLAGS: number = FLAG_MORE | FLAG_RENEW

export function readOpen(bytes: Uint8Array, start: number, end: number): OpenHead {
  if (end - start < OPEN_FIXED) throw protocolError(`OPEN has at least ${OPEN_FIXED} bytes`)
  const flags = readFlags(bytes, start, end, FLAG_MORE)
  const deadline = readU32(bytes, start + 3)
  if (deadline === 0 || deadline > MAX_DEADLINE_MS) throw protocolError(`OPEN's deadline is in 1-${MAX_DEADLINE_MS} ms`)
  const open: OpenHead = {
    more: flags === FLAG_MORE,
    method: readU16(bytes, start + 1),
    deadline,
    header: { hops: bytes[start + 7] as number },
    bodyStart: start + OPEN_FIXED
  }
  const traceAt = start + 8
  for (let at = traceAt; at < traceAt + TRACE_BYTES; at++) {
    if (bytes[at] !== 0) {
      open.header.trace = {
        traceId: new Uint8Array(bytes.subarray(traceAt, traceAt + 16)),
        spanId: new Uint8Array(bytes.subarray(traceAt + 16, traceAt + 24)),
        flags: bytes[traceAt + 24] as number
      }
      break
    }
  }
  const count = bytes[start + 33] as number
  if (count > 0) readAttributes(bytes, end, count, open)
  return open
}

function readAttributes(bytes: Uint8Array, end: number, count: number, open: OpenHead): void {
  const attributes = new Map<number, Uint8Array>()
  const first = open.bodyStart
  let at = first
  for (let index = 0; index < count; index++) {
    if (at + 3 > end) throw protocolError('an attribute runs past its frame')
    const length = readU16(bytes, at + 1)
    const next = at + 3 + length
    if (next > end) throw protocolError('an attribute runs past its frame')
    if (next - first > MAX_ATTRIBUTE_BYTES) throw protocolError(`attributes take at most ${MAX_ATTRIBUTE_BYTES} bytes`)
    if (attributes.has(bytes[at] as number)) throw protocolError('an attribute tag comes twice')
    attributes.set(bytes[at] as number, bytes.subarray(at + 3, next))
    at = next
  }
  open.header.attributes = attributes
  open.bodyStart = at
}

export function readEnd(bytes: Uint8Array, start: number, end: number): EndHead {
  if (end - start < 4) throw protocolError('END has at least 4 bytes')
  const more = readFlags(bytes, start, end, FLAG_MORE) === FLAG_MORE
  const status = bytes[start + 1] as number
  const load = readU16(bytes, start + 2)
  if (status === STATUS_OK) return { more, load, error: undefined, bodyStart: start + 4 }
  if (status !== STATUS_ERROR) throw protocolError(`END's status is 0 or 1, not ${status}`)
  if (more) throw protocolError('an END with an error is one frame')
  if (end - start < 8) throw protocolError('END with an error has at least 8 bytes')
  const length = readU16(bytes, start + 6)
  const dataAt = start + 8 + length
  if (length > MAX_TEXT_BYTES || dataAt > end) throw protocolError("END's message does not fit")
  if (end - dataAt > MAX_ERROR_DATA) throw protocolError(`END's error data takes at most ${MAX_ERROR_DATA} bytes`)
  const message = readText(bytes, start + 8, dataAt, "END's message")
  const error = new SkeinError(errorCodeOf(readU16(bytes, start + 4)), message, { data: readData(bytes, dataAt, end) })
  return { more, load, error, bodyStart: end }
}

function readData(bytes: Uint8Array, start: number, end: number): unknown {
  if (start === end) return undefined
  const text = readText(bytes, start, end, "END's error data")
  try {
    return JSON.parse(text)
  } catch {
    throw protocolError("END's error data is not JSON")
  }
}

export interface CodeAndText {
  code: number
  reason: string
}

export function readCancel(bytes: Uint8Array, start: number, end: number): CodeAndText {
  if (end - start < 2) throw protocolError('CANCEL has at least 2 bytes')
  if (end - start - 2 > MAX_TEXT_BYTES) throw protocolError(`CANCEL's reason takes at most ${MAX_TEXT_BYTES} bytes`)
  return { code: readU16(bytes, start), reason: readText(bytes, start + 2, end, "CANCEL's reason") }
}

export function readGoaway(bytes: Uint8Array, start: number, end: number): CodeAndText & { last: number } {
  if (end - start < 6) throw protocolError('GOAWAY has at least 6 bytes')
  if (end - start - 6 > MAX_TEXT_BYTES) throw protocolError(`GOAWAY's reason takes at most ${MAX_TEXT_BYTES} bytes`)
  return { last: readU32(bytes, start), code: readU16(bytes, start + 4), reason: readText(bytes, start + 6, end, "GOAWAY's reason") }
}

export function readCredit(bytes: Uint8Array, start: number, end: number): number {
  if (end - start !== 4) throw protocolError('CREDIT has 4 bytes')
  const credit = readU32(bytes, start)
  if (credit === 0) throw protocolError('CREDIT grants at least 1')
  return credit
}

/** The eight bytes of a PING or PONG, copied. */
export function readPing(bytes: Uint8Array, start: number, end: number): Uint8Array {
  if (end - start !== 8) throw protocolError('PING and PONG have 8 bytes')
  return new Uint8Array(bytes.subarray(start, end))
}
