import { readCredentialBundle, type CredentialBundle } from './admission-documents.ts'
import { decodeCbor, encodeCbor, fields, readString } from './cbor.ts'
import { ENVELOPE_OVERHEAD, openEnvelope, sealEnvelope, type Signer } from './envelope.ts'
import { METHOD } from './protocols.ts'
import { ATTRIBUTE, DEFAULT_HOPS, protocolError, type CallHeader } from './rpc-frames.ts'

/** METHOD.RELAY and METHOD.REACH on the wire (protocols/rpc.md, "Relayed exchanges"). */

/** Attributes of a relayed OPEN, beside PATH and those of the inner method; numbers at the end, so that inner methods may have their own. */
export const RELAY_ATTRIBUTE = {
  /** Peer id of the node that serves it. */
  TARGET: 240,
  /** u16: the method there. */
  METHOD: 241,
  /** Envelope of a RelayTicket, signed by the origin. */
  TICKET: 242,
  /** The origin's CredentialBundle, for a target of another pool. */
  ORIGIN: 243
} as const

/** What a node serves to nodes of other pools over relays: calls, and the definitions of its tools. */
export const RELAYABLE_FROM_AFAR: ReadonlySet<number> = new Set([METHOD.ECHO, METHOD.CATALOG_DEFINITIONS, METHOD.MCP_CALL, METHOD.MCP_END_SESSION])

/**
 * What a relay passes on. Everything else is between neighbours: membership, admission and the entry into a pool must never be. Votes are
 * signed, and hub and child must hear each other although the link between them is cut.
 */
export const RELAYABLE: ReadonlySet<number> = new Set([
  ...RELAYABLE_FROM_AFAR, METHOD.CATALOG_DIGEST, METHOD.CATALOG_PUSH, METHOD.GOSSIP_TEST, METHOD.QUORUM_PREPARE, METHOD.QUORUM_ACCEPT,
  METHOD.QUORUM_LEARN, METHOD.QUORUM_FORWARD, METHOD.TIER_TOPOLOGY, METHOD.SUMMARY_SYNC, METHOD.SUMMARY_CHANGED, METHOD.SUMMARY_RESOLVE,
  METHOD.SUMMARY_SEARCH
])

/** Relays on one path: as often as a request may be passed on. */
export const MAX_RELAYS: number = DEFAULT_HOPS
export const TICKET_DOMAIN = 'skein/relay/1\0'
export const TICKET_NONCE_BYTES = 8
/** A federation id, five relays, a target, a time. */
const MAX_TICKET_PAYLOAD = 1_024
export const MAX_TICKET: number = MAX_TICKET_PAYLOAD + ENVELOPE_OVERHEAD
/**
 * All attributes of an OPEN take 8 KiB: this leaves room for PATH, ticket and those of the inner method. A usual bundle takes 700 bytes; one
 * with sixteen long roles does not fit, and its node is reached within its pools only.
 */
export const MAX_ORIGIN = 4_096
/** A target, five peer ids, a time. */
const MAX_WAY = 1_024
/** A peer id of Ed25519 has 52 characters. */
const MAX_PEER_ID = 52
const MAX_FEDERATION = 255
/** The longest round trip anybody may claim, microseconds: a minute. */
const MAX_RTT_US = 60_000_000

/** The origin's word that these relays, in this order, may bring the target exchanges in its name. The origin is who signed it. */
export interface RelayTicket {
  federation: string
  target: string
  relays: readonly string[]
  /** Not valid after, unix ms. */
  expires: number
  nonce: Uint8Array
}

export function sealTicket(ticket: RelayTicket, origin: Signer): Uint8Array {
  return sealEnvelope(TICKET_DOMAIN, encodeCbor(ticket), origin)
}

/** Throws SKEIN_PROTOCOL if it cannot be read or its signature is wrong; whether it is good here and now is the reader's question. */
export function openTicket(bytes: Uint8Array): { ticket: RelayTicket; origin: string } {
  const { payload, signer } = openEnvelope(TICKET_DOMAIN, bytes, { max: MAX_TICKET })
  const read = fields(decodeCbor(payload, { max: MAX_TICKET_PAYLOAD, what: 'the relay ticket' }), 'the relay ticket')
  const ticket = {
    federation: read.string('federation', { max: MAX_FEDERATION }),
    target: read.string('target', { max: MAX_PEER_ID }),
    relays: read.array('relays', { max: MAX_RELAYS }, readPeer),
    expires: read.int('expires'),
    nonce: read.bytes('nonce', { length: TICKET_NONCE_BYTES })
  }
  return { ticket, origin: signer }
}

export function encodeOrigin(bundle: CredentialBundle): Uint8Array {
  return encodeCbor(bundle)
}

/** Throws SKEIN_PROTOCOL; whether the credential is good is the reader's question. */
export function decodeOrigin(bytes: Uint8Array): CredentialBundle {
  return readCredentialBundle(fields(decodeCbor(bytes, { max: MAX_ORIGIN, what: 'the credential of the origin' }), 'the credential of the origin'))
}

/** What a relayed OPEN says beside its body. */
export interface RelayHead {
  /** Who has had it: the origin first, who sends it now last. */
  path: readonly string[]
  target: string
  /** The method at the target. */
  method: number
  ticket: Uint8Array
  /** The origin's CredentialBundle, encoded; absent within a pool. */
  origin?: Uint8Array
}

/** The header of a relayed OPEN: what the inner request says, with the facts of the relay. */
export function relayHeader(inner: CallHeader | undefined, { path, target, method, ticket, origin }: RelayHead, hops: number): CallHeader {
  const attributes = new Map(inner?.attributes)
  const number = Buffer.allocUnsafe(2)
  number.writeUInt16BE(method)
  attributes.set(ATTRIBUTE.PATH, Buffer.from(path.join()))
  attributes.set(RELAY_ATTRIBUTE.TARGET, Buffer.from(target))
  attributes.set(RELAY_ATTRIBUTE.METHOD, number)
  attributes.set(RELAY_ATTRIBUTE.TICKET, ticket)
  if (origin !== undefined) attributes.set(RELAY_ATTRIBUTE.ORIGIN, origin)
  return inner?.trace === undefined ? { hops, attributes } : { hops, attributes, trace: inner.trace }
}

/** Throws SKEIN_PROTOCOL naming what is missing. */
export function readRelayHead({ attributes }: CallHeader): RelayHead {
  const text = (tag: number, what: string, max: number): string => {
    const bytes = attributes?.get(tag)
    if (bytes === undefined || bytes.length === 0 || bytes.length > max) throw protocolError(`a relayed OPEN has ${what}`)
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
  }
  const path = text(ATTRIBUTE.PATH, 'a PATH of at most six peer ids', (MAX_RELAYS + 1) * (MAX_PEER_ID + 1)).split(',')
  const method = attributes?.get(RELAY_ATTRIBUTE.METHOD)
  const ticket = attributes?.get(RELAY_ATTRIBUTE.TICKET)
  if (method?.length !== 2) throw protocolError('a relayed OPEN names its inner method in two bytes')
  const origin = attributes?.get(RELAY_ATTRIBUTE.ORIGIN)
  if (ticket === undefined || ticket.length > MAX_TICKET) throw protocolError(`a relayed OPEN has a ticket of at most ${MAX_TICKET} bytes`)
  if (origin !== undefined && origin.length > MAX_ORIGIN) throw protocolError(`the credential of the origin takes at most ${MAX_ORIGIN} bytes in a relayed OPEN`)
  return {
    path, ticket, ...(origin === undefined ? {} : { origin }),
    target: text(RELAY_ATTRIBUTE.TARGET, 'the peer id of its target', MAX_PEER_ID),
    method: ((method[0] as number) << 8) | (method[1] as number)
  }
}

/** The header as the inner method's handler sees it: without the relay's own facts; the PATH stays. */
export function innerHeader({ attributes, hops, trace }: CallHeader): CallHeader {
  const inner = new Map(attributes)
  for (const tag of Object.values(RELAY_ATTRIBUTE)) inner.delete(tag)
  return { attributes: inner, ...(hops === undefined ? {} : { hops }), ...(trace === undefined ? {} : { trace }) }
}

/** May the answering node pass on calls to the target? */
export interface WayQuestion {
  target: string
  /** The target's last sign of life there may be so old, ms. */
  fresh: number
  /** Who has been asked on the way to this question. */
  visited: readonly string[]
}

export interface WayAnswer {
  /** From the answering node to the target, ms. */
  rtt: number
  /** Of the target's last sign of life there, ms. */
  age: number
  /** Further relays, in order; none when the answering node has a session with the target. */
  via: readonly string[]
}

export function encodeWayQuestion({ target, fresh, visited }: WayQuestion): Uint8Array {
  return encodeCbor({ target, fresh: Math.max(0, Math.floor(fresh)), visited })
}

/** Throws SKEIN_PROTOCOL. */
export function decodeWayQuestion(body: Uint8Array): WayQuestion {
  const read = fields(decodeCbor(body, { max: MAX_WAY, what: 'the reach question' }), 'the reach question')
  return { target: read.string('target', { max: MAX_PEER_ID }), fresh: read.int('fresh'), visited: read.array('visited', { max: MAX_RELAYS }, readPeer) }
}

/** Times travel as whole microseconds (rtt) and milliseconds (age). */
export function encodeWayAnswer({ rtt, age, via }: WayAnswer): Uint8Array {
  return encodeCbor({ rtt: Math.min(MAX_RTT_US, Math.max(0, Math.round(rtt * 1_000))), age: Math.max(0, Math.ceil(age)), via })
}

/** Throws SKEIN_PROTOCOL. */
export function decodeWayAnswer(body: Uint8Array): WayAnswer {
  const read = fields(decodeCbor(body, { max: MAX_WAY, what: 'the reach answer' }), 'the reach answer')
  return { rtt: read.int('rtt', { max: MAX_RTT_US }) / 1_000, age: read.int('age'), via: read.array('via', { max: MAX_RELAYS }, readPeer) }
}

function readPeer(item: unknown, path: string): string {
  return readString(item, path, { max: MAX_PEER_ID })
}
