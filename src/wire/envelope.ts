import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import { SkeinError } from '../base/errors.ts'
import { decodeCbor, encodeCbor, readArray, readBytes } from './cbor.ts'
import { peerIdOfKey, verifyKey } from './peer-id.ts'

/** Who signs: a node's own Ed25519 key, or a federation's authority key. */
export interface Signer {
  /** Raw Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array
  /** The peer id of that key. */
  readonly peer: string
  /** Ed25519 (RFC 8032), 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array
}

/** An opened envelope: the signature was right; whether this signer may say it is the reader's question. */
export interface OpenedEnvelope {
  payload: Uint8Array
  /** The signer's peer id. */
  signer: string
  /** The signer's raw Ed25519 public key. */
  publicKey: Uint8Array
}

export const KEY_BYTES = 32
const SIGNATURE_BYTES = 64
/** CBOR heads around the three byte strings: 1 + 5 + 2 + 2. */
export const ENVELOPE_OVERHEAD = KEY_BYTES + SIGNATURE_BYTES + 10
/** PKCS #8 header of an Ed25519 private key (RFC 8410, section 7); the 32-byte seed follows. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
/** SubjectPublicKeyInfo header length (RFC 8410, section 4); the raw key follows. */
const SPKI_PREFIX_BYTES = 12

/** A signer from a raw 32-byte Ed25519 seed (RFC 8032's private key; the first half of libp2p's 64-byte one). */
export function signerFromSeed(seed: Uint8Array): Signer {
  if (seed.length !== KEY_BYTES) throw new RangeError(`an Ed25519 seed has ${KEY_BYTES} bytes, not ${seed.length}`)
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' })
  const publicKey = new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(SPKI_PREFIX_BYTES))
  return { publicKey, peer: peerIdOfKey(publicKey), sign: (bytes) => new Uint8Array(sign(null, bytes, key)) }
}

/**
 * CBOR array [payload, signer's public key, signature]; the signature covers the domain as ASCII and then the payload.
 * @param domain what kind of document this is, such as "skein/credential/1\0", so that no signature serves for another kind
 */
export function sealEnvelope(domain: string, payload: Uint8Array, signer: Signer): Uint8Array {
  return encodeCbor([payload, signer.publicKey, signer.sign(signedBytes(domain, payload))])
}

/** Throws SKEIN_PROTOCOL if the bytes are not an envelope of at most `max` bytes or the signature is wrong. */
export function openEnvelope(domain: string, bytes: Uint8Array, { max }: { max: number }): OpenedEnvelope {
  const what = `the envelope ${domain.replace('\0', '')}`
  const parts = readArray(decodeCbor(bytes, { max, what }), what, { max: 3 }, (item) => item)
  const payload = readBytes(parts[0], `${what}[0]`, { max })
  const publicKey = readBytes(parts[1], `${what}[1]`, { length: KEY_BYTES })
  const signature = readBytes(parts[2], `${what}[2]`, { length: SIGNATURE_BYTES })
  if (!verify(null, signedBytes(domain, payload), verifyKey(publicKey), signature)) {
    throw new SkeinError('SKEIN_PROTOCOL', `${what} is not signed by the key it names; it was changed or damaged on the way`)
  }
  return { payload, signer: peerIdOfKey(publicKey), publicKey }
}

function signedBytes(domain: string, payload: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(domain, 'ascii'), payload])
}
