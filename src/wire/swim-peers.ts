import { keyOfPeerId, peerIdOfKey } from './peer-id.ts'

/** Between peer ids and raw Ed25519 keys; on the wire of SWIM a member is its 32-byte key. */
export interface PeerKeys {
  /** The raw key, or undefined if this is not the peer id of an Ed25519 key. */
  keyOf(peer: string): Uint8Array | undefined
  /** The peer id of a raw 32-byte key. */
  peerOf(key: Uint8Array): string
}

/** Computes each time: some microseconds of base58. */
export const COMPUTED_PEER_KEYS: PeerKeys = { keyOf: keyOfPeerId, peerOf: peerIdOfKey }

/** As many as a node holds members and tombstones (membership/table.ts); about 1 MB when full. */
const MAX_PEERS = 4_096

/** The same with a memory, for digests that name every member. When it is full the peer that was learned first is forgotten. */
export function createPeerKeys({ max = MAX_PEERS }: { max?: number } = {}): PeerKeys {
  const keys = new Map<string, Uint8Array>()
  const peers = new Map<string, string>()

  function keep(peer: string, key: Uint8Array): void {
    const name = nameOf(key)
    keys.set(peer, key)
    peers.set(name, peer)
    if (keys.size <= max) return
    const [oldest, oldestKey] = keys.entries().next().value as [string, Uint8Array]
    keys.delete(oldest)
    peers.delete(nameOf(oldestKey))
  }

  return {
    keyOf(peer) {
      const known = keys.get(peer)
      if (known !== undefined) return known
      const key = keyOfPeerId(peer)
      if (key !== undefined) keep(peer, key)
      return key
    },
    peerOf(key) {
      const known = peers.get(nameOf(key))
      if (known !== undefined) return known
      const peer = peerIdOfKey(key)
      // A copy: the caller's may be a window on a whole frame.
      keep(peer, Uint8Array.from(key))
      return peer
    }
  }
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}
