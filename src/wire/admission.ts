import { errorCodeOf, ERROR_CODES, type ErrorCode } from '../base/error-codes.ts'
import { SkeinError } from '../base/errors.ts'
import { label, MAX_NAME, readCredentialBundle, readPeer, type CredentialBundle } from './admission-documents.ts'
import { decodeCbor, encodeCbor, fields } from './cbor.ts'

/** The messages of /skein/admission/1.0.0 (protocols/admission.md): one request and one answer per stream, each in a frame. */
export type AdmissionRequest =
  /** Shows our credential and asks for the other's: the first thing on every connection. */
  | { kind: 'present'; bundle: CredentialBundle }
  /** Exchanges a token for a credential; `name` is the display name, for the issuer's log. */
  | { kind: 'join'; token: string; name: string }
  /** Exchanges a credential for a newer one. */
  | { kind: 'renew'; bundle: CredentialBundle }
  /** A join handed on to the token's issuer by a member, for `subject`: only over RPC (ADMISSION_REDEEM). */
  | { kind: 'redeem'; subject: string; token: string; name: string }

export type AdmissionAnswer = { ok: true; bundle: CredentialBundle } | { ok: false; code: ErrorCode; message: string }

/** A bundle has at most 9 KiB; the rest is room for later versions. */
export const MAX_ADMISSION_MESSAGE = 64 * 1024
/** Characters of a token's text. */
export const MAX_TOKEN_TEXT = 4096
/** A sentence or two. */
export const MAX_MESSAGE = 512
const LENGTH_BYTES = 4

export function encodeAdmissionRequest(request: AdmissionRequest): Uint8Array {
  return encodeCbor(request)
}

/** Throws SKEIN_PROTOCOL naming the bad field. */
export function decodeAdmissionRequest(bytes: Uint8Array): AdmissionRequest {
  const read = fields(decodeCbor(bytes, { max: MAX_ADMISSION_MESSAGE, what: 'the admission request' }), 'request')
  const kind = read.oneOf('kind', ['present', 'join', 'renew', 'redeem'])
  if (kind === 'present' || kind === 'renew') return { kind, bundle: readCredentialBundle(read.map('bundle')) }
  const join = { token: read.string('token', { max: MAX_TOKEN_TEXT }), name: label(read, 'name', MAX_NAME) }
  return kind === 'join' ? { kind, ...join } : { kind, subject: readPeer(read, 'subject'), ...join }
}

export function encodeAdmissionAnswer(answer: AdmissionAnswer): Uint8Array {
  if (answer.ok) return encodeCbor(answer)
  return encodeCbor({ ok: false, code: ERROR_CODES[answer.code].wire, message: answer.message.slice(0, MAX_MESSAGE) })
}

/** Throws SKEIN_PROTOCOL naming the bad field; a refusal is returned, not thrown. */
export function decodeAdmissionAnswer(bytes: Uint8Array): AdmissionAnswer {
  const read = fields(decodeCbor(bytes, { max: MAX_ADMISSION_MESSAGE, what: 'the admission answer' }), 'answer')
  if (read.bool('ok')) return { ok: true, bundle: readCredentialBundle(read.map('bundle')) }
  // Another machine wrote the sentence, and a person reads it in a terminal.
  const message = read.string('message', { max: MAX_MESSAGE }).replaceAll(/\p{Cc}/gu, ' ')
  return { ok: false, code: errorCodeOf(read.int('code', { max: 0xffff })), message }
}

/** A message as it goes on the stream: its length as an unsigned 32-bit big-endian number, then its bytes. */
export function frameAdmission(message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(LENGTH_BYTES + message.length)
  new DataView(frame.buffer).setUint32(0, message.length)
  frame.set(message, LENGTH_BYTES)
  return frame
}

/** A whole message at the front of what has arrived, or undefined while bytes are missing. Throws SKEIN_PROTOCOL on a length over the limit. */
export function unframeAdmission(received: Uint8Array): Uint8Array | undefined {
  if (received.length < LENGTH_BYTES) return undefined
  const length = new DataView(received.buffer, received.byteOffset).getUint32(0)
  if (length > MAX_ADMISSION_MESSAGE) {
    throw new SkeinError('SKEIN_PROTOCOL', `an admission message of ${length} bytes was announced; at most ${MAX_ADMISSION_MESSAGE} are allowed`)
  }
  if (received.length > LENGTH_BYTES + length) throw new SkeinError('SKEIN_PROTOCOL', 'there are bytes after the admission message')
  return received.length < LENGTH_BYTES + length ? undefined : new Uint8Array(received.subarray(LENGTH_BYTES))
}
