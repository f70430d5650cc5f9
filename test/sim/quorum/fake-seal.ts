import type { VoteSeal } from '../../../src/federation/quorum/ports.ts'

/** 64 bytes that depend on the signer and on what is signed: no secret, but no accident makes a right one. */
export function fakeSeal(self: string): VoteSeal {
  return {
    sign: (bytes) => signature(self, bytes),
    verify: (peer, bytes, given) => Buffer.compare(signature(peer, bytes), given) === 0
  }
}

function signature(peer: string, bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(64)
  const words = new DataView(out.buffer)
  let hash = 0x811c9dc5
  const mix = (byte: number) => {
    hash = Math.imul(hash ^ byte, 0x01000193)
  }
  for (let i = 0; i < peer.length; i++) mix(peer.charCodeAt(i))
  words.setUint32(0, hash)
  let other = hash ^ 0x9e3779b1
  for (const byte of bytes) {
    mix(byte)
    other = Math.imul(other ^ byte, 0x85ebca6b)
    other ^= other >>> 13
  }
  words.setUint32(4, hash)
  words.setUint32(8, other)
  return out
}
