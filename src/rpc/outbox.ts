import type { Clock, Timer } from '../base/clock.ts'
import type { Counter } from '../base/meter.ts'
import type { TimerWheel } from '../base/timer-wheel.ts'
import { CHUNK_BYTES, FRAME_COST, MIN_FRAME } from '../wire/rpc-frames.ts'
import { ITEM, type Exchange, type OutItem } from './exchange.ts'
import { INLINE_BYTES, ITEM_COST, SLAB_BYTES, type RpcLimits } from './limits.ts'
import type { ByteStream } from './ports.ts'
import { Turns } from './turns.ts'

export interface OutboxDeps {
  clock: Clock
  wheel: TimerWheel
  limits: RpcLimits
  schedule: (flush: () => void) => void
  bytesOut: Counter
}

/** With less credit than this a large body waits for more, so that it does not go in crumbs. */
const MIN_PIECE = 4_096
/** Small bodies may go before large ones for this many bytes, then one chunk of a large one goes. */
const SMALL_SHARE = CHUNK_BYTES

/**
 * Everything that leaves one session: frames are encoded straight into a slab and handed to the stream once per tick; what the
 * stream does not take waits here. Control frames first, then small bodies and chunks of large ones by turns.
 */
export class Outbox {
  readonly stream: ByteStream
  readonly deps: OutboxDeps
  slab: Buffer | undefined = undefined
  start = 0
  at = 0
  /** Grows with every hand-over: bytes encoded at mark m have left when `mark` is larger. */
  mark = 0
  blocked = false
  blockedSince = 0
  closed = false
  queueBytes = 0
  /** Longest frame the peer reads. */
  peerMaxFrame = 0
  private scheduled = false
  private sending = false
  private drains = 0
  private poll: Timer | undefined = undefined
  private control: Uint8Array[] = []
  private pong: Uint8Array | undefined = undefined
  /** What small bodies may still send before a large one's turn; kept over drains, or they would always be first. */
  private share = SMALL_SHARE
  private readonly small = new Turns()
  private readonly large = new Turns()
  private readonly flush = (): void => {
    this.scheduled = false
    this.pump()
  }

  constructor(stream: ByteStream, deps: OutboxDeps) {
    this.stream = stream
    this.deps = deps
  }

  /** A whole frame that goes before everything else. */
  sendControl(frame: Uint8Array): void {
    if (this.closed) return
    if (this.blocked) {
      this.control.push(frame)
      this.queueBytes += frame.length
    } else {
      this.raw(frame)
      this.wake()
    }
  }

  /** The answer to a PING: only the newest waits, so that a peer that pings and does not read costs nothing. */
  sendPong(frame: Uint8Array): void {
    if (this.blocked) this.pong = frame
    else this.sendControl(frame)
  }

  /** Encodes the body at once where that is possible, else queues it. */
  send(exchange: Exchange, kind: number, body: Uint8Array, renew: boolean): void {
    const size = body.length
    if (!this.blocked && exchange.head === undefined && size <= INLINE_BYTES && size + FRAME_COST <= exchange.credit && kind !== ITEM.ERROR) {
      const slab = this.reserve(exchange.firstBytes(kind) + size)
      const at = exchange.writeFirst(slab, this.at, kind, false, size, renew)
      if (size > 0) slab.set(body, at)
      this.at = at + size
      exchange.credit -= size + FRAME_COST
      if (!this.scheduled) this.wake()
      exchange.sent(kind)
      return
    }
    const item: OutItem = { kind, body, offset: 0, started: false, renew, next: undefined }
    if (exchange.tail === undefined || exchange.head === undefined) exchange.head = item
    else exchange.tail.next = item
    exchange.tail = item
    exchange.queuedBytes += size + ITEM_COST
    this.queueBytes += size + ITEM_COST
    this.takeTurn(exchange)
    if (!this.blocked) this.wake()
  }

  /** The exchange may go on: it has something to send, or new credit. */
  takeTurn(exchange: Exchange): void {
    const item = exchange.head
    if (exchange.inTurn || item === undefined) return
    if (item.body.length <= INLINE_BYTES) this.small.push(exchange)
    else this.large.push(exchange)
  }

  wake(): void {
    if (this.scheduled || this.closed) return
    this.scheduled = true
    this.deps.schedule(this.flush)
  }

  /** Forgets what the exchange had queued. */
  drop(exchange: Exchange): void {
    this.queueBytes -= exchange.queuedBytes
    exchange.queuedBytes = 0
    exchange.head = exchange.tail = undefined
  }

  drain(): void {
    this.drains++
    this.poll?.cancel()
    this.poll = undefined
    if (!this.blocked || this.closed) return
    this.blocked = false
    if (!this.sending) this.pump()
  }

  /** Everything was handed to the stream. */
  get empty(): boolean {
    return this.at === this.start && this.queueBytes === 0
  }

  /** Does not wait for the end of the tick. */
  flushNow(): void {
    this.pump()
  }

  stop(): void {
    this.closed = true
    this.poll?.cancel()
    this.slab = undefined
    this.control = []
    this.queueBytes = 0
    this.start = this.at = 0
  }

  private pump(): void {
    if (this.closed) return
    if (!this.blocked) this.pumpControl()
    while (!this.blocked && !this.closed) {
      const quick = this.share > 0 ? this.small.shift() : undefined
      const exchange = quick ?? this.large.shift() ?? this.small.shift()
      if (quick === undefined) this.share = SMALL_SHARE
      if (exchange === undefined) break
      const large = (exchange.head?.body.length ?? 0) > INLINE_BYTES
      const size = this.turn(exchange)
      // A chunk of a large body is as much as the whole share: counted, it would keep small ones back for ever.
      if (!large) this.share -= size
    }
    if (!this.blocked) this.handOver()
  }

  private pumpControl(): void {
    if (this.pong !== undefined) this.raw(this.pong)
    this.pong = undefined
    if (this.control.length === 0) return
    const waiting = this.control
    this.control = []
    for (const frame of waiting) {
      this.queueBytes -= frame.length
      this.raw(frame)
    }
  }

  /** Writes one frame of an exchange and puts it back in line; returns the bytes. */
  private turn(exchange: Exchange): number {
    const item = exchange.head
    if (item === undefined) return 0
    if (item.kind === ITEM.ERROR) {
      this.raw(item.body)
      this.shift(exchange, item, item.body.length)
      return item.body.length
    }
    const head = item.started ? MIN_FRAME + 5 : exchange.firstBytes(item.kind)
    const left = item.body.length - item.offset
    const allowed = exchange.credit - FRAME_COST
    // Stalled: the next CREDIT gives it a turn again.
    if (allowed < Math.min(left, MIN_PIECE)) return 0
    const size = Math.min(left, CHUNK_BYTES, allowed, this.peerMaxFrame + 4 - head)
    const direct = size > INLINE_BYTES
    const slab = this.reserve(direct ? head : head + size)
    const at = exchange.writeHead(slab, this.at, item, size < left, size)
    const piece = item.body.subarray(item.offset, item.offset + size)
    item.started = true
    item.offset += size
    exchange.credit -= size + FRAME_COST
    if (direct) {
      this.at = at
      this.handOver()
      this.give(piece)
    } else {
      slab.set(piece, at)
      this.at = at + size
    }
    if (size === left) this.shift(exchange, item, size)
    else {
      exchange.queuedBytes -= size
      this.queueBytes -= size
      this.takeTurn(exchange)
    }
    return size + head
  }

  private shift(exchange: Exchange, item: OutItem, size: number): void {
    exchange.queuedBytes -= size + ITEM_COST
    this.queueBytes -= size + ITEM_COST
    exchange.head = item.next
    if (item.next === undefined) exchange.tail = undefined
    else this.takeTurn(exchange)
    exchange.sent(item.kind)
    exchange.left()
  }

  private raw(frame: Uint8Array): void {
    this.reserve(frame.length).set(frame, this.at)
    this.at += frame.length
  }

  /** A slab with room for `size` bytes at `this.at`. */
  private reserve(size: number): Buffer {
    if (this.slab === undefined || this.at + size > SLAB_BYTES) {
      this.handOver()
      // A fresh one: what was handed over is never overwritten.
      this.slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
      this.start = this.at = 0
    }
    return this.slab
  }

  private handOver(): void {
    if (this.at === this.start || this.slab === undefined) return
    const region = this.slab.subarray(this.start, this.at)
    this.start = this.at
    this.give(region)
  }

  private give(bytes: Uint8Array): void {
    const { drains } = this
    this.mark++
    this.sending = true
    let ready = false
    try {
      ready = this.stream.send(bytes)
    } catch (error) {
      // A stream that throws has broken its contract: it is not used again.
      this.stream.abort(error instanceof Error ? error : new Error(String(error)))
    } finally {
      this.sending = false
    }
    this.deps.bytesOut.inc(bytes.length)
    if (!ready && drains === this.drains) this.block()
    // A stream that says yes beyond the bound gives no drain event: look again a tick later.
    else if (this.stream.unsent >= this.deps.limits.maxUnsent) {
      this.block()
      this.watchUnsent()
    }
  }

  private block(): void {
    if (this.blocked) return
    this.blocked = true
    this.blockedSince = this.deps.clock.now()
  }

  private watchUnsent(): void {
    this.poll ??= this.deps.wheel.add(1, () => {
      this.poll = undefined
      if (this.stream.unsent < this.deps.limits.maxUnsent) this.drain()
      else this.watchUnsent()
    })
  }
}
