import { FRAME_COST, MAX_EXCHANGE_ID, MAX_FRAME } from '../wire/rpc-frames.ts'

export interface RpcLimits {
  /** Longest frame we read, as announced in HELLO, bytes. */
  maxFrame: number
  /** Credit per exchange and direction, body bytes and 32 per frame. @default 256 KiB: two round trips of a fast link */
  window: number
  /** Exchanges served at once per session; more are refused with SKEIN_BUSY. @default 1024 */
  maxConcurrent: number
  /** Longest body, bytes. @default 16 MiB: a large tool result with an image; more belongs into content */
  maxBody: number
  /** Bodies being assembled or held back per session, bytes. @default 64 MiB: four of the largest bodies */
  maxBuffered: number
  /** Bytes given to a stream and not yet to the operating system. @default 256 KiB: the multiplexer has no priorities, so what is quick must not queue behind more */
  maxUnsent: number
  /** Bytes in our own queue per session; then new requests are refused with SKEIN_BUSY and reading pauses. @default 32 MiB: two of the largest bodies */
  maxQueue: number
  /** A session whose ids reach this says GOAWAY and is followed by another. */
  maxExchangeId: number
  /** How long the peer may take for its HELLO, ms. */
  helloTimeout: number
  /** How long opening a stream may take, ms. */
  openTimeout: number
  /** Round trips are measured this often, ms. */
  pingInterval: number
  /** A session from which nothing came, or to which nothing could be written, for this long is dead, ms. */
  silence: number
  /** How long a cancelled handler still counts as in service if it never ends, ms. */
  cancelGrace: number
  /** How long the higher peer id waits for the lower one's stream, ms. */
  openGrace: number
  /** Reopening, ms. */
  backoffBase: number
  backoffCap: number
}

export const DEFAULT_LIMITS: RpcLimits = {
  maxFrame: MAX_FRAME,
  window: 262_144,
  maxConcurrent: 1_024,
  maxBody: 16 * 1_048_576,
  maxBuffered: 64 * 1_048_576,
  maxUnsent: 262_144,
  maxQueue: 32 * 1_048_576,
  maxExchangeId: MAX_EXCHANGE_ID,
  // A round trip and a garbage collection at the other side, with a wide margin.
  helloTimeout: 5_000,
  openTimeout: 10_000,
  pingInterval: 10_000,
  // Three pings.
  silence: 30_000,
  cancelGrace: 30_000,
  openGrace: 1_000,
  backoffBase: 250,
  backoffCap: 15_000
}

/** Bodies up to this size are copied into the slab; larger pieces are handed to the stream as they are, without a copy. */
export const INLINE_BYTES = 16_384
/** One slab holds hundreds of small frames and the largest head with an inline body; its memory is freed with its last frame. */
export const SLAB_BYTES = 65_536
/** What an item in the queue costs beside its bytes, so that a million empty messages are not free. */
export const ITEM_COST = 128 + FRAME_COST
/** Sessions of one peer that wait for HELLO or drain; more are aborted at once. Two dials crossing need two. */
export const MAX_SESSIONS_PER_PEER = 4
