import { createHash } from 'node:crypto'
import { SkeinError } from '../base/errors.ts'
import { canonicalJson } from './canonical-json.ts'
import type { NodeRecord, ServerEntry, ToolEntry } from './catalog-types.ts'
import { decodeCbor, encodeCbor, fields, readArray, readBytes, readInt, readString, type Fields } from './cbor.ts'
import { ENVELOPE_OVERHEAD, openEnvelope, sealEnvelope, type Signer } from './envelope.ts'
import { encodeHub, readHub, TIERS } from './hub-facts.ts'
import { keyOfPeerId } from './peer-id.ts'

/** Signature domain of a node record (protocols/catalog.md). */
export const RECORD_DOMAIN = 'skein/record/1\0'
/** A sealed record: room for 10 000 tools with names of 40 characters, and it fits into one RPC body of 1 MiB with the peers an answer asks for. */
export const MAX_RECORD_BYTES = 896 * 1024
export const MAX_SERVERS = 64
/** Per server, as many as are read of one; the largest public MCP servers have some hundreds. */
export const MAX_TOOLS = 10_000
/** Names of nodes, servers, tools and regions. MCP clients cut tool names at 64. */
export const MAX_NAME = 128
/** Interfaces times transports of one host. */
export const MAX_ADDRESSES = 16
export const MAX_ADDRESS = 256
/** A federation id has 26 characters; pools may get longer names. */
export const MAX_SCOPE = 64
/** Longer than any peer id of ours (52). */
export const MAX_PEER = 64
const DIGEST_BYTES = 32
/** As the longest deadline of an exchange: a day. */
const MAX_TIMEOUT_MS = 86_400_000
/** Calls of one server at a time: as much as the load in an answer can say. */
export const MAX_CAPACITY = 0xffff
/** Coordinates travel as integers, for documents of ours have no floats: millionths of a degree, 11 cm. */
const DEGREE = 1_000_000
/** Bit 0 of a tool's flags. */
const REPEATABLE = 1

/** SHA-256 of the canonical JSON of a tool definition or of what a server says about itself, lower-case hexadecimal. */
export function toolDigest(definition: unknown): string {
  return createHash('sha256').update(canonicalJson(definition)).digest('hex')
}

/** Names end up in terminals and logs: no control characters, not empty, not too long. */
export function isWireName(name: string): boolean {
  // eslint-disable-next-line no-control-regex
  return name.length > 0 && name.length <= MAX_NAME && !/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(name) && name.isWellFormed()
}

/** A server's name; without an @, which in the keys of distant servers stands in front of the owner. Throws SKEIN_PROTOCOL. */
export function readServerName(value: unknown, path: string): string {
  const name = readName(value, path)
  if (name.includes('@')) throw wrong(`${path} must not contain @, which stands between a server and its owner`)
  return name
}

/** Roughly a multiaddr: printable ASCII that starts with a slash; net/ parses it before it dials. */
export function isWireAddress(address: string): boolean {
  return address.length <= MAX_ADDRESS && /^\/[\u0021-\u007e]+$/.test(address)
}

export function encodeRecord(record: NodeRecord): Uint8Array {
  const { coordinates } = record
  return encodeCbor({
    federation: record.federation,
    pool: record.pool,
    peer: record.peer,
    sequence: record.sequence,
    expires: record.expires,
    name: record.name,
    region: record.region,
    tier: record.tier,
    coordinates: coordinates && [Math.round(coordinates.latitude * DEGREE), Math.round(coordinates.longitude * DEGREE)],
    addresses: record.addresses,
    draining: record.draining,
    hub: record.hub && encodeHub(record.hub),
    servers: record.servers.map(encodeServer)
  })
}

function encodeServer({ about, ...server }: ServerEntry): Record<string, unknown> {
  return { ...server, ...(about === undefined ? {} : { about: digestBytes(about) }), tools: server.tools.map(encodeTool) }
}

/** Three values instead of a map: tools are most of a record. */
function encodeTool(tool: ToolEntry): unknown[] {
  return [tool.name, digestBytes(tool.digest), tool.repeatable ? REPEATABLE : 0]
}

function digestBytes(digest: string): Uint8Array {
  return new Uint8Array(Buffer.from(digest, 'hex'))
}

/** Throws SKEIN_PROTOCOL naming the field that is wrong. */
export function decodeRecord(payload: Uint8Array): NodeRecord {
  const map = fields(decodeCbor(payload, { max: MAX_RECORD_BYTES, what: 'the record' }), 'record')
  const coordinates = readCoordinates(map)
  const servers = map.array('servers', { max: MAX_SERVERS }, readServer)
  requireUnique(servers, 'record.servers')
  return {
    federation: map.string('federation', { max: MAX_SCOPE }),
    pool: map.string('pool', { max: MAX_SCOPE }),
    peer: readPeer(map.string('peer', { max: MAX_PEER }), 'record.peer'),
    sequence: map.int('sequence'),
    expires: map.int('expires'),
    name: readName(map.string('name', { max: MAX_NAME }), 'record.name'),
    region: readRegion(map),
    tier: map.oneOf('tier', TIERS),
    ...(coordinates && { coordinates }),
    addresses: map.array('addresses', { max: MAX_ADDRESSES }, (item, path) => readAddress(item, path)),
    draining: map.bool('draining'),
    ...(map.has('hub') ? { hub: readHub(map.map('hub')) } : {}),
    servers
  }
}

function readServer(item: unknown, path: string): ServerEntry {
  const map = fields(item, path)
  const tools = map.array('tools', { max: MAX_TOOLS }, readTool)
  const timeout = map.optionalInt('timeout', { min: 1, max: MAX_TIMEOUT_MS })
  const capacity = map.optionalInt('capacity', { min: 1, max: MAX_CAPACITY })
  const about = map.optionalBytes('about', { length: DIGEST_BYTES })
  requireUnique(tools, `${path}.tools`)
  return {
    name: readServerName(map.string('name', { max: MAX_NAME }), `${path}.name`),
    claimed: map.int('claimed'),
    stateless: map.bool('stateless'),
    ...(timeout === undefined ? {} : { timeout }),
    ...(capacity === undefined ? {} : { capacity }),
    ...(about === undefined ? {} : { about: Buffer.from(about).toString('hex') }),
    tools
  }
}

function readTool(item: unknown, path: string): ToolEntry {
  // Later versions may add values; eight is room for five.
  const values = readArray(item, path, { max: 8 }, (value) => value)
  const digest = readBytes(values[1], `${path}[1]`, { length: DIGEST_BYTES })
  const flags = readInt(values[2], `${path}[2]`)
  return {
    name: readName(values[0], `${path}[0]`),
    digest: Buffer.from(digest).toString('hex'),
    repeatable: flags % 2 === REPEATABLE
  }
}

function readName(value: unknown, path: string): string {
  const name = readString(value, path, { max: MAX_NAME })
  if (!isWireName(name)) throw wrong(`${path} must be 1 to ${MAX_NAME} characters without control characters`)
  return name
}

function readRegion(map: Fields): string {
  const region = map.string('region', { max: MAX_NAME })
  return region === '' ? region : readName(region, 'record.region')
}

function readAddress(item: unknown, path: string): string {
  const address = readString(item, path, { max: MAX_ADDRESS })
  if (!isWireAddress(address)) throw wrong(`${path} must be a multiaddr such as /ip4/192.0.2.1/tcp/4001`)
  return address
}

/** A peer id as text; the only spelling of an Ed25519 key. */
export function readPeer(value: unknown, path: string): string {
  const peer = readString(value, path, { max: MAX_PEER })
  if (keyOfPeerId(peer) === undefined) throw wrong(`${path} must be an Ed25519 peer id in base58 (12D3Koo…)`)
  return peer
}

function readCoordinates(map: Fields): { latitude: number; longitude: number } | undefined {
  const pair = map.optionalArray('coordinates', { max: 2 }, (item, path) => {
    const limit = (path.endsWith('[0]') ? 90 : 180) * DEGREE
    return readInt(item, path, { min: -limit, max: limit })
  })
  if (pair === undefined) return undefined
  const [latitude, longitude] = pair
  if (latitude === undefined || longitude === undefined) throw wrong('record.coordinates must be [latitude, longitude]')
  return { latitude: latitude / DEGREE, longitude: longitude / DEGREE }
}

function requireUnique(items: readonly { name: string }[], path: string): void {
  if (new Set(items.map((item) => item.name)).size !== items.length) throw wrong(`${path} has the same name twice`)
}

/** Throws SKEIN_LIMIT when the record is too large: drop tools or servers and try again. */
export function sealRecord(record: NodeRecord, signer: Signer): Uint8Array {
  const payload = encodeRecord(record)
  if (payload.length + ENVELOPE_OVERHEAD > MAX_RECORD_BYTES) {
    throw new SkeinError('SKEIN_LIMIT', `the record of this node has ${payload.length} bytes; at most ${MAX_RECORD_BYTES} are allowed: expose fewer tools`)
  }
  return sealEnvelope(RECORD_DOMAIN, payload, signer)
}

/** Checks the signature and that the signer is the node the record speaks for. Throws SKEIN_PROTOCOL. */
export function openRecord(bytes: Uint8Array): NodeRecord {
  const { payload, signer } = openEnvelope(RECORD_DOMAIN, bytes, { max: MAX_RECORD_BYTES })
  const record = decodeRecord(payload)
  if (record.peer !== signer) throw wrong(`record.peer is ${record.peer}, but ${signer} signed it: a node writes its own record only`)
  return record
}

function wrong(message: string): SkeinError {
  return new SkeinError('SKEIN_PROTOCOL', message)
}
