import { SkeinError } from '../base/errors.ts'
import { TIERS } from './admission-documents.ts'
import { isWireAddress, isWireName, MAX_NAME, MAX_PEER, MAX_SCOPE, readPeer } from './catalog-record.ts'
import { decodeCbor, encodeCbor, fields, readArray, readInt, readString, type Fields } from './cbor.ts'
import type { Acceptance, AttachAnswer, AttachRequest, Contact, Coordinates, HubInfo, Lease } from './tiers-types.ts'

/** Documents of protocols/tiers.md: the lease of a hub, and TIER_ATTACH. The tree is in tiers-topology.ts. */

/** Ways to the pool above: one that answers is enough, and the lease is written to disk by every voter each few seconds. */
export const MAX_CONTACTS = 4
/** Of one contact; the best come first. */
export const MAX_CONTACT_ADDRESSES = 4
/** Hubs in one answer: more than an asker can visit. */
export const MAX_HUBS = 10
/** As the value of a register (quorum.md): four contacts with four addresses of 128 characters are 2.5 KiB. */
export const MAX_LEASE_BYTES = 4 * 1024
/** Eleven hubs and four contacts with four long addresses each are 16 KiB. */
export const MAX_ATTACH_BYTES = 32 * 1024
/** A lease is renewed three times in its time; no clock needs more than a day. */
const MAX_TTL_MS = 86_400_000
/** `federation.parent`: a multiaddr at most. */
const MAX_PREFER = 256
/** Coordinates travel as integers, as in records: millionths of a degree. */
const DEGREE = 1_000_000
/** Load travels in quarters. */
const QUARTERS = 4
/** Of a hub: no limit is higher. */
const MAX_ROOM = 1_000_000

export function encodeLease(lease: Lease): Uint8Array {
  return encodeCbor({ ...lease, contacts: lease.contacts && encodeContacts(lease.contacts) })
}

/** Throws SKEIN_PROTOCOL naming the bad field. */
export function decodeLease(bytes: Uint8Array): Lease {
  const read = fields(decodeCbor(bytes, { max: MAX_LEASE_BYTES, what: 'the lease of a hub' }), 'lease')
  const resigned = read.optionalBool('resigned')
  const contacts = read.optionalArray('contacts', { max: MAX_CONTACTS }, readContact)
  return {
    holder: peerOf(read, 'holder', 'lease'),
    token: read.int('token', { min: 1 }),
    ttl: read.int('ttl', { min: 1, max: MAX_TTL_MS }),
    tier: read.oneOf('tier', TIERS),
    region: label(read, 'region', 'lease'),
    proper: read.bool('proper'),
    ...(resigned === undefined ? {} : { resigned }),
    ...(read.has('successor') ? { successor: peerOf(read, 'successor', 'lease') } : {}),
    ...(read.has('parent') ? { parent: scope(read, 'parent') } : {}),
    ...(read.has('parentTier') ? { parentTier: read.oneOf('parentTier', TIERS) } : {}),
    ...(contacts === undefined ? {} : { contacts })
  }
}

export function encodeAttachRequest(request: AttachRequest): Uint8Array {
  return encodeCbor({ ...request, coordinates: encodeCoordinates(request.coordinates) })
}

/** Throws SKEIN_PROTOCOL naming the bad field. */
export function decodeAttachRequest(bytes: Uint8Array): AttachRequest {
  const read = fields(decodeCbor(bytes, { max: MAX_ATTACH_BYTES, what: 'the request to attach' }), 'attach')
  const as = read.oneOf('as', ['leaf', 'hub'])
  const prefer = read.optionalString('prefer', { max: MAX_PREFER })
  return {
    as,
    ...(as === 'hub' ? { pool: scope(read, 'pool') } : {}),
    tier: read.oneOf('tier', TIERS),
    region: label(read, 'region', 'attach'),
    ...readCoordinates(read),
    ...(prefer === undefined ? {} : { prefer }),
    ...(read.has('current') ? { current: scope(read, 'current') } : {}),
    look: read.bool('look')
  }
}

export function encodeAttachAnswer({ accept, hubs }: AttachAnswer): Uint8Array {
  return encodeCbor({
    accept: accept && { ...accept, hub: accept.hub && encodeHub(accept.hub), contacts: encodeContacts(accept.contacts) },
    hubs: hubs.slice(0, MAX_HUBS).map(encodeHub)
  })
}

/** Throws SKEIN_PROTOCOL naming the bad field. */
export function decodeAttachAnswer(bytes: Uint8Array): AttachAnswer {
  const read = fields(decodeCbor(bytes, { max: MAX_ATTACH_BYTES, what: 'the answer to a request to attach' }), 'answer')
  return {
    ...(read.has('accept') ? { accept: readAcceptance(read.map('accept')) } : {}),
    hubs: read.array('hubs', { max: MAX_HUBS }, (item, path) => readHub(fields(item, path), path))
  }
}

function readAcceptance(read: Fields): Acceptance {
  const token = read.optionalInt('token', { min: 1 })
  return {
    pool: scope(read, 'pool'),
    tier: read.oneOf('tier', TIERS),
    ...(read.has('hub') ? { hub: readHub(read.map('hub'), 'answer.accept.hub') } : {}),
    ...(token === undefined ? {} : { token }),
    contacts: read.array('contacts', { max: MAX_CONTACTS }, readContact)
  }
}

function encodeHub(hub: HubInfo): Record<string, unknown> {
  return { ...hub, addresses: usable(hub.addresses), coordinates: encodeCoordinates(hub.coordinates), load: Math.round(hub.load * QUARTERS) }
}

function readHub(read: Fields, path: string): HubInfo {
  const name = read.string('name', { max: MAX_NAME })
  if (name !== '' && !isWireName(name)) throw wrong(`${path}.name must not have control characters`)
  return {
    peer: peerOf(read, 'peer', path),
    addresses: addressesOf(read),
    name,
    pool: scope(read, 'pool'),
    tier: read.oneOf('tier', TIERS),
    region: label(read, 'region', path),
    ...readCoordinates(read),
    hubRoom: read.int('hubRoom', { max: MAX_ROOM }),
    leafRoom: read.int('leafRoom', { max: MAX_ROOM }),
    load: read.int('load', { max: QUARTERS }) / QUARTERS
  }
}

function encodeContacts(contacts: readonly Contact[]): unknown[] {
  return contacts.slice(0, MAX_CONTACTS).map(({ peer, addresses }) => ({ peer, addresses: usable(addresses) }))
}

/** What a reader would refuse is left out, not sent. */
function usable(addresses: readonly string[]): string[] {
  return addresses.filter(isWireAddress).slice(0, MAX_CONTACT_ADDRESSES)
}

function readContact(item: unknown, path: string): Contact {
  const read = fields(item, path)
  return { peer: peerOf(read, 'peer', path), addresses: addressesOf(read) }
}

function addressesOf(read: Fields): string[] {
  return read.array('addresses', { max: MAX_CONTACT_ADDRESSES }, (item, path) => {
    const address = readString(item, path, { max: MAX_PREFER })
    if (!isWireAddress(address)) throw wrong(`${path} must be a multiaddr`)
    return address
  })
}

function encodeCoordinates(place: Coordinates | undefined): number[] | undefined {
  return place && [Math.round(place.latitude * DEGREE), Math.round(place.longitude * DEGREE)]
}

function readCoordinates(read: Fields): { coordinates?: Coordinates } {
  if (!read.has('coordinates')) return {}
  const [latitude, longitude] = read.array('coordinates', { max: 2 }, (item, path) => readInt(item, path, { min: -180 * DEGREE, max: 180 * DEGREE }))
  if (latitude === undefined || longitude === undefined || Math.abs(latitude) > 90 * DEGREE) throw wrong('coordinates must be a latitude and a longitude')
  return { coordinates: { latitude: latitude / DEGREE, longitude: longitude / DEGREE } }
}

export function scope(read: Fields, key: string): string {
  const pool = read.string(key, { max: MAX_SCOPE })
  if (!isWireName(pool)) throw wrong(`${key} must be the name of a pool`)
  return pool
}

export function peerOf(read: Fields, key: string, path: string): string {
  return readPeer(read.string(key, { max: MAX_PEER }), `${path}.${key}`)
}

/** Regions may be empty. */
export function label(read: Fields, key: string, path: string): string {
  const text = read.string(key, { max: MAX_NAME })
  if (text !== '' && !isWireName(text)) throw wrong(`${path}.${key} must not have control characters`)
  return text
}

/** @param item a value that should be one of the tiers */
export function tierAt(item: unknown, path: string): (typeof TIERS)[number] {
  const found = TIERS[readInt(item, path, { max: TIERS.length - 1 })]
  if (found === undefined) throw wrong(`${path} must be the number of a tier`)
  return found
}

export function readRow(item: unknown, path: string, max: number): unknown[] {
  return readArray(item, path, { max }, (value) => value)
}

function wrong(message: string): SkeinError {
  return new SkeinError('SKEIN_PROTOCOL', message)
}
