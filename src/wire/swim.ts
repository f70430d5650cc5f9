import { SkeinError, toSkeinError } from '../base/errors.ts'
import { decodeCbor, encodeCbor, fields, readBytes, type Fields } from './cbor.ts'
import { packCoordinates, unpackCoordinates, type NetworkCoordinates } from './coordinates.ts'
import { KEY_BYTES } from './envelope.ts'
import { packEntries, packPeers, unpackEntries, unpackPeers } from './swim-digest.ts'
import { frameSwim, MAX_SWIM_FRAME } from './swim-frames.ts'
import { COMPUTED_PEER_KEYS, type PeerKeys } from './swim-peers.ts'
import type { StatementReader } from './swim-reader.ts'
import { checkScope, MAX_STATEMENT_BYTES, openStatement } from './swim-statements.ts'
import type { Sealed, SwimMessage, SwimMessageKind, SwimScope } from './swim-types.ts'

/** The messages of /skein/swim/1.0.0 (protocols/swim.md): maps in CBOR, one in a frame. */

/** News on any message but `state`; what does not fit goes with the next, some 100 ms later. */
export const MAX_UPDATES = 16
/** What that news may weigh, bytes: some eight members with their credentials. */
export const MAX_UPDATES_BYTES = 8 * 1024
/** A frame full of small statements (some 250 bytes each). */
export const MAX_STATE_UPDATES = 256
/** Members of one digest: 40 bytes each, beside the news that any message may carry. */
export const MAX_DIGEST_ENTRIES = 1_400
/** Longest time that a relay may be given, ms: a probe of the slowest profile, slowed down by the worst health, hardly takes more. Longer ones are sent as this. */
export const MAX_WITHIN = 60_000
export const MAX_NONCE = 2 ** 32 - 1
/** Of coordinates; the present version has 45 bytes, later ones may have more. */
export const MAX_COORDINATES = 256
/** 16 bytes are used; a later version may send all of a SHA-256. */
export const MAX_HASH = 32
const KINDS = ['ping', 'ack', 'ping-req', 'nack', 'gossip', 'sync', 'same', 'digest', 'state'] as const satisfies readonly SwimMessageKind[]

export interface DecodeSwimOptions {
  /** Opens updates; one that remembers saves most of the work. @default openStatement, anew each time */
  statements?: Pick<StatementReader, 'open'>
  /** @default computed each time */
  peers?: PeerKeys
}

export interface DecodedSwim {
  message: SwimMessage
  /** Why updates or coordinates were left out, one error each; `data.reason` is `foreign` or `forged` for some. */
  dropped: SkeinError[]
}

/** With its length, ready for the stream. Throws SKEIN_LIMIT if it does not fit into a frame, SKEIN_PROTOCOL for peers that are none. */
export function encodeSwimFrame(scope: SwimScope, message: SwimMessage, { peers = COMPUTED_PEER_KEYS }: { peers?: PeerKeys } = {}): Uint8Array {
  const { updates, ...rest } = message
  const max = maxUpdates(message.kind)
  if (updates.length > max) throw new SkeinError('SKEIN_LIMIT', `a swim ${message.kind} carries at most ${max} updates, not ${updates.length}: send the rest in another`)
  const body: Record<string, unknown> = { federation: scope.federation, pool: scope.pool, ...rest }
  if ('target' in message) body['target'] = packPeers([message.target], peers)
  // A relay that answers earlier than it might is better than one that does not understand.
  if ('within' in message) body['within'] = Math.min(message.within, MAX_WITHIN)
  if ('coordinates' in message && message.coordinates !== undefined) body['coordinates'] = packCoordinates(message.coordinates)
  if ('entries' in message) body['entries'] = packEntries(message.entries, peers)
  if ('want' in message) body['want'] = packPeers(message.want, peers)
  if (updates.length > 0) body['updates'] = updates.map(({ bytes }) => bytes)
  const bytes = encodeCbor(body)
  if (bytes.length > MAX_SWIM_FRAME) {
    throw new SkeinError('SKEIN_LIMIT', `a swim ${message.kind} of ${bytes.length} bytes does not fit into a frame of ${MAX_SWIM_FRAME}: send it in parts`)
  }
  return frameSwim(bytes)
}

/** The message of decodeSwimMessageWith alone. */
export function decodeSwimMessage(bytes: Uint8Array, scope: SwimScope, options: DecodeSwimOptions = {}): SwimMessage {
  return decodeSwimMessageWith(bytes, scope, options).message
}

/**
 * A message without its length. Throws SKEIN_PROTOCOL naming the bad field; `data.reason` is `foreign` if it is for another federation
 * or pool, and `kind` if a later version may know what it is. Updates and coordinates that cannot be read are left out and do not spoil the rest.
 * No signature is checked here.
 */
export function decodeSwimMessageWith(bytes: Uint8Array, scope: SwimScope, { statements, peers = COMPUTED_PEER_KEYS }: DecodeSwimOptions = {}): DecodedSwim {
  const read = fields(decodeCbor(bytes, { max: MAX_SWIM_FRAME, what: 'the swim message' }), 'message')
  checkScope(read, scope, 'message')
  const kind = readKind(read)
  const dropped: SkeinError[] = []
  const updates: Sealed[] = []
  const open = (update: Uint8Array) => (statements === undefined ? openStatement(update, scope, peers) : statements.open(update))
  read.optionalArray('updates', { max: maxUpdates(kind) }, (item, path) => {
    try {
      updates.push(open(readBytes(item, path, { max: MAX_STATEMENT_BYTES })))
    } catch (error) {
      dropped.push(toSkeinError(error))
    }
  })
  return { message: readMessage(read, kind, { updates, dropped, peers }), dropped }
}

interface Reading {
  updates: Sealed[]
  dropped: SkeinError[]
  peers: PeerKeys
}

function readMessage(read: Fields, kind: SwimMessageKind, { updates, dropped, peers }: Reading): SwimMessage {
  if (kind === 'gossip') return { kind, updates }
  const nonce = read.int('nonce', { max: MAX_NONCE })
  switch (kind) {
    case 'ping':
      return { kind, nonce, target: readTarget(read, peers), updates }
    case 'ack': {
      const coordinates = readCoordinates(read, dropped)
      return { kind, nonce, ...(coordinates && { coordinates }), updates }
    }
    case 'ping-req':
      return { kind, nonce, target: readTarget(read, peers), within: read.int('within', { min: 1, max: MAX_WITHIN }), updates }
    case 'sync':
      return { kind, nonce, hash: read.bytes('hash', { max: MAX_HASH }), updates }
    case 'digest':
      return { kind, nonce, entries: unpackEntries(read.bytes('entries', { max: MAX_SWIM_FRAME }), peers), updates }
    case 'state':
      return { kind, nonce, want: unpackPeers(read.bytes('want', { max: MAX_SWIM_FRAME }), peers), updates }
    case 'nack':
      return { kind, nonce, tried: read.bool('tried'), updates }
    case 'same':
      return { kind, nonce, updates }
  }
}

/** An answer is an answer, whatever it says of its place. */
function readCoordinates(read: Fields, dropped: SkeinError[]): NetworkCoordinates | undefined {
  const bytes = read.optionalBytes('coordinates', { max: MAX_COORDINATES })
  try {
    return bytes && unpackCoordinates(bytes)
  } catch (error) {
    dropped.push(toSkeinError(error))
    return undefined
  }
}

function readTarget(read: Fields, peers: PeerKeys): string {
  return peers.peerOf(read.bytes('target', { length: KEY_BYTES }))
}

function readKind(read: Fields): SwimMessageKind {
  const said = read.string('kind', { max: 32 })
  const kind = KINDS.find((known) => known === said)
  if (kind === undefined) throw new SkeinError('SKEIN_PROTOCOL', `message.kind must be one of ${KINDS.join(', ')}`, { data: { reason: 'kind' } })
  return kind
}

function maxUpdates(kind: SwimMessageKind): number {
  return kind === 'state' ? MAX_STATE_UPDATES : MAX_UPDATES
}
