import { createHash } from 'node:crypto'
import { SkeinError } from '../base/errors.ts'
import { decodeCbor, encodeCbor, fields, readString, type Fields } from './cbor.ts'
import { KEY_BYTES, openEnvelope, sealEnvelope, type Signer } from './envelope.ts'
import { keyOfPeerId } from './peer-id.ts'

/** The signed documents of admission (protocols/admission.md): who may be a member, said by whom, until when. All times are unix ms. */

export const TIERS = ['global', 'regional', 'local', 'leaf'] as const
export type Tier = (typeof TIERS)[number]

/** What a member is: chosen by whoever makes the token. */
export interface Standing {
  tier: Tier
  region: string
  roles: string[]
}

/** Signed by the authority: this key may sign credentials and tokens of the federation. */
export interface IssuerCertificate {
  federation: string
  /** The issuer's raw Ed25519 public key: its peer id is the issuer's. */
  issuer: Uint8Array
  notBefore: number
  expires: number
}

/** Signed by an issuer: this peer is a member. */
export interface Credential extends Standing {
  federation: string
  /** The federation's name. */
  name: string
  /** Peer id of the member. */
  subject: string
  issued: number
  expires: number
  /** 16 random bytes: names this one credential. */
  serial: Uint8Array
}

/** Signed by an issuer: whoever holds it may join, `uses` times in all. */
export interface JoinToken extends Standing {
  federation: string
  /** The federation's name. */
  name: string
  /** 16 random bytes. */
  id: Uint8Array
  /** Peer id of the issuer, which alone counts the uses. */
  issuer: string
  expires: number
  uses: number
  /** Multiaddrs (with /p2p) to join through. */
  addresses: string[]
}

/** A credential with everything needed to check it from the federation id alone. */
export interface CredentialBundle {
  /** The authority's raw public key: its hash is the federation id. */
  authority: Uint8Array
  /** Envelope of an IssuerCertificate. */
  certificate: Uint8Array
  /** Envelope of a Credential. */
  credential: Uint8Array
}

/** A join token with everything needed to check it. */
export interface TokenBundle {
  authority: Uint8Array
  certificate: Uint8Array
  /** Envelope of a JoinToken. */
  token: Uint8Array
}

/** A document, and the raw public key that signed it. */
export interface Signed<T> {
  document: T
  publicKey: Uint8Array
  /** The signer's peer id. */
  signer: string
}

export const ISSUER_DOMAIN = 'skein/issuer/1\0'
export const CREDENTIAL_DOMAIN = 'skein/credential/1\0'
export const TOKEN_DOMAIN = 'skein/token/1\0'

export const SERIAL_BYTES = 16
/** A federation id: 16 bytes in base32. */
export const FEDERATION_CHARS = 26
/** A certificate holds one key and two times; 512 bytes leave room for later fields. */
export const MAX_CERTIFICATE = 512
/** 16 roles of 64 characters and the rest, in UTF-8. */
export const MAX_CREDENTIAL = 8 * 1024
/** A token's text has at most 4 096 characters, which is 3 072 bytes; see security/token.ts. */
export const MAX_TOKEN = 3 * 1024
/** Names of federations, regions and roles: a line on a screen. */
export const MAX_NAME = 64
export const MAX_ROLES = 16
/** Enough to find one node that answers; more would not fit a token. */
export const MAX_TOKEN_ADDRESSES = 8
/** A multiaddr with a long DNS name and a peer id. */
export const MAX_ADDRESS = 320
/** A fleet rolled out with one token; each use is a row in the issuer's store. */
export const MAX_USES = 10_000
/** A peer id of Ed25519 has 52 characters. */
const MAX_PEER_ID = 52
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'

/** First 16 bytes of SHA-256 of the authority's raw public key, RFC 4648 base32, lower case, no padding: 26 characters. */
export function federationIdOf(authority: Uint8Array): string {
  const hash = createHash('sha256').update(authority).digest().subarray(0, 16)
  let bits = BigInt(`0x${hash.toString('hex')}`) << 2n
  let text = ''
  for (let index = 0; index < FEDERATION_CHARS; index++) {
    text = (BASE32[Number(bits & 31n)] as string) + text
    bits >>= 5n
  }
  return text
}

export function sealIssuerCertificate(certificate: IssuerCertificate, authority: Signer): Uint8Array {
  return sealEnvelope(ISSUER_DOMAIN, encodeCbor(certificate), authority)
}

export function openIssuerCertificate(bytes: Uint8Array): Signed<IssuerCertificate> {
  return openDocument(ISSUER_DOMAIN, bytes, MAX_CERTIFICATE, 'issuer certificate', (read) => ({
    federation: federation(read, 'federation'),
    issuer: read.bytes('issuer', { length: KEY_BYTES }),
    notBefore: read.int('notBefore'),
    expires: read.int('expires')
  }))
}

export function sealCredential(credential: Credential, issuer: Signer): Uint8Array {
  return sealEnvelope(CREDENTIAL_DOMAIN, encodeCbor(credential), issuer)
}

export function openCredential(bytes: Uint8Array): Signed<Credential> {
  return openDocument(CREDENTIAL_DOMAIN, bytes, MAX_CREDENTIAL, 'credential', (read) => ({
    federation: federation(read, 'federation'),
    name: label(read, 'name', MAX_NAME),
    subject: readPeer(read, 'subject'),
    ...standing(read),
    issued: read.int('issued'),
    expires: read.int('expires'),
    serial: read.bytes('serial', { length: SERIAL_BYTES })
  }))
}

export function sealToken(token: JoinToken, issuer: Signer): Uint8Array {
  return sealEnvelope(TOKEN_DOMAIN, encodeCbor(token), issuer)
}

export function openToken(bytes: Uint8Array): Signed<JoinToken> {
  return openDocument(TOKEN_DOMAIN, bytes, MAX_TOKEN, 'token', (read) => ({
    federation: federation(read, 'federation'),
    name: label(read, 'name', MAX_NAME),
    id: read.bytes('id', { length: SERIAL_BYTES }),
    issuer: readPeer(read, 'issuer'),
    ...standing(read),
    expires: read.int('expires'),
    uses: read.int('uses', { min: 1, max: MAX_USES }),
    addresses: read.array('addresses', { max: MAX_TOKEN_ADDRESSES }, (item, path) => plainText(readString(item, path, { max: MAX_ADDRESS }), path))
  }))
}

export function readCredentialBundle(read: Fields): CredentialBundle {
  return { ...readIssuer(read), credential: read.bytes('credential', { max: MAX_CREDENTIAL }) }
}

export function encodeTokenBundle(bundle: TokenBundle): Uint8Array {
  return encodeCbor(bundle)
}

export function decodeTokenBundle(bytes: Uint8Array): TokenBundle {
  const read = fields(decodeCbor(bytes, { max: MAX_TOKEN, what: 'the token' }), 'token')
  return { ...readIssuer(read), token: read.bytes('token', { max: MAX_TOKEN }) }
}

/** A peer id of an Ed25519 key; no other kind is admitted. */
export function readPeer(read: Fields, key: string): string {
  const peer = read.string(key, { max: MAX_PEER_ID })
  if (keyOfPeerId(peer) === undefined) throw new SkeinError('SKEIN_PROTOCOL', `${key} must be the peer id of an Ed25519 key (12D3Koo...)`)
  return peer
}

/** A short text that people see: one line, no control characters (a terminal would obey them). */
export function label(read: Fields, key: string, max: number): string {
  return plainText(read.string(key, { max }), key)
}

function plainText(text: string, path: string): string {
  if (/\p{Cc}/u.test(text)) throw new SkeinError('SKEIN_PROTOCOL', `${path} has control characters`)
  return text
}

function federation(read: Fields, key: string): string {
  const id = read.string(key, { max: FEDERATION_CHARS })
  if (!/^[a-z2-7]{26}$/.test(id)) throw new SkeinError('SKEIN_PROTOCOL', `${key} must be a federation id: 26 characters of a-z and 2-7`)
  return id
}

function standing(read: Fields): Standing {
  return {
    tier: read.oneOf('tier', TIERS),
    region: label(read, 'region', MAX_NAME),
    roles: read.array('roles', { max: MAX_ROLES }, (item, path) => plainText(readString(item, path, { max: MAX_NAME }), path))
  }
}

function readIssuer(read: Fields): { authority: Uint8Array; certificate: Uint8Array } {
  return { authority: read.bytes('authority', { length: KEY_BYTES }), certificate: read.bytes('certificate', { max: MAX_CERTIFICATE }) }
}

function openDocument<T>(domain: string, bytes: Uint8Array, max: number, what: string, read: (from: Fields) => T): Signed<T> {
  const { payload, publicKey, signer } = openEnvelope(domain, bytes, { max })
  return { document: read(fields(decodeCbor(payload, { max, what: `the ${what}` }), what)), publicKey, signer }
}
