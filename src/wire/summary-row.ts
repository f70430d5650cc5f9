import { createHash } from 'node:crypto'
import { SkeinError } from '../base/errors.ts'
import { isWireName, MAX_NAME, MAX_TOOLS, readServerName } from './catalog-record.ts'
import { decodeCbor, encodeCbor, fields, readArray, readBytes, readInt, readString } from './cbor.ts'
import { keyOfPeerId, peerIdOfKey } from './peer-id.ts'
import { summaryKey, type SummaryServer, type SummaryTool } from './summary-types.ts'

/** One server with its tools: 10 000 of them with names of 27 characters, and it fits into a body of 1 MiB with room around it. */
export const MAX_SERVER_BYTES = 896 * 1024
/** More hubs in between than this cannot be called (five relays), so rows from farther away are not passed on. */
export const MAX_TABLE_HOPS = 8
/** Every node of a federation of the largest size there is, with room. */
const MAX_PROVIDERS = 1_000_000
const MAX_TIMEOUT_MS = 86_400_000
const DIGEST_BYTES = 32
const KEY_BYTES = 32
/** Of SHA-256, as an integer that a double holds. */
const HASH_BYTES = 6
export const BUCKETS = 256
/** Of a row beside its body, with the heads of CBOR, about. */
const NUMBERS_BYTES = 24
/** Names hold no control characters, so this one parts them. */
const SEPARATOR = '\n'
/** Tables hold thousands: what is written once is never changed. */
const NO_EXTRAS: Extras = {}

interface Extras {
  owner?: string
  node?: string
  timeout?: number
  about?: string
}

/** What is the same about a server for all who read of it; encoded once, shared by all tables. */
export interface SummaryBody extends Readonly<Extras> {
  readonly name: string
  readonly key: string
  /** Of the key: 0 to 255. */
  readonly bucket: number
  readonly tools: readonly string[]
  /** 32 bytes for each tool, in the order of `tools`. */
  readonly digests: Uint8Array
  /** One bit for each tool, lowest first. */
  readonly repeatable: Uint8Array
  /** All of the above, encoded. */
  readonly bytes: Uint8Array
  /** SHA-256 of `bytes`. */
  readonly hash: Uint8Array
}

/** One server in one table. */
export interface SummaryRow {
  readonly body: SummaryBody
  readonly claimed: number
  readonly providers: number
  readonly hops: number
  /** Providers of each tool with the digest told; absent: all of `providers`. */
  readonly counts?: readonly number[]
  /** 48 bits of SHA-256 over the body's SHA-256 and the CBOR array of the numbers above: equal rows have equal ones. */
  readonly hash: number
}

export type RowFacts = Omit<SummaryRow, 'hash'>

export function makeRow(facts: RowFacts): SummaryRow {
  const hash = createHash('sha256').update(facts.body.hash).update(encodeCbor(numbers(facts))).digest().readUIntBE(0, HASH_BYTES)
  return { ...facts, hash }
}

/** The bucket of a key: the lowest byte of FNV-1a, 32 bit, over its UTF-8 bytes. */
export function bucketOf(key: string): number {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(key, 'utf8')) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash & 0xff
}

export type BodyFacts = Omit<SummaryServer, 'claimed' | 'providers' | 'hops' | 'tools'> & { tools: readonly Omit<SummaryTool, 'providers'>[] }

/** Tools in the order given: sort them by name, so that equal servers have equal bytes. */
export function makeBody(facts: BodyFacts): SummaryBody {
  const tools = facts.tools.map(({ name }) => name)
  const digests = new Uint8Array(Buffer.concat(facts.tools.map(({ digest }) => Buffer.from(digest, 'hex'))))
  const repeatable = new Uint8Array(Math.ceil(tools.length / 8))
  facts.tools.forEach((tool, index) => {
    if (tool.repeatable) (repeatable[index >> 3] as number) |= 1 << (index & 7)
  })
  const extras: Extras = {
    ...(facts.owner === undefined ? {} : { owner: facts.owner }),
    ...(facts.node === undefined ? {} : { node: facts.node }),
    ...(facts.timeout === undefined ? {} : { timeout: facts.timeout }),
    ...(facts.about === undefined ? {} : { about: facts.about })
  }
  const bytes = encodeCbor([facts.name, tools.join(SEPARATOR), digests, repeatable, ...encodeExtras(extras)])
  return finish({ name: facts.name, tools, digests, repeatable, bytes }, extras)
}

function encodeExtras({ owner, node, timeout, about }: Extras): unknown[] {
  if (owner === undefined && node === undefined && timeout === undefined && about === undefined) return []
  const key = owner === undefined ? undefined : keyOfPeerId(owner)
  if (owner !== undefined && key === undefined) throw wrong(`the owner ${owner} is no Ed25519 peer id`)
  return [{ o: key, n: node, t: timeout, a: about === undefined ? undefined : new Uint8Array(Buffer.from(about, 'hex')) }]
}

function finish(body: Pick<SummaryBody, 'name' | 'tools' | 'digests' | 'repeatable' | 'bytes'>, extras: Extras): SummaryBody {
  const key = summaryKey({ name: body.name, ...extras })
  return { ...extras, ...body, key, bucket: bucketOf(key), hash: new Uint8Array(createHash('sha256').update(body.bytes).digest()) }
}

/** Reads one body. Throws SKEIN_PROTOCOL naming what is wrong. */
export function readBody(bytes: Uint8Array, path = 'server'): SummaryBody {
  const values = readArray(decodeCbor(bytes, { max: MAX_SERVER_BYTES, what: path }), path, { max: 16 }, (value) => value)
  const name = readServerName(values[0], `${path}[0]`)
  const joined = readString(values[1], `${path}[1]`, { max: MAX_SERVER_BYTES })
  const digests = readBytes(values[2], `${path}[2]`, { max: MAX_TOOLS * DIGEST_BYTES })
  const tools = joined === '' ? [] : joined.split(SEPARATOR)
  if (digests.length !== tools.length * DIGEST_BYTES) throw wrong(`${path} has ${tools.length} names of tools, but ${digests.length} bytes of digests`)
  if (!tools.every(isWireName)) throw wrong(`${path}[1] has a name that is not 1 to ${MAX_NAME} characters without control characters`)
  if (new Set(tools).size !== tools.length) throw wrong(`${path}[1] has the same name twice`)
  const repeatable = readBytes(values[3], `${path}[3]`, { length: Math.ceil(tools.length / 8) })
  const extras = values[4] === undefined ? NO_EXTRAS : readExtras(values[4], `${path}[4]`)
  return finish({ name, tools, digests, repeatable, bytes }, extras)
}

function readExtras(value: unknown, path: string): Extras {
  const map = fields(value, path)
  const owner = map.optionalBytes('o', { length: KEY_BYTES })
  const node = map.has('n') ? readName(map.string('n', { max: MAX_NAME }), `${path}.n`) : undefined
  const timeout = map.optionalInt('t', { min: 1, max: MAX_TIMEOUT_MS })
  const about = map.optionalBytes('a', { length: DIGEST_BYTES })
  return {
    ...(owner === undefined ? {} : { owner: peerIdOfKey(owner) }),
    ...(node === undefined ? {} : { node }),
    ...(timeout === undefined ? {} : { timeout }),
    ...(about === undefined ? {} : { about: Buffer.from(about).toString('hex') })
  }
}

function readName(value: unknown, path: string): string {
  const name = readString(value, path, { max: MAX_NAME })
  if (!isWireName(name)) throw wrong(`${path} must be 1 to ${MAX_NAME} characters without control characters`)
  return name
}

/** The numbers of a row, as they stand in front of its body. */
function numbers({ claimed, providers, hops, counts }: Omit<RowFacts, 'body'>): unknown[] {
  return counts === undefined ? [claimed, providers, hops] : [claimed, providers, hops, [...counts]]
}

/** As a value to encode: `[body, claimed, providers, hops, counts?]`. */
export function rowValue(row: SummaryRow): unknown[] {
  return [row.body.bytes, ...numbers(row)]
}

/** Makes bodies of bytes; a simulation may give the same object for the same bytes to all its nodes. */
export type BodyReader = (bytes: Uint8Array, path: string) => SummaryBody

/** A row without its body. */
export type RowNumbers = Omit<RowFacts, 'body'> & { readonly key: string }

/** As a value to encode: `[key, claimed, providers, hops, counts?]`. */
export function numbersValue(row: RowNumbers): unknown[] {
  return [row.key, ...numbers(row)]
}

/** Reads a decoded row. Throws SKEIN_PROTOCOL. */
export function readRow(value: unknown, path: string, read: BodyReader = readBody): SummaryRow {
  const values = readArray(value, path, { max: 16 }, (item) => item)
  const body = read(readBytes(values[0], `${path}[0]`, { max: MAX_SERVER_BYTES }), `${path}[0]`)
  const facts = { body, ...readFacts(values, path) }
  if (!countsEach(facts)) throw wrong(`${path}[4] must have one number for each tool`)
  return makeRow(facts)
}

/** Reads what goes with a body that the reader has. Whether there is a count for each tool is to be seen then: `countsEach`. Throws SKEIN_PROTOCOL. */
export function readNumbers(value: unknown, path: string, readKey: (value: unknown, path: string) => string): RowNumbers {
  const values = readArray(value, path, { max: 16 }, (item) => item)
  return { key: readKey(values[0], `${path}[0]`), ...readFacts(values, path) }
}

function readFacts(values: readonly unknown[], path: string): Omit<RowFacts, 'body'> {
  const providers = readInt(values[2], `${path}[2]`, { min: 1, max: MAX_PROVIDERS })
  const counts = values[4] === undefined ? undefined : readArray(values[4], `${path}[4]`, { max: MAX_TOOLS }, (item, at) => readInt(item, at, { min: 1, max: providers }))
  return {
    claimed: readInt(values[1], `${path}[1]`),
    providers,
    hops: readInt(values[3], `${path}[3]`, { min: 1, max: MAX_TABLE_HOPS }),
    ...(counts === undefined ? {} : { counts })
  }
}

export function countsEach({ body, counts }: RowFacts): boolean {
  return counts === undefined || counts.length === body.tools.length
}

export function sameBody(a: SummaryBody, b: SummaryBody): boolean {
  return a === b || Buffer.compare(a.hash, b.hash) === 0
}

/** Bytes of the row on the wire, about. */
export function rowBytes(row: SummaryRow): number {
  return row.body.bytes.length + NUMBERS_BYTES + countsBytes(row)
}

/** Bytes of its numbers alone on the wire, about. */
export function numbersBytes(row: SummaryRow): number {
  return row.body.key.length + NUMBERS_BYTES + countsBytes(row)
}

function countsBytes({ counts }: Pick<SummaryRow, 'counts'>): number {
  return counts === undefined ? 0 : counts.length * 3
}

/** The digest of a body's tool, lower-case hexadecimal. */
export function digestOf(body: SummaryBody, index: number): string {
  return Buffer.from(body.digests.buffer, body.digests.byteOffset + index * DIGEST_BYTES, DIGEST_BYTES).toString('hex')
}

export function isRepeatable(body: SummaryBody, index: number): boolean {
  return ((body.repeatable[index >> 3] as number) & (1 << (index & 7))) !== 0
}

/** Whole again, for whoever reads it. */
export function serverOf(row: SummaryRow): SummaryServer {
  const { body, claimed, providers, hops, counts } = row
  return {
    name: body.name,
    ...(body.owner === undefined ? {} : { owner: body.owner }),
    ...(body.node === undefined ? {} : { node: body.node }),
    claimed,
    ...(body.timeout === undefined ? {} : { timeout: body.timeout }),
    ...(body.about === undefined ? {} : { about: body.about }),
    providers,
    hops,
    tools: body.tools.map((name, index) => ({ name, digest: digestOf(body, index), repeatable: isRepeatable(body, index), providers: counts?.[index] ?? providers }))
  }
}

function wrong(message: string): SkeinError {
  return new SkeinError('SKEIN_PROTOCOL', message)
}
