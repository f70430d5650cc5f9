import { readFileSync } from 'node:fs'
import {
  decodeDefinitionsAnswer, decodeDefinitionsRequest, decodeDigestAnswer, decodeDigestRequest, decodeGossip, decodePush,
  encodeDefinitionsAnswer, encodeDefinitionsRequest, encodeDigestAnswer, encodeDigestRequest, encodeGossip, encodePush
} from '../../src/wire/catalog.ts'
import { decodeRecord, encodeRecord, openRecord } from '../../src/wire/catalog-record.ts'

export interface Vector {
  kind: string
  name: string
  /** Bytes appear as `{ "hex": "…" }`. */
  value: unknown
  hex: string
}

/** Every message of protocols/catalog.md by its kind in protocols/vectors/catalog/messages.json. */
export const CODECS: Record<string, { decode: (bytes: Uint8Array) => unknown; encode?: (value: never) => Uint8Array }> = {
  record: { decode: decodeRecord, encode: encodeRecord },
  'sealed-record': { decode: openRecord },
  gossip: { decode: decodeGossip, encode: encodeGossip },
  'digest-request': { decode: decodeDigestRequest, encode: encodeDigestRequest },
  'digest-answer': { decode: decodeDigestAnswer, encode: encodeDigestAnswer },
  push: { decode: decodePush, encode: encodePush },
  'definitions-request': { decode: decodeDefinitionsRequest, encode: encodeDefinitionsRequest },
  'definitions-answer': { decode: decodeDefinitionsAnswer, encode: encodeDefinitionsAnswer }
}

export function readVectors(): Vector[] {
  const url = new URL('../../protocols/vectors/catalog/messages.json', import.meta.url)
  return (JSON.parse(readFileSync(url, 'utf8')) as { vectors: Vector[] }).vectors
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** Byte strings as JSON shows them. */
export function toJson(value: unknown): unknown {
  if (value instanceof Uint8Array) return { hex: hexOf(value) }
  if (Array.isArray(value)) return value.map(toJson)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toJson(item)]))
}

export function fromJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromJson)
  if (typeof value !== 'object' || value === null) return value
  if ('hex' in value && typeof value.hex === 'string') return new Uint8Array(Buffer.from(value.hex, 'hex'))
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fromJson(item)]))
}
