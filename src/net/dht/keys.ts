import { createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'

export type ProvidedKind = 'server' | 'tool'

const SHA2_256 = 0x12
const RAW = 0x55

/** The key of a name in the DHT: the SHA-256 of `skein/<federation>/<kind>/<name>`; of a tool the name is its digest (protocols/discovery.md). */
export function providedKey(federation: string, kind: ProvidedKind, name: string): CID {
  const hash = createHash('sha256').update(`skein/${federation}/${kind}/${name}`).digest()
  return CID.createV1(RAW, createDigest(SHA2_256, new Uint8Array(hash)))
}
