import { isWireAddress, isWireName, MAX_ADDRESS, MAX_ADDRESSES, MAX_CAPACITY, MAX_NAME, MAX_PEER, MAX_SCOPE, readPeer, readServerName } from './catalog-record.ts'
import { decodeCbor, encodeCbor, fields, readInt, readString, type Fields } from './cbor.ts'
import { SkeinError } from '../base/errors.ts'
import { BUCKETS, numbersValue, readNumbers, readRow, rowValue, type BodyReader, type RowNumbers, type SummaryRow } from './summary-row.ts'
import { summaryKey, type FoundTool, type FoundTools, type ResolvedProvider } from './summary-types.ts'

/** One RPC body of the tables, either way. */
export const MAX_SUMMARY_BODY = 1024 * 1024
/** What rows may weigh in one body: the rest is for the map around them. */
export const ROWS_BUDGET = MAX_SUMMARY_BODY - 64 * 1024
/** A row has at least some forty bytes, so that more never fit. */
export const MAX_ROWS = 16_384
/** A name, an @ and a peer id. */
export const MAX_KEY = MAX_NAME + 1 + MAX_PEER
/** Servers that one reader asks for beside what it gets anyway. */
export const MAX_INTEREST = 256
/** Providers in an answer: a call tries fewer. */
export const MAX_RESOLVED = 8
/** On the longest way there is: leaf, local hub, regional hub, and down again, with one to spare (rpc.md). */
export const MAX_RELAYS = 5
/** Nodes that a question has come by: up to the top and down again. */
export const MAX_VISITED = 12
export const MAX_FOUND = 100
export const MAX_QUERY = 256
/** Bytes of one bucket's hash. */
const HASH_BYTES = 6
const MAX_HASH = 2 ** 48 - 1
/** As the longest deadline that a question may have left. */
const MAX_WITHIN_MS = 60_000
const MAX_RTT_MS = 600_000
const DEGREE = 1_000_000
const DIGEST_BYTES = 32

/** `up`: everything below a hub, for the hub above it. `down`: what a member of a pool cannot see in it, from the pool's hub. */
export type Direction = 'up' | 'down'

/** Which table: `up` of the hub of `pool`, or `down` from the hub of `pool`. */
export interface TableName {
  direction: Direction
  pool: string
}

export interface SyncRequest extends TableName {
  /** Fencing number of the lease under which the asked node is hub, as the asking one knows it. */
  token: number
  /** Of the asking node's table. */
  hash: number
  /** Keys that should be in the table although it is cut. Only with `down`. */
  interest: readonly string[]
  /** The rows of these buckets are wanted. Absent: compare. */
  want?: readonly number[]
  /** In order of bucket and key, only what follows this one: the next page. */
  after?: string
}

/**
 * `same`: the hashes agree. `buckets`: they do not, here are those of the buckets. `rows`: of the wanted buckets, until `next` is absent.
 * `later`: the table is not complete yet; keep what you have. `not-mine`: the asked node is not hub there, or knows the asking one as neither
 * its hub nor its child.
 */
export type SyncAnswer = { hash: number } & (
  | { state: 'same' | 'later' | 'not-mine' }
  | { state: 'buckets'; buckets: readonly number[] }
  | { state: 'rows'; rows: readonly SummaryRow[]; next?: string }
)

export interface Changed extends TableName {
  token: number
  /** Of the table before and after. */
  before: number
  after: number
  rows: readonly SummaryRow[]
  removed: readonly string[]
  /** Rows of which only the numbers changed: the reader has their bodies. Readers of earlier versions do not know of these, and compare. */
  numbers: readonly RowNumbers[]
}

export interface ResolveRequest {
  key: string
  /** Only providers that have it, with its digest. */
  tool?: string
  limit: number
  /** Time left, ms. */
  within: number
  /** Do not answer from memory. */
  fresh: boolean
  /** Nodes that are not asked again. */
  visited: readonly string[]
}

/** `partial`: somebody did not answer, so there may be more; without it, no providers means that nobody has it. */
export interface ResolveAnswer {
  providers: ResolvedProvider[]
  partial: boolean
}

export interface SearchRequest {
  query: string
  limit: number
  within: number
  visited: readonly string[]
}

export function encodeSyncRequest({ direction, pool, token, hash, interest, want, after }: SyncRequest): Uint8Array {
  return encodeCbor({ direction, pool, token, hash, interest: interest.length > 0 ? interest : undefined, want: want && Uint8Array.from(want), after })
}

export function decodeSyncRequest(bytes: Uint8Array): SyncRequest {
  const map = fields(decodeCbor(bytes, { max: MAX_SUMMARY_BODY, what: 'the comparison of summaries' }), 'sync')
  const want = map.optionalBytes('want', { max: BUCKETS })
  const after = map.has('after') ? readKey(map.string('after', { max: MAX_KEY }), 'sync.after') : undefined
  return {
    ...readTable(map),
    token: map.int('token'),
    hash: map.int('hash', { max: MAX_HASH }),
    interest: map.optionalArray('interest', { max: MAX_INTEREST }, readKey) ?? [],
    ...(want === undefined ? {} : { want: [...want] }),
    ...(after === undefined ? {} : { after })
  }
}

export function encodeSyncAnswer(answer: SyncAnswer): Uint8Array {
  const { state, hash } = answer
  if (answer.state === 'buckets') return encodeCbor({ state, hash, buckets: packHashes(answer.buckets) })
  if (answer.state === 'rows') return encodeCbor({ state, hash, rows: answer.rows.map(rowValue), next: answer.next })
  return encodeCbor({ state, hash })
}

export function decodeSyncAnswer(bytes: Uint8Array, read?: BodyReader): SyncAnswer {
  const map = fields(decodeCbor(bytes, { max: MAX_SUMMARY_BODY, what: 'the answer about summaries' }), 'answer')
  const state = map.oneOf('state', ['same', 'later', 'not-mine', 'buckets', 'rows'])
  const hash = map.int('hash', { max: MAX_HASH })
  if (state === 'buckets') return { state, hash, buckets: unpackHashes(map.bytes('buckets', { length: BUCKETS * HASH_BYTES })) }
  if (state !== 'rows') return { state, hash }
  const next = map.has('next') ? readKey(map.string('next', { max: MAX_KEY }), 'answer.next') : undefined
  return { state, hash, rows: readRows(map, read), ...(next === undefined ? {} : { next }) }
}

export function encodeChanged({ direction, pool, token, before, after, rows, removed, numbers }: Changed): Uint8Array {
  return encodeCbor({ direction, pool, token, before, after, rows: rows.map(rowValue), removed: [...removed], numbers: numbers.length === 0 ? undefined : numbers.map(numbersValue) })
}

export function decodeChanged(bytes: Uint8Array, read?: BodyReader): Changed {
  const map = fields(decodeCbor(bytes, { max: MAX_SUMMARY_BODY, what: 'the change of a summary' }), 'changed')
  return {
    ...readTable(map),
    token: map.int('token'),
    before: map.int('before', { max: MAX_HASH }),
    after: map.int('after', { max: MAX_HASH }),
    rows: readRows(map, read),
    removed: map.array('removed', { max: MAX_ROWS }, readKey),
    numbers: map.optionalArray('numbers', { max: MAX_ROWS }, (value, path) => readNumbers(value, path, readKey)) ?? []
  }
}

/** What every answer to CHANGED is. */
export function encodeTaken(): Uint8Array {
  return encodeCbor({})
}

export function encodeResolveRequest(request: ResolveRequest): Uint8Array {
  return encodeCbor({ ...request, within: Math.round(request.within), visited: [...request.visited] })
}

export function decodeResolveRequest(bytes: Uint8Array): ResolveRequest {
  const map = fields(decodeCbor(bytes, { max: MAX_SUMMARY_BODY, what: 'the question for providers' }), 'resolve')
  const tool = map.optionalString('tool', { max: MAX_NAME })
  return {
    key: readKey(map.string('key', { max: MAX_KEY }), 'resolve.key'),
    ...(tool === undefined ? {} : { tool }),
    limit: map.int('limit', { min: 1, max: MAX_RESOLVED }),
    within: map.int('within', { max: MAX_WITHIN_MS }),
    fresh: map.bool('fresh'),
    visited: map.array('visited', { max: MAX_VISITED }, readPeer)
  }
}

export function encodeResolveAnswer({ providers, partial }: ResolveAnswer): Uint8Array {
  return encodeCbor({
    partial: partial || undefined,
    providers: providers.map(({ rtt, digest, coordinates, ...rest }) => ({
      ...rest,
      // Rounded up: a way of no time at all would look better than any other.
      rtt: rtt === undefined ? undefined : Math.min(MAX_RTT_MS, Math.max(1, Math.ceil(rtt))),
      digest: digest === undefined ? undefined : fromHex(digest),
      coordinates: coordinates && [Math.round(coordinates.latitude * DEGREE), Math.round(coordinates.longitude * DEGREE)]
    }))
  })
}

export function decodeResolveAnswer(bytes: Uint8Array): ResolveAnswer {
  const map = fields(decodeCbor(bytes, { max: MAX_SUMMARY_BODY, what: 'the answer with providers' }), 'answer')
  return { providers: map.array('providers', { max: MAX_RESOLVED }, readProvider), partial: map.has('partial') && map.bool('partial') }
}

function readProvider(item: unknown, path: string): ResolvedProvider {
  const map = fields(item, path)
  const rtt = map.optionalInt('rtt', { max: MAX_RTT_MS })
  const digest = map.optionalBytes('digest', { length: DIGEST_BYTES })
  const capacity = map.optionalInt('capacity', { min: 1, max: MAX_CAPACITY })
  const at = map.optionalArray('coordinates', { max: 2 }, (value, where) => readInt(value, where, { min: -180 * DEGREE, max: 180 * DEGREE }))
  const [latitude, longitude] = at ?? []
  return {
    peer: readPeer(map.string('peer', { max: MAX_PEER }), `${path}.peer`),
    name: readName(map.string('name', { max: MAX_NAME }), `${path}.name`),
    via: map.array('via', { max: MAX_RELAYS }, readPeer),
    ...(rtt === undefined ? {} : { rtt }),
    ...(digest === undefined ? {} : { digest: toHex(digest) }),
    addresses: map.array('addresses', { max: MAX_ADDRESSES }, readAddress),
    ...(capacity === undefined ? {} : { capacity }),
    ...(latitude === undefined || longitude === undefined ? {} : { coordinates: { latitude: latitude / DEGREE, longitude: longitude / DEGREE } }),
    region: readText(map, 'region', path)
  }
}

export function encodeSearchRequest(request: SearchRequest): Uint8Array {
  return encodeCbor({ ...request, within: Math.round(request.within), visited: [...request.visited] })
}

export function decodeSearchRequest(bytes: Uint8Array): SearchRequest {
  const map = fields(decodeCbor(bytes, { max: MAX_SUMMARY_BODY, what: 'the search' }), 'search')
  return {
    query: map.string('query', { max: MAX_QUERY }),
    limit: map.int('limit', { min: 1, max: MAX_FOUND }),
    within: map.int('within', { max: MAX_WITHIN_MS }),
    visited: map.array('visited', { max: MAX_VISITED }, readPeer)
  }
}

export function encodeSearchAnswer({ tools, partial }: FoundTools): Uint8Array {
  return encodeCbor({ partial: partial || undefined, tools: tools.map(({ digest, ...rest }) => ({ ...rest, digest: fromHex(digest) })) })
}

export function decodeSearchAnswer(bytes: Uint8Array): FoundTools {
  const map = fields(decodeCbor(bytes, { max: MAX_SUMMARY_BODY, what: 'the answer to a search' }), 'answer')
  return { tools: map.array('tools', { max: MAX_FOUND }, readFound), partial: map.has('partial') && map.bool('partial') }
}

function readFound(item: unknown, path: string): FoundTool {
  const tool = fields(item, path)
  const owner = tool.optionalString('owner', { max: MAX_PEER })
  const node = tool.optionalString('node', { max: MAX_NAME })
  const key = readKey(tool.string('key', { max: MAX_KEY }), `${path}.key`)
  const server = readServerName(tool.string('server', { max: MAX_NAME }), `${path}.server`)
  if (key !== summaryKey({ name: server, ...(owner === undefined ? {} : { owner }) })) throw wrong(`${path}.key must be the server and its owner`)
  return {
    key,
    server,
    ...(owner === undefined ? {} : { owner: readPeer(owner, `${path}.owner`) }),
    ...(node === undefined ? {} : { node: readName(node, `${path}.node`) }),
    tool: readName(tool.string('tool', { max: MAX_NAME }), `${path}.tool`),
    digest: toHex(tool.bytes('digest', { length: DIGEST_BYTES })),
    repeatable: tool.bool('repeatable'),
    providers: tool.int('providers', { min: 1 })
  }
}

function readTable(map: Fields): TableName {
  return { direction: map.oneOf('direction', ['up', 'down']), pool: map.string('pool', { max: MAX_SCOPE }) }
}

function readRows(map: Fields, read?: BodyReader): SummaryRow[] {
  return map.array('rows', { max: MAX_ROWS }, (item, path) => readRow(item, path, read))
}

function readKey(value: unknown, path: string): string {
  const key = readString(value, path, { max: MAX_KEY })
  // eslint-disable-next-line no-control-regex
  if (key === '' || /[\u0000-\u001f\u007f]/.test(key)) throw wrong(`${path} must be the key of a server: its name, or name@owner`)
  return key
}

function readName(value: unknown, path: string): string {
  const name = readString(value, path, { max: MAX_NAME })
  if (!isWireName(name)) throw wrong(`${path} must be 1 to ${MAX_NAME} characters without control characters`)
  return name
}

/** As a name, but it may be empty. */
function readText(map: Fields, key: string, path: string): string {
  const text = map.string(key, { max: MAX_NAME })
  return text === '' ? text : readName(text, `${path}.${key}`)
}

function readAddress(value: unknown, path: string): string {
  const address = readString(value, path, { max: MAX_ADDRESS })
  if (!isWireAddress(address)) throw wrong(`${path} must be a multiaddr (/ip4/…/tcp/…)`)
  return address
}

function packHashes(hashes: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(hashes.length * HASH_BYTES)
  hashes.forEach((hash, index) => bytes.writeUIntBE(hash, index * HASH_BYTES, HASH_BYTES))
  return new Uint8Array(bytes)
}

function unpackHashes(bytes: Uint8Array): number[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: BUCKETS }, (_, index) => buffer.readUIntBE(index * HASH_BYTES, HASH_BYTES))
}

function fromHex(digest: string): Uint8Array {
  return new Uint8Array(Buffer.from(digest, 'hex'))
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function wrong(message: string): SkeinError {
  return new SkeinError('SKEIN_PROTOCOL', message)
}
