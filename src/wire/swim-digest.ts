import { SkeinError } from '../base/errors.ts'
import { KEY_BYTES } from './envelope.ts'
import type { PeerKeys } from './swim-peers.ts'
import { MAX_INCARNATION, type DigestEntry, type Standing } from './swim-types.ts'

/** One byte of standing and seven of incarnation after the key: packed, so that a digest of 1 000 members is 40 kB and quick to read. */
export const ENTRY_BYTES = KEY_BYTES + 8
export const PEER_BYTES = KEY_BYTES
const STANDINGS: readonly Standing[] = ['up', 'dead', 'left']
const STANDING_AT = KEY_BYTES
const INCARNATION = (1n << 56n) - 1n

/** Throws SKEIN_PROTOCOL for what no receiver would take. */
export function packEntries(entries: readonly DigestEntry[], peers: PeerKeys): Uint8Array {
  const packed = Buffer.alloc(entries.length * ENTRY_BYTES)
  for (const [index, { peer, incarnation, standing }] of entries.entries()) {
    const at = index * ENTRY_BYTES
    if (!isIncarnation(incarnation)) throw wrong(`entries[${index}] has the incarnation ${incarnation}; it must be from 1 to ${MAX_INCARNATION}`)
    packed.set(keyOf(peer, peers, `entries[${index}]`), at)
    packed.writeBigUInt64BE(BigInt(incarnation), at + STANDING_AT)
    packed[at + STANDING_AT] = STANDINGS.indexOf(standing)
  }
  return packed
}

/** Throws SKEIN_PROTOCOL naming the entry. */
export function unpackEntries(packed: Uint8Array, peers: PeerKeys): DigestEntry[] {
  const bytes = Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength)
  return Array.from({ length: countOf(bytes, ENTRY_BYTES, 'entries') }, (_, index) => {
    const at = index * ENTRY_BYTES
    const standing = STANDINGS[bytes[at + STANDING_AT] as number]
    const incarnation = Number(bytes.readBigUInt64BE(at + STANDING_AT) & INCARNATION)
    if (standing === undefined) throw wrong(`message.entries[${index}] has the unknown standing ${bytes[at + STANDING_AT]}`)
    if (!isIncarnation(incarnation)) throw wrong(`message.entries[${index}] has an incarnation that is not from 1 to ${MAX_INCARNATION}`)
    return { peer: peers.peerOf(bytes.subarray(at, at + KEY_BYTES)), incarnation, standing }
  })
}

export function packPeers(ids: readonly string[], peers: PeerKeys): Uint8Array {
  const packed = new Uint8Array(ids.length * PEER_BYTES)
  for (const [index, peer] of ids.entries()) packed.set(keyOf(peer, peers, `want[${index}]`), index * PEER_BYTES)
  return packed
}

export function unpackPeers(packed: Uint8Array, peers: PeerKeys): string[] {
  return Array.from({ length: countOf(packed, PEER_BYTES, 'want') }, (_, index) => peers.peerOf(packed.subarray(index * PEER_BYTES, (index + 1) * PEER_BYTES)))
}

function countOf(packed: Uint8Array, size: number, what: string): number {
  if (packed.length % size !== 0) throw wrong(`message.${what} has ${packed.length} bytes, which is no multiple of ${size}`)
  return packed.length / size
}

function isIncarnation(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1 && value <= MAX_INCARNATION
}

function keyOf(peer: string, peers: PeerKeys, what: string): Uint8Array {
  const key = peers.keyOf(peer)
  if (key === undefined) throw wrong(`message.${what} must be the peer id of an Ed25519 key (12D3Koo...)`)
  return key
}

function wrong(message: string): SkeinError {
  return new SkeinError('SKEIN_PROTOCOL', message)
}
