import { openStatement } from './swim-statements.ts'
import { COMPUTED_PEER_KEYS, type PeerKeys } from './swim-peers.ts'
import type { Sealed, SwimScope } from './swim-types.ts'

/** Opens statements and knows those it has opened: gossip brings each of them several times. */
export interface StatementReader {
  /** As openStatement; the same bytes give the same object. Throws SKEIN_PROTOCOL, each time anew. */
  open(bytes: Uint8Array): Sealed
  /** Statements kept. */
  readonly size: number
}

/** News of a storm of joins in a large pool; some 3 MB with usual credentials (1 kB), and those of the present are held by the members anyway. */
const MAX_STATEMENTS = 1_024
const SIGNATURE_BYTES = 64

/**
 * Keeps at most `max` statements and drops the one that was not seen for the longest. Looked up by the signature, which ends the
 * envelope; all bytes are compared, because the signature is not checked here and somebody may have copied it.
 */
export function createStatementReader(scope: SwimScope, { max = MAX_STATEMENTS, peers = COMPUTED_PEER_KEYS }: { max?: number; peers?: PeerKeys } = {}): StatementReader {
  const kept = new Map<string, Sealed>()
  return {
    open(bytes) {
      const name = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1', Math.max(0, bytes.length - SIGNATURE_BYTES))
      const known = kept.get(name)
      const same = known !== undefined && Buffer.compare(known.bytes, bytes) === 0
      // A copy: the bytes may be a window on a whole frame, and statements are kept for long.
      const sealed = same ? known : openStatement(Uint8Array.from(bytes), scope, peers)
      kept.delete(name)
      kept.set(name, sealed)
      if (kept.size > max) kept.delete(kept.keys().next().value as string)
      return sealed
    },
    get size() {
      return kept.size
    }
  }
}
