import { ERROR_CODES, type ErrorCode } from '../../src/base/error-codes.ts'
import { SkeinError } from '../../src/base/errors.ts'
import { attributesSize, encodeCancel, encodeCredit, encodeEndError, encodeGoaway, encodeHello, encodePing, writeBody, writeEnd, writeMessage, writeOpen } from '../../src/wire/rpc-encode.ts'
import { MESSAGE_FLAGS, readCancel, readCredit, readEnd, readFlags, readGoaway, readHello, readOpen, readPing } from '../../src/wire/rpc-decode.ts'
import { FLAG_MORE, FLAG_RENEW, FRAME, HEADER_BYTES, RPC_VERSION, type CallHeader } from '../../src/wire/rpc-frames.ts'

export type Fields = Record<string, any>

/** A golden frame of protocols/vectors/rpc: its bytes and what they mean. */
export interface Vector {
  name: string
  hex: string
  fields: Fields
}

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const bytesOf = (hex: unknown) => new Uint8Array(Buffer.from(String(hex ?? ''), 'hex'))

/** Encodes what a vector's fields say. */
export function encodeFields(fields: Fields): Buffer {
  const body = bytesOf(fields['body'])
  const into = Buffer.alloc(200_000)
  const withBody = (at: number) => {
    into.set(body, at)
    return into.subarray(0, at + body.length)
  }
  switch (fields['type']) {
    case 'HELLO':
      return encodeHello({ version: RPC_VERSION, ...(fields as any), boot: BigInt(fields['boot']), nonce: BigInt(fields['nonce']) })
    case 'OPEN': {
      const header: CallHeader = { hops: fields['hops'] }
      if (fields['trace'] !== undefined) header.trace = { traceId: bytesOf(fields['trace'].traceId), spanId: bytesOf(fields['trace'].spanId), flags: fields['trace'].flags }
      if (fields['attributes'] !== undefined) header.attributes = new Map(fields['attributes'].map(([tag, hex]: [number, string]) => [tag, bytesOf(hex)]))
      return withBody(writeOpen(into, 0, fields['id'], fields['more'], fields['method'], fields['deadline'], header, attributesSize(header.attributes), body.length))
    }
    case 'MESSAGE':
      return withBody(writeMessage(into, 0, fields['id'], fields['more'], fields['renew'], body.length))
    case 'BODY':
      return withBody(writeBody(into, 0, fields['id'], fields['more'], body.length))
    case 'END': {
      if (fields['error'] === undefined) return withBody(writeEnd(into, 0, fields['id'], fields['more'], fields['load'], body.length))
      const { code, message, data } = fields['error']
      return encodeEndError(fields['id'], fields['load'], new SkeinError(code as ErrorCode, message, { data }))
    }
    case 'CANCEL':
      return encodeCancel(fields['id'], ERROR_CODES[fields['code'] as ErrorCode].wire, fields['reason'])
    case 'CREDIT':
      return encodeCredit(fields['id'], fields['bytes'])
    case 'GOAWAY':
      return encodeGoaway(fields['last'], fields['code'], fields['reason'])
    default:
      return encodePing(fields['type'] === 'PING' ? FRAME.PING : FRAME.PONG, bytesOf(fields['token']))
  }
}

/** Reads one whole frame into the fields of a vector; throws SKEIN_PROTOCOL. */
export function decodeFields(frame: Uint8Array): Fields {
  const view = Buffer.from(frame.buffer, frame.byteOffset, frame.length)
  const type = view[4] as number
  const id = view.readUInt32BE(5)
  const [start, end] = [HEADER_BYTES, view.length]
  switch (type) {
    case FRAME.HELLO: {
      const { boot, nonce, version: _, ...rest } = readHello(view, start, end)
      return { type: 'HELLO', boot: String(boot), nonce: String(nonce), ...rest }
    }
    case FRAME.OPEN: {
      const open = readOpen(view, start, end)
      const fields: Fields = { type: 'OPEN', id, more: open.more, method: open.method, deadline: open.deadline, hops: open.header.hops }
      const { trace, attributes } = open.header
      if (trace !== undefined) fields['trace'] = { traceId: hexOf(trace.traceId), spanId: hexOf(trace.spanId), flags: trace.flags }
      if (attributes !== undefined) fields['attributes'] = [...attributes].map(([tag, value]) => [tag, hexOf(value)])
      return { ...fields, body: hexOf(view.subarray(open.bodyStart)) }
    }
    case FRAME.MESSAGE: {
      const flags = readFlags(view, start, end, MESSAGE_FLAGS)
      return { type: 'MESSAGE', id, more: (flags & FLAG_MORE) !== 0, renew: (flags & FLAG_RENEW) !== 0, body: hexOf(view.subarray(start + 1)) }
    }
    case FRAME.BODY:
      return { type: 'BODY', id, more: readFlags(view, start, end, FLAG_MORE) !== 0, body: hexOf(view.subarray(start + 1)) }
    case FRAME.END: {
      const { more, load, error, bodyStart } = readEnd(view, start, end)
      if (error === undefined) return { type: 'END', id, more, load, body: hexOf(view.subarray(bodyStart)) }
      const { code, message, data } = error
      return { type: 'END', id, load, error: data === undefined ? { code, message } : { code, message, data } }
    }
    case FRAME.CANCEL: {
      const { code, reason } = readCancel(view, start, end)
      return { type: 'CANCEL', id, code: Object.entries(ERROR_CODES).find(([, entry]) => entry.wire === code)?.[0] ?? String(code), reason }
    }
    case FRAME.CREDIT:
      return { type: 'CREDIT', id, bytes: readCredit(view, start, end) }
    case FRAME.GOAWAY:
      return { type: 'GOAWAY', ...readGoaway(view, start, end) }
    default:
      return { type: type === FRAME.PING ? 'PING' : 'PONG', token: hexOf(readPing(view, start, end)) }
  }
}

/** What the golden frames cover; their bytes are in protocols/vectors/rpc/frames.json. */
export const VECTOR_FIELDS: [string, Fields][] = [
  ['hello', { type: 'HELLO', boot: '1763683200000', nonce: '6148914691236517205', maxFrame: 81920, window: 262144, maxConcurrent: 1024, maxBody: 16777216, federation: 'k7f' }],
  ['open, plain', { type: 'OPEN', id: 1, more: false, method: 1, deadline: 20000, hops: 5, body: '68656c6c6f' }],
  [
    'open with everything, body goes on',
    {
      type: 'OPEN', id: 4_294_967_279, more: true, method: 32, deadline: 1, hops: 0,
      trace: { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7', flags: 1 },
      attributes: [[1, '613262'], [3, ''], [200, 'ff']], body: '00'
    }
  ],
  ['open without a body', { type: 'OPEN', id: 2, more: false, method: 65535, deadline: 86400000, hops: 255, body: '' }],
  ['message', { type: 'MESSAGE', id: 1, more: false, renew: false, body: '7b7d' }],
  ['message, progress', { type: 'MESSAGE', id: 1, more: false, renew: true, body: '' }],
  ['message goes on', { type: 'MESSAGE', id: 3, more: true, renew: true, body: '0102' }],
  ['body goes on', { type: 'BODY', id: 3, more: true, body: '0304' }],
  ['body, last part', { type: 'BODY', id: 3, more: false, body: '05' }],
  ['end', { type: 'END', id: 1, more: false, load: 3, body: '776f726c64' }],
  ['end goes on', { type: 'END', id: 1, more: true, load: 65535, body: 'aa' }],
  ['end, error', { type: 'END', id: 7, load: 0, error: { code: 'SKEIN_NOT_FOUND', message: 'no such server: see skein tools ls' } }],
  ['end, error with data', { type: 'END', id: 7, load: 9, error: { code: 'SKEIN_BUSY', message: 'später', data: { running: 1024 } } }],
  ['cancel', { type: 'CANCEL', id: 5, code: 'SKEIN_CANCELLED', reason: 'the user closed the window' }],
  ['cancel, deadline', { type: 'CANCEL', id: 5, code: 'SKEIN_DEADLINE', reason: '' }],
  ['credit', { type: 'CREDIT', id: 5, bytes: 131104 }],
  ['goaway', { type: 'GOAWAY', last: 41, code: 1, reason: 'stopping' }],
  ['ping', { type: 'PING', token: '0001020304050607' }],
  ['pong', { type: 'PONG', token: '0001020304050607' }]
]
