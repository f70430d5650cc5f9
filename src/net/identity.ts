import { generateKeyPairFromSeed, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { SkeinError } from '../base/errors.ts'

export interface Identity {
  privateKey: PrivateKey
  /** The 32-byte Ed25519 seed, for signing documents. */
  seed: Uint8Array
  peer: string
}

/** Makes an identity from a 32-byte seed. */
export async function identityFromSeed(seed: Uint8Array): Promise<Identity> {
  const privateKey = await generateKeyPairFromSeed('Ed25519', seed)
  return { privateKey, seed, peer: peerIdFromPrivateKey(privateKey).toString() }
}

/** The key file's bytes: a libp2p protobuf private key, so that other libp2p tools can read it. */
export function encodeIdentity(identity: Identity): Uint8Array {
  return privateKeyToProtobuf(identity.privateKey)
}

/** Reads a key file's bytes. Throws SKEIN_KEY_FILE when they are not an Ed25519 key. */
export function decodeIdentity(bytes: Uint8Array, path: string): Identity {
  try {
    const privateKey = privateKeyFromProtobuf(bytes)
    if (privateKey.type === 'Ed25519') {
      return { privateKey, seed: privateKey.raw.slice(0, 32), peer: peerIdFromPrivateKey(privateKey).toString() }
    }
  } catch (cause) {
    throw new SkeinError('SKEIN_KEY_FILE', `${path} is not a libp2p private key: restore it from a backup, or remove it to get a new identity`, { cause })
  }
  throw new SkeinError('SKEIN_KEY_FILE', `${path} holds a key that is not Ed25519: skein identities are Ed25519 keys`)
}
