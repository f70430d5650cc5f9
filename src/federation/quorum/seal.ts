import { verify } from 'node:crypto'
import type { Signer } from '../../wire/envelope.ts'
import { keyOfPeerId, verifyKey } from '../../wire/peer-id.ts'
import type { VoteSeal } from './ports.ts'

/** Ed25519 with the node's own key; a vote's signer is known by its peer id. */
export function createVoteSeal(signer: Signer): VoteSeal {
  return {
    sign: (bytes) => signer.sign(bytes),
    verify(peer, bytes, signature) {
      const key = keyOfPeerId(peer)
      return key !== undefined && verify(null, bytes, verifyKey(key), signature)
    }
  }
}
