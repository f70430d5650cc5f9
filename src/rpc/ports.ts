import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { Meter } from '../base/meter.ts'
import type { Logger } from '../base/logger.ts'

/** What a stream tells its session. */
export interface StreamHandlers {
  /** Bytes as they arrive; the array is the receiver's to keep (never overwritten). */
  data(bytes: Uint8Array): void
  /** The stream takes bytes again after `send` returned false. */
  drain(): void
  /** The last event: with an error if it was reset or aborted. */
  closed(error?: Error): void
}

/** A reliable, ordered byte stream to one peer: a libp2p stream (net/) or an in-memory pair (tests). */
export interface ByteStream {
  /**
   * Hands over bytes, which are not changed afterwards. False means full (at the latest with 256 KiB unsent): wait for `drain`, which
   * must follow. After close or abort it does nothing and returns false. Never delivers to the other side before it returns.
   */
  send(bytes: Uint8Array): boolean
  /** Bytes handed over and not yet given to the operating system. */
  readonly unsent: number
  pause(): void
  resume(): void
  /** Ends our side after what was sent. */
  close(): void
  /** Resets both sides at once. */
  abort(reason: Error): void
  /** Called once, right away; what arrived before is delivered then. Events never come from inside `send`. */
  attach(handlers: StreamHandlers): void
}

/** Opens the session stream to a connected, admitted peer. */
export interface StreamOpener {
  open(peer: string, options: { signal: AbortSignal }): Promise<ByteStream>
}

export interface RpcDeps {
  clock: Clock
  random: Random
  meter: Meter
  logger: Logger
  opener: StreamOpener
}
