import type { Timer } from '../base/clock.ts'
import { ERROR_CODES } from '../base/error-codes.ts'
import { SkeinError, toSkeinError } from '../base/errors.ts'
import { HEADER_BYTES, MAX_DEADLINE_MS, OPEN_FIXED, type CallHeader, type EndHead } from '../wire/rpc-frames.ts'
import { attributesSize, encodeCancel, writeOpen } from '../wire/rpc-encode.ts'
import { Exchange, ITEM, MESSAGE_HEAD } from './exchange.ts'
import type { RequestStatus } from './metrics.ts'
import type { Session } from './session.ts'
import type { Answer, ClientExchange, OpenOptions, SendOptions } from './types.ts'

/** One request of ours, from OPEN to END. */
export class ClientCall extends Exchange implements ClientExchange {
  readonly answer: Promise<Answer>
  readonly method: number
  readonly header: CallHeader | undefined
  readonly attributeBytes: number
  readonly timeout: number
  readonly onMessage: ((body: Uint8Array, renew: boolean) => void) | undefined
  readonly signal: AbortSignal | undefined
  readonly startedAt: number
  expires: number
  /** The outbox's mark when the OPEN was encoded; -1: still in our queue. */
  openMark = -1
  private timer: Timer
  private resolve!: (answer: Answer) => void
  private reject!: (error: SkeinError) => void
  /** The END whose body is in assembly. */
  private ending: EndHead | undefined = undefined
  private readonly onAbort: (() => void) | undefined

  /** @param body is sent by the session after construction */
  constructor(session: Session, method: number, options: OpenOptions) {
    super(session)
    this.method = method
    this.header = options.header
    this.attributeBytes = attributesSize(options.header?.attributes)
    this.timeout = Math.min(MAX_DEADLINE_MS, Math.max(1, Math.ceil(options.timeout)))
    this.onMessage = options.onMessage
    this.signal = options.signal
    this.startedAt = session.clock.now()
    this.expires = this.startedAt + this.timeout
    this.answer = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    this.timer = session.wheel.add(this.timeout, this.expire)
    if (options.signal !== undefined) {
      this.onAbort = () => this.cancelWith(abortError(options.signal as AbortSignal))
      options.signal.addEventListener('abort', this.onAbort, { once: true })
    }
  }

  firstBytes(kind: number): number {
    return kind === ITEM.OPEN ? HEADER_BYTES + OPEN_FIXED + this.attributeBytes : MESSAGE_HEAD
  }

  writeFirst(into: Buffer, at: number, kind: number, more: boolean, bodyBytes: number, renew: boolean): number {
    if (kind !== ITEM.OPEN) return this.writeMessageHead(into, at, more, bodyBytes, renew)
    // Numbered as it leaves, so that ids grow on the wire whatever waited here.
    this.session.number(this)
    const left = Math.max(1, Math.ceil(this.expires - this.session.clock.now()))
    return writeOpen(into, at, this.id, more, this.method, left, this.header, this.attributeBytes, bodyBytes)
  }

  sent(): void {}

  send(message: Uint8Array, options?: SendOptions): void {
    if (this.closed) return
    const renew = options?.renew === true
    if (renew) this.renew()
    this.session.queueMessage(this, message, renew)
  }

  cancel(reason: string | SkeinError = 'the caller gave up'): void {
    this.cancelWith(typeof reason === 'string' ? new SkeinError('SKEIN_CANCELLED', `the request was cancelled: ${reason}`) : reason)
  }

  get load(): number | undefined {
    return this.ending?.load
  }

  pause(): void {
    this.hold()
  }

  resume(): void {
    this.release()
  }

  renew(): void {
    this.timer.cancel()
    this.timer = this.session.wheel.add(this.timeout, this.expire)
    this.expires = this.session.clock.now() + this.timeout
  }

  deliver(message: Uint8Array, renew: boolean): void {
    if (this.onMessage === undefined) return
    try {
      this.onMessage(message, renew)
    } catch (error) {
      this.cancelWith(toSkeinError(error))
    }
  }

  /** The first frame of the answer. */
  end(head: EndHead): void {
    this.ending = head
    if (head.error === undefined) return
    // What was held goes first: the answer is the last thing an exchange says.
    this.release(true)
    this.settle(head.error)
  }

  endBody(body: Uint8Array): void {
    const load = (this.ending as EndHead).load
    this.release(true)
    if (this.closed) return
    const { session } = this
    session.metrics.duration.observe((session.lastSeen - this.startedAt) / 1000)
    session.metrics.client.ok.inc()
    this.free()
    this.resolve({ body, load })
    session.ended()
  }

  overflow(what: string): void {
    this.cancelWith(new SkeinError('SKEIN_LIMIT', `the answer of peer ${this.session.peer} was dropped: ${what}`))
  }

  /** Ends it from our side: the peer is told if it can know about it. */
  cancelWith(error: SkeinError): void {
    if (this.closed) return
    if (this.openMark >= 0) this.session.outbox.sendControl(encodeCancel(this.id, ERROR_CODES[error.code].wire, error.message))
    this.settle(error)
  }

  settle(error: SkeinError): void {
    if (this.closed) return
    this.session.metrics.client[statusOf(error)].inc()
    this.free()
    this.reject(error)
    this.session.ended()
  }

  private readonly expire = (): void => {
    const sent = this.openMark >= 0
    this.cancelWith(
      new SkeinError('SKEIN_DEADLINE', `no answer from peer ${this.session.peer} within ${this.timeout} ms: ask again later or allow more time`, { data: { sent } })
    )
  }

  private free(): void {
    this.timer.cancel()
    if (this.onAbort !== undefined) this.signal?.removeEventListener('abort', this.onAbort)
    this.dispose()
    this.session.forgetClient(this)
  }
}

export function abortError(signal: AbortSignal): SkeinError {
  return toSkeinError(
    signal.reason instanceof SkeinError ? signal.reason : new SkeinError('SKEIN_CANCELLED', 'the request was cancelled by its caller', { cause: signal.reason })
  )
}

export function statusOf(error: SkeinError): RequestStatus {
  switch (error.code) {
    case 'SKEIN_CANCELLED':
      return 'cancelled'
    case 'SKEIN_DEADLINE':
      return 'deadline'
    case 'SKEIN_UNDELIVERED':
    case 'SKEIN_GOAWAY':
      return 'undelivered'
    case 'SKEIN_OUTCOME_UNKNOWN':
      return 'unknown'
    default:
      return 'error'
  }
}
