import { MAX_PEER, MAX_RECORD_BYTES, MAX_SCOPE, readPeer } from './catalog-record.ts'
import { decodeCbor, encodeCbor, fields, readArray, readBytes, readInt, type Fields } from './cbor.ts'

/** Gossipsub's usual limit for one message; what is larger is announced and fetched. */
export const MAX_GOSSIP_BYTES = 64 * 1024
/** One RPC body of the catalog, either way. */
export const MAX_BODY_BYTES = 1024 * 1024
/** Records in a digest: more than twice what a node keeps. */
export const MAX_DIGEST_ENTRIES = 10_000
/** Records in one answer or push: smaller ones than this average are rare. */
export const MAX_RECORDS_PER_BODY = 4_096
export const MAX_DEFINITIONS_PER_REQUEST = 500
/** Hubs between two leaves of a tree with three tiers of hubs, and one more for a leaf that answers; also what ends a loop. */
export const MAX_DEFINITION_HOPS = 6
/** One tool definition as canonical JSON; the largest seen in public servers have about 30 KiB. */
export const MAX_DEFINITION_BYTES = 256 * 1024
/** CBOR around the records or definitions of one body: map, keys, flag. */
const BODY_OVERHEAD = 256
/** What the content of one answer or push may weigh in total, bytes; each item counts ITEM_OVERHEAD more. */
const BODY_BUDGET = MAX_BODY_BYTES - BODY_OVERHEAD
/** CBOR heads around one record or definition, at most. */
export const ITEM_OVERHEAD = 48
const DIGEST_BYTES = 32

/** The federation and pool that a message belongs to. */
export interface Scope {
  federation: string
  pool: string
}

/** A sealed record, or only the news that there is one. */
export type GossipMessage = Scope & ({ record: Uint8Array } | { peer: string; sequence: number })

export interface DigestRequest extends Scope {
  /** Everything the sender holds, its own record included. */
  entries: { peer: string; sequence: number }[]
}

export interface DigestAnswer {
  /** Sealed records that are newer than, or missing from, the request's entries. */
  records: Uint8Array[]
  /** Peers whose records the request lists newer than the answerer holds them: push them. */
  wanted: string[]
  /** The body was full: ask again with a new digest. */
  more: boolean
}

export interface PushRequest extends Scope {
  records: Uint8Array[]
}

export interface DefinitionsRequest {
  /** Lower-case hexadecimal. */
  digests: string[]
  /** How many nodes may ask another one for what they lack, one after the other, at most MAX_DEFINITION_HOPS. @default 0: nobody */
  hops?: number
}

export interface DefinitionsAnswer {
  /** The canonical JSON of a definition; its SHA-256 is the digest. Digests the answerer does not have are left out. */
  definitions: { digest: string; json: Uint8Array }[]
  /** The body was full: ask again for what is missing. */
  more: boolean
}

export function encodeGossip(message: GossipMessage): Uint8Array {
  const { federation, pool } = message
  return encodeCbor('record' in message ? { federation, pool, record: message.record } : { federation, pool, peer: message.peer, sequence: message.sequence })
}

export function decodeGossip(bytes: Uint8Array): GossipMessage {
  const map = fields(decodeCbor(bytes, { max: MAX_GOSSIP_BYTES, what: 'the gossip message' }), 'gossip')
  const scope = readScope(map)
  if (map.has('record')) return { ...scope, record: map.bytes('record', { max: MAX_GOSSIP_BYTES }) }
  return { ...scope, peer: readPeer(map.string('peer', { max: MAX_PEER }), 'gossip.peer'), sequence: map.int('sequence') }
}

export function encodeDigestRequest({ federation, pool, entries }: DigestRequest): Uint8Array {
  return encodeCbor({ federation, pool, entries: entries.map(({ peer, sequence }) => [peer, sequence]) })
}

export function decodeDigestRequest(bytes: Uint8Array): DigestRequest {
  const map = fields(decodeCbor(bytes, { max: MAX_BODY_BYTES, what: 'the catalog digest' }), 'digest')
  const entries = map.array('entries', { max: MAX_DIGEST_ENTRIES }, (item, path) => {
    const [peer, sequence] = readArray(item, path, { max: 8 }, (value) => value)
    return { peer: readPeer(peer, `${path}[0]`), sequence: readInt(sequence, `${path}[1]`) }
  })
  return { ...readScope(map), entries }
}

export function encodeDigestAnswer({ records, wanted, more }: DigestAnswer): Uint8Array {
  return encodeCbor({ records, wanted, more })
}

export function decodeDigestAnswer(bytes: Uint8Array): DigestAnswer {
  const map = fields(decodeCbor(bytes, { max: MAX_BODY_BYTES, what: 'the answer to a catalog digest' }), 'answer')
  return { records: readRecords(map), wanted: map.array('wanted', { max: MAX_DIGEST_ENTRIES }, readPeer), more: map.bool('more') }
}

export function encodePush({ federation, pool, records }: PushRequest): Uint8Array {
  return encodeCbor({ federation, pool, records })
}

export function decodePush(bytes: Uint8Array): PushRequest {
  const map = fields(decodeCbor(bytes, { max: MAX_BODY_BYTES, what: 'the pushed records' }), 'push')
  return { ...readScope(map), records: readRecords(map) }
}

export function encodeDefinitionsRequest({ digests, hops }: DefinitionsRequest): Uint8Array {
  return encodeCbor({ digests: digests.map(fromHex), ...(hops === undefined ? {} : { hops }) })
}

export function decodeDefinitionsRequest(bytes: Uint8Array): DefinitionsRequest {
  const map = fields(decodeCbor(bytes, { max: MAX_BODY_BYTES, what: 'the request for definitions' }), 'definitions')
  const hops = map.optionalInt('hops')
  const digests = map.array('digests', { max: MAX_DEFINITIONS_PER_REQUEST }, readDigest)
  return { digests, ...(hops === undefined ? {} : { hops: Math.min(hops, MAX_DEFINITION_HOPS) }) }
}

export function encodeDefinitionsAnswer({ definitions, more }: DefinitionsAnswer): Uint8Array {
  return encodeCbor({ definitions: definitions.map(({ digest, json }) => [fromHex(digest), json]), more })
}

export function decodeDefinitionsAnswer(bytes: Uint8Array): DefinitionsAnswer {
  const map = fields(decodeCbor(bytes, { max: MAX_BODY_BYTES, what: 'the answer with definitions' }), 'definitions')
  const definitions = map.array('definitions', { max: MAX_DEFINITIONS_PER_REQUEST }, (item, path) => {
    const [digest, json] = readArray(item, path, { max: 8 }, (value) => value)
    return { digest: readDigest(digest, `${path}[0]`), json: readBytes(json, `${path}[1]`, { max: MAX_DEFINITION_BYTES }) }
  })
  return { definitions, more: map.bool('more') }
}

function readScope(map: Fields): Scope {
  return { federation: map.string('federation', { max: MAX_SCOPE }), pool: map.string('pool', { max: MAX_SCOPE }) }
}

function readRecords(map: Fields): Uint8Array[] {
  return map.array('records', { max: MAX_RECORDS_PER_BODY }, (item, path) => readBytes(item, path, { max: MAX_RECORD_BYTES }))
}

function readDigest(value: unknown, path: string): string {
  return Buffer.from(readBytes(value, path, { length: DIGEST_BYTES })).toString('hex')
}

function fromHex(digest: string): Uint8Array {
  return new Uint8Array(Buffer.from(digest, 'hex'))
}

/** How many of `sizes`, in order, fit into one body. */
export function fitBody(sizes: readonly number[]): number {
  let left = BODY_BUDGET
  let count = 0
  for (const size of sizes) {
    left -= size + ITEM_OVERHEAD
    if (left < 0) break
    count++
  }
  return count
}
