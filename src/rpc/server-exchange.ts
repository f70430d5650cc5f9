import type { Timer } from '../base/clock.ts'
import { SkeinError, errorMessage, toSkeinError } from '../base/errors.ts'
import { HEADER_BYTES, type CallHeader, type OpenHead } from '../wire/rpc-frames.ts'
import { encodeEndError, writeEnd } from '../wire/rpc-encode.ts'
import { statusOf } from './client-exchange.ts'
import { Exchange, ITEM, MESSAGE_HEAD } from './exchange.ts'
import type { Session } from './session.ts'
import type { SendOptions, ServerExchange } from './types.ts'

const END_HEAD = HEADER_BYTES + 4
const NO_BODY = new Uint8Array(0)
const NOBODY: readonly string[] = []

/** One request of the peer, from OPEN until our handler has ended and the answer has left. */
export class ServerCall extends Exchange implements ServerExchange {
  readonly method: number
  readonly header: CallHeader
  readonly timeout: number
  body: Uint8Array = NO_BODY
  deadline: number
  /** The handler is done with it. */
  finished = false
  /** The handler has it. */
  started = false
  /** It comes from its own peer. */
  readonly via: readonly string[] = NOBODY
  /** What END says of another node's load, if it is another node's answer. */
  private load: number | undefined = undefined
  private cancelled: SkeinError | undefined = undefined
  private listener: ((body: Uint8Array, renew: boolean) => void) | undefined = undefined
  private cancelListeners: ((reason: SkeinError) => void)[] | undefined = undefined
  private timer: Timer

  constructor(session: Session, id: number, open: OpenHead) {
    super(session)
    this.id = id
    this.method = open.method
    this.header = open.header
    this.timeout = open.deadline
    this.deadline = session.lastSeen + open.deadline
    this.timer = session.wheel.add(open.deadline, this.expire)
    // Messages wait until the handler listens.
    this.holding = true
  }

  get peer(): string {
    return this.session.peer
  }

  firstBytes(kind: number): number {
    return kind === ITEM.END ? END_HEAD : MESSAGE_HEAD
  }

  writeFirst(into: Buffer, at: number, kind: number, more: boolean, bodyBytes: number, renew: boolean): number {
    if (kind === ITEM.END) return writeEnd(into, at, this.id, more, this.load ?? this.session.load(), bodyBytes)
    return this.writeMessageHead(into, at, more, bodyBytes, renew)
  }

  /** The answer has left: nothing more to do here. */
  sent(kind: number): void {
    if (kind === ITEM.END || kind === ITEM.ERROR) this.detach()
  }

  onMessage(listener: (body: Uint8Array, renew: boolean) => void): void {
    this.listener = listener
    this.release()
  }

  onCancel(listener: (reason: SkeinError) => void): void {
    if (this.cancelled !== undefined) listener(this.cancelled)
    else (this.cancelListeners ??= []).push(listener)
  }

  pause(): void {
    this.hold()
  }

  resume(): void {
    if (this.listener !== undefined) this.release()
  }

  deliver(message: Uint8Array, renew: boolean): void {
    if (this.finished) return
    try {
      this.listener?.(message, renew)
    } catch (error) {
      this.fail(toSkeinError(error))
    }
  }

  send(message: Uint8Array, options?: SendOptions): void {
    if (this.closed || this.finished) return
    const renew = options?.renew === true
    if (renew) this.renew()
    this.session.queueMessage(this, message, renew)
  }

  end(body: Uint8Array, load?: number): void {
    if (this.finished) return
    this.load = load
    if (body.length > this.session.peerMaxBody) {
      return this.fail(new SkeinError('SKEIN_LIMIT', `the answer has ${body.length} bytes, the asking node takes ${this.session.peerMaxBody}: ask for less at once`))
    }
    this.finish()
    if (this.closed) return
    this.session.metrics.server.ok.inc()
    this.session.outbox.send(this, ITEM.END, body, false)
  }

  fail(error: SkeinError, load?: number): void {
    if (this.finished) return
    this.load = load
    this.finish()
    if (this.closed) return
    this.answerError(error, false)
  }

  renew(): void {
    if (this.finished) return
    this.timer.cancel()
    this.timer = this.session.wheel.add(this.timeout, this.expire)
    this.deadline = this.session.clock.now() + this.timeout
  }

  overflow(what: string): void {
    this.stop(new SkeinError('SKEIN_LIMIT', `the request was refused: ${what}`), true)
  }

  /** Runs the handler with the complete body. */
  run(body: Uint8Array, handler: (exchange: ServerExchange) => void): void {
    this.body = body
    this.started = true
    try {
      handler(this)
    } catch (error) {
      this.session.logger.error('an RPC handler threw', { method: this.method, error: errorMessage(error) })
      this.fail(toSkeinError(error))
    }
  }

  /** Ends it before the handler did. `answer`: the peer still waits for an END. */
  stop(reason: SkeinError, answer: boolean): void {
    if (this.closed) return
    if (answer) {
      this.answerError(reason, true)
    } else {
      if (!this.finished) this.session.metrics.server[statusOf(reason)].inc()
      this.detach()
    }
    this.cancelled = reason
    if (!this.started) this.finish()
    if (this.finished) return
    // A handler that never ends must not take a place forever.
    this.timer = this.session.wheel.add(this.session.limits.cancelGrace, () => this.finish())
    const listeners = this.cancelListeners ?? []
    this.cancelListeners = undefined
    for (const listener of listeners) {
      try {
        listener(reason)
      } catch (error) {
        this.session.logger.error('a cancel listener threw', { method: this.method, error: errorMessage(error) })
      }
    }
  }

  /** @param urgent before, and instead of, everything it still had to say */
  private answerError(error: SkeinError, urgent: boolean): void {
    this.session.metrics.server[statusOf(error)].inc()
    this.sayError(error, urgent)
  }

  private sayError(error: SkeinError, urgent: boolean): void {
    const { outbox } = this.session
    const frame = encodeEndError(this.id, this.load ?? this.session.load(), error)
    if (urgent || this.head === undefined) {
      this.detach()
      outbox.sendControl(frame)
    } else {
      outbox.send(this, ITEM.ERROR, frame, false)
    }
  }

  private readonly expire = (): void => {
    const late = new SkeinError('SKEIN_DEADLINE', `the request did not end within ${this.timeout} ms: ask again later or allow more time`)
    // Finished, but the answer could not leave in time: it is counted already.
    if (this.finished) this.sayError(late, true)
    else this.stop(late, true)
  }

  /** Its place in service is free. */
  private finish(): void {
    if (this.finished) return
    this.finished = true
    if (this.closed) this.timer.cancel()
    this.session.leaveService()
  }

  /** No longer known to the session. */
  private detach(): void {
    if (this.closed) return
    this.timer.cancel()
    this.dispose()
    this.session.forgetServer(this)
  }
}
