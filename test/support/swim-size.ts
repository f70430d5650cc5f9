import { COORDINATES_BYTES } from '../../src/wire/coordinates.ts'
import type { SwimMessage } from '../../src/wire/swim-types.ts'

/** Length, kind, nonce, federation and pool of every frame, and yamux' and TLS' own. */
const FRAME = 120
const DIGEST_ENTRY = 60
const PEER = 42
/** With the name and the length. */
const COORDINATES = COORDINATES_BYTES + 14

/** Bytes of a message on the wire, roughly. */
export function sizeOf(message: SwimMessage): number {
  let bytes = FRAME
  for (const update of message.updates) bytes += update.bytes.length + 4
  if (message.kind === 'digest') bytes += DIGEST_ENTRY * message.entries.length
  if (message.kind === 'ack' && message.coordinates !== undefined) bytes += COORDINATES
  if (message.kind === 'state') bytes += PEER * message.want.length
  return bytes
}
