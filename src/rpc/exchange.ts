import { FRAME, FRAME_COST, HEADER_BYTES } from '../wire/rpc-frames.ts'
import { writeBody, writeMessage } from '../wire/rpc-encode.ts'
import { Assembly } from './assembly.ts'
import type { Session } from './session.ts'

/** What an item in the queue is: the frame its body starts with, or a whole END frame with an error. */
export const ITEM = { OPEN: FRAME.OPEN, MESSAGE: FRAME.MESSAGE, END: FRAME.END, ERROR: 255 } as const

export interface OutItem {
  kind: number
  body: Uint8Array
  /** Body bytes that have left. */
  offset: number
  started: boolean
  renew: boolean
  next: OutItem | undefined
}

interface Held {
  body: Uint8Array
  cost: number
  renew: boolean
}

/** Both directions of one exchange in one session. Classes here, because hundreds of thousands are made in a second. */
export abstract class Exchange {
  readonly session: Session
  id = 0
  /** Over for the wire: later frames of its id are ignored. */
  closed = false

  /** Credit left for what we send. */
  credit: number
  head: OutItem | undefined = undefined
  tail: OutItem | undefined = undefined
  /** Bytes in its queue, with the cost of items. */
  queuedBytes = 0
  private leftListener: (() => void) | undefined = undefined
  /** Its place in the outbox's turns. */
  inTurn = false
  nextTurn: Exchange | undefined = undefined

  /** Credit the peer has left. */
  window: number
  /** Received and not yet given back as credit. */
  consumed = 0
  assembly: Assembly | undefined = undefined
  /** The frame type the body in assembly began with … */
  assembling = 0
  /** … and whether it renews the deadline. */
  assemblingRenew = false
  holding = false
  held: Held[] | undefined = undefined

  constructor(session: Session) {
    this.session = session
    this.credit = session.peerWindow
    this.window = session.limits.window
  }

  /** Writes the head of the frame that starts (or, if started, continues) a body of this kind. */
  abstract writeFirst(into: Buffer, at: number, kind: number, more: boolean, bodyBytes: number, renew: boolean): number
  /** Length of that head. */
  abstract firstBytes(kind: number): number
  /** An item has left completely. */
  abstract sent(kind: number): void
  abstract deliver(message: Uint8Array, renew: boolean): void
  /** The other side broke a limit in this exchange alone. */
  abstract overflow(what: string): void

  writeHead(into: Buffer, at: number, item: OutItem, more: boolean, bodyBytes: number): number {
    if (item.started) return writeBody(into, at, this.id, more, bodyBytes)
    return this.writeFirst(into, at, item.kind, more, bodyBytes, item.renew)
  }

  protected writeMessageHead(into: Buffer, at: number, more: boolean, bodyBytes: number, renew: boolean): number {
    return writeMessage(into, at, this.id, more, renew, bodyBytes)
  }

  /** Takes a received body part; returns the whole body once it is complete. */
  part(type: number, more: boolean, bytes: Uint8Array, start: number, end: number): Uint8Array | undefined {
    const size = end - start
    if (!more && this.assembly === undefined) return bytes.subarray(start, end)
    const { session } = this
    const assembly = (this.assembly ??= new Assembly())
    if (type !== FRAME.BODY) this.assembling = type
    if (assembly.size + size > session.limits.maxBody) {
      this.overflow(`its body is over ${session.limits.maxBody} bytes`)
      return undefined
    }
    if (session.buffered + size > session.limits.maxBuffered) {
      this.overflow(`bodies of this session are over ${session.limits.maxBuffered} bytes together; send fewer large ones at once`)
      return undefined
    }
    session.buffered += size
    assembly.add(bytes.subarray(start, end))
    if (more) return undefined
    this.dropAssembly()
    return assembly.finish()
  }

  dropAssembly(): void {
    if (this.assembly === undefined) return
    this.session.buffered -= this.assembly.size
    this.assembly = undefined
  }

  /** Bytes that wait to leave, with the cost of each message. */
  get queued(): number {
    return this.queuedBytes
  }

  onLeft(listener: () => void): void {
    this.leftListener = listener
  }

  /** Something of the queue has left. */
  left(): void {
    this.leftListener?.()
  }

  /** Hands a complete message on, or keeps it (and its credit) while held. */
  message(body: Uint8Array, renew: boolean): void {
    if (!this.holding) return this.deliver(body, renew)
    const cost = body.length + FRAME_COST
    this.session.buffered += cost
    ;(this.held ??= []).push({ body, cost, renew })
  }

  hold(): void {
    this.holding = true
  }

  /** Delivers what was held and gives its credit. @param all even if a listener holds again */
  release(all = false): void {
    if (!this.holding) return
    this.holding = false
    const waiting = this.held
    this.held = undefined
    if (waiting !== undefined) this.deliverHeld(waiting, all)
    if (!this.holding && !this.closed) this.session.giveCredit(this)
  }

  private deliverHeld(waiting: Held[], all: boolean): void {
    for (const [index, item] of waiting.entries()) {
      if (this.holding && !all) {
        this.held = waiting.slice(index)
        return
      }
      this.session.buffered -= item.cost
      if (!this.closed) this.deliver(item.body, item.renew)
    }
  }

  /** Leaves nothing behind in queues and counters. */
  dispose(): void {
    this.closed = true
    this.dropAssembly()
    for (const item of this.held ?? []) this.session.buffered -= item.cost
    this.held = undefined
    this.session.outbox.drop(this)
  }
}

export const MESSAGE_HEAD: number = HEADER_BYTES + 1
