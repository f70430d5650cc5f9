import { ERROR_CODES } from '../base/error-codes.ts'
import { SkeinError } from '../base/errors.ts'
import { FLAG_MORE, FLAG_RENEW, FRAME, HEADER_BYTES, HELLO_FIXED, MAX_ATTRIBUTE_BYTES, MAX_ERROR_DATA, MAX_TEXT_BYTES, MIN_FRAME, OPEN_FIXED,
  RPC_VERSION, STATUS_ERROR, STATUS_OK, TRACE_BYTES, DEFAULT_HOPS, type CallHeader, type HelloFrame } from './rpc-frames.ts'

/**
 * Encoders write the head of a frame, body excluded, into `into` at `at` and return where the body goes. `bodyBytes` is how many
 * body bytes of this frame follow. The caller guarantees the room: `HEADER_BYTES` + the payload's fixed part + attributes.
 */
function writeHeader(into: Buffer, at: number, type: number, id: number, payload: number): number {
  const length = payload + MIN_FRAME
  into[at] = length >>> 24
  into[at + 1] = length >>> 16
  into[at + 2] = length >>> 8
  into[at + 3] = length
  into[at + 4] = type
  into[at + 5] = id >>> 24
  into[at + 6] = id >>> 16
  into[at + 7] = id >>> 8
  into[at + 8] = id
  return at + HEADER_BYTES
}

/** Bytes the attributes take in an OPEN. Throws SKEIN_LIMIT when they are too large or a tag does not fit. */
export function attributesSize(attributes: ReadonlyMap<number, Uint8Array> | undefined): number {
  if (attributes === undefined) return 0
  let size = 0
  for (const [tag, value] of attributes) {
    if (!(tag >= 0 && tag <= 255)) throw new SkeinError('SKEIN_LIMIT', `attribute tag ${tag} is not in 0-255: use a smaller one`)
    size += 3 + value.length
  }
  if (size > MAX_ATTRIBUTE_BYTES || attributes.size > 255) {
    throw new SkeinError('SKEIN_LIMIT', `the request's attributes take ${size} bytes, ${MAX_ATTRIBUTE_BYTES} are allowed: put large things into the body`)
  }
  return size
}

export function writeOpen(into: Buffer, start: number, id: number, more: boolean, method: number, deadline: number, header: CallHeader | undefined,
  attributeBytes: number, bodyBytes: number): number {
  const at = writeHeader(into, start, FRAME.OPEN, id, OPEN_FIXED + attributeBytes + bodyBytes)
  into[at] = more ? FLAG_MORE : 0
  into[at + 1] = method >>> 8
  into[at + 2] = method
  into[at + 3] = deadline >>> 24
  into[at + 4] = deadline >>> 16
  into[at + 5] = deadline >>> 8
  into[at + 6] = deadline
  into[at + 7] = header?.hops ?? DEFAULT_HOPS
  const trace = header?.trace
  const traceAt = at + 8
  if (trace === undefined) {
    into.fill(0, traceAt, traceAt + TRACE_BYTES)
  } else {
    into.set(trace.traceId, traceAt)
    into.set(trace.spanId, traceAt + 16)
    into[traceAt + 24] = trace.flags
  }
  const attributes = header?.attributes
  into[at + 33] = attributes === undefined ? 0 : attributes.size
  let next = at + OPEN_FIXED
  if (attributes !== undefined) {
    for (const [tag, value] of attributes) {
      into[next] = tag
      into[next + 1] = value.length >>> 8
      into[next + 2] = value.length
      into.set(value, next + 3)
      next += 3 + value.length
    }
  }
  return next
}

export function writeMessage(into: Buffer, start: number, id: number, more: boolean, renew: boolean, bodyBytes: number): number {
  const at = writeHeader(into, start, FRAME.MESSAGE, id, 1 + bodyBytes)
  into[at] = (more ? FLAG_MORE : 0) | (renew ? FLAG_RENEW : 0)
  return at + 1
}

export function writeBody(into: Buffer, start: number, id: number, more: boolean, bodyBytes: number): number {
  const at = writeHeader(into, start, FRAME.BODY, id, 1 + bodyBytes)
  into[at] = more ? FLAG_MORE : 0
  return at + 1
}

export function writeEnd(into: Buffer, start: number, id: number, more: boolean, load: number, bodyBytes: number): number {
  const at = writeHeader(into, start, FRAME.END, id, 4 + bodyBytes)
  into[at] = more ? FLAG_MORE : 0
  into[at + 1] = STATUS_OK
  into[at + 2] = load >>> 8
  into[at + 3] = load
  return at + 4
}

/** A whole END frame for an error: code, message, data as JSON. Long messages are cut, data over 8 KiB is left out. */
export function encodeEndError(id: number, load: number, error: SkeinError): Buffer {
  const message = cutText(error.message)
  const json = error.data === undefined ? '' : safeJson(error.data)
  const data = Buffer.from(Buffer.byteLength(json) > MAX_ERROR_DATA ? '' : json)
  const frame = Buffer.alloc(HEADER_BYTES + 8 + message.length + data.length)
  const at = writeHeader(frame, 0, FRAME.END, id, frame.length - HEADER_BYTES)
  frame[at + 1] = STATUS_ERROR
  frame.writeUInt16BE(load, at + 2)
  frame.writeUInt16BE(ERROR_CODES[error.code].wire, at + 4)
  frame.writeUInt16BE(message.length, at + 6)
  message.copy(frame, at + 8)
  data.copy(frame, at + 8 + message.length)
  return frame
}

export function encodeHello(hello: HelloFrame): Buffer {
  const federation = Buffer.from(hello.federation)
  const frame = Buffer.alloc(HEADER_BYTES + HELLO_FIXED + federation.length)
  const at = writeHeader(frame, 0, FRAME.HELLO, 0, HELLO_FIXED + federation.length)
  frame.writeUInt16BE(RPC_VERSION, at)
  frame.writeBigUInt64BE(hello.boot, at + 2)
  frame.writeBigUInt64BE(hello.nonce, at + 10)
  frame.writeUInt32BE(hello.maxFrame, at + 18)
  frame.writeUInt32BE(hello.window, at + 22)
  frame.writeUInt32BE(hello.maxConcurrent, at + 26)
  frame.writeUInt32BE(hello.maxBody, at + 30)
  frame.writeUInt16BE(federation.length, at + 34)
  federation.copy(frame, at + HELLO_FIXED)
  return frame
}

export function encodeCancel(id: number, code: number, reason: string): Buffer {
  return codeAndText(FRAME.CANCEL, id, 0, code, reason)
}

export function encodeCredit(id: number, bytes: number): Buffer {
  const frame = Buffer.alloc(HEADER_BYTES + 4)
  frame.writeUInt32BE(bytes, writeHeader(frame, 0, FRAME.CREDIT, id, 4))
  return frame
}

/** @param last the highest exchange id of the receiver's own that was accepted; 0: none */
export function encodeGoaway(last: number, code: number, reason: string): Buffer {
  const frame = codeAndText(FRAME.GOAWAY, 0, 4, code, reason)
  frame.writeUInt32BE(last, HEADER_BYTES)
  return frame
}

/** PING and PONG carry eight bytes that come back unchanged. */
export function encodePing(type: typeof FRAME.PING | typeof FRAME.PONG, token: Uint8Array): Buffer {
  const frame = Buffer.alloc(HEADER_BYTES + 8)
  frame.set(token, writeHeader(frame, 0, type, 0, 8))
  return frame
}

function codeAndText(type: number, id: number, before: number, code: number, text: string): Buffer {
  const bytes = cutText(text)
  const frame = Buffer.alloc(HEADER_BYTES + before + 2 + bytes.length)
  const at = writeHeader(frame, 0, type, id, before + 2 + bytes.length) + before
  frame.writeUInt16BE(code, at)
  bytes.copy(frame, at + 2)
  return frame
}

/** UTF-8 of at most MAX_TEXT_BYTES, cut between characters. */
function cutText(text: string): Buffer {
  const bytes = Buffer.from(text)
  if (bytes.length <= MAX_TEXT_BYTES) return bytes
  let end = MAX_TEXT_BYTES
  while (((bytes[end] as number) & 0xc0) === 0x80) end--
  return bytes.subarray(0, end)
}

function safeJson(data: unknown): string {
  try {
    return JSON.stringify(data) ?? ''
  } catch {
    // Data that is no JSON (a cycle, a bigint) must not turn one error into another.
    return ''
  }
}
