import { createPublicKey, type KeyObject } from 'node:crypto'

/**
 * Ed25519 peer ids without libp2p: base58btc of the identity multihash of the protobuf public key
 * (libp2p specs, peer-ids/peer-ids.md): 0x00 0x24, then 0x08 0x01 (type Ed25519), 0x12 0x20, then the 32-byte key.
 */
const PREFIX = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)
const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
/** SubjectPublicKeyInfo header of an Ed25519 key (RFC 8410, section 4). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
const KEY_BYTES = 32
const PEER_ID_CHARS = 52

export function peerIdOfKey(publicKey: Uint8Array): string {
  if (publicKey.length !== KEY_BYTES) throw new RangeError(`an Ed25519 public key has ${KEY_BYTES} bytes, not ${publicKey.length}`)
  return base58([...PREFIX, ...publicKey])
}

/** The raw 32-byte key inside an Ed25519 peer id, or undefined if this is not one. */
export function keyOfPeerId(peer: string): Uint8Array | undefined {
  if (peer.length !== PEER_ID_CHARS) return undefined
  let value = 0n
  for (const char of peer) {
    const digit = ALPHABET.indexOf(char)
    if (digit < 0) return undefined
    value = value * 58n + BigInt(digit)
  }
  const bytes = Buffer.from(value.toString(16).padStart((PREFIX.length + KEY_BYTES) * 2, '0'), 'hex')
  if (bytes.length !== PREFIX.length + KEY_BYTES || !PREFIX.every((byte, index) => bytes[index] === byte)) return undefined
  const key = new Uint8Array(bytes.subarray(PREFIX.length))
  // Base58 has one spelling per value, but leading ones could differ: only the canonical spelling is a peer id.
  return peerIdOfKey(key) === peer ? key : undefined
}

/** A node:crypto key for verifying signatures of a raw Ed25519 public key. */
export function verifyKey(publicKey: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' })
}

/** How people see a peer: the last eight characters (the first ones are the same for all Ed25519 ids). */
export function shortPeerId(peer: string): string {
  return peer.slice(-8)
}

function base58(bytes: readonly number[]): string {
  const zeros = bytes.findIndex((byte) => byte !== 0)
  let value = BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
  let text = ''
  while (value > 0n) {
    text = (ALPHABET[Number(value % 58n)] as string) + text
    value /= 58n
  }
  return '1'.repeat(Math.max(0, zeros)) + text
}
