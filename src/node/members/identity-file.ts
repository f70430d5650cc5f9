import type { Random } from '../../base/random.ts'
import { decodeIdentity, encodeIdentity, identityFromSeed, type Identity } from '../../net/identity.ts'
import { readPrivateFile, writePrivateFile } from '../../store/private-file.ts'

const SEED_BYTES = 32

/** This node's key: read from its 0600 file, made on the first start. Throws SKEIN_KEY_FILE. */
export async function loadIdentity(path: string, random: Random): Promise<Identity> {
  const bytes = readPrivateFile(path)
  if (bytes !== undefined) return decodeIdentity(bytes, path)
  const identity = await identityFromSeed(random.bytes(SEED_BYTES))
  writePrivateFile(path, encodeIdentity(identity))
  return identity
}
