import type { Clock, Timer } from '../base/clock.ts'
import { SkeinError, toSkeinError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { TimerWheel } from '../base/timer-wheel.ts'
import { FRAME_COST, GOAWAY_REASON, type HelloFrame } from '../wire/rpc-frames.ts'
import { encodeCredit, encodeEndError, encodeGoaway, encodeHello } from '../wire/rpc-encode.ts'
import { createSplitter, type Splitter } from '../wire/rpc-splitter.ts'
import { ClientCall } from './client-exchange.ts'
import { ITEM, type Exchange } from './exchange.ts'
import { receive } from './inbox.ts'
import type { RpcLimits } from './limits.ts'
import type { RpcMetrics } from './metrics.ts'
import { Outbox } from './outbox.ts'
import { createPinger, type Pinger } from './pinger.ts'
import type { ByteStream } from './ports.ts'
import { undelivered } from './refusal.ts'
import type { ServerCall } from './server-exchange.ts'
import type { SessionEvents, SessionShared } from './session-shared.ts'
import { createStallWatch, type StallWatch } from './stall.ts'
import { ExchangeTable } from './table.ts'
import type { OpenOptions } from './types.ts'

/** One stream to one peer and the exchanges on it. Ids of the stream's opener are odd, the other's even. */
export class Session {
  readonly peer: string
  /** We opened the stream. */
  readonly opener: boolean
  readonly nonce: bigint
  readonly shared: SessionShared
  readonly clock: Clock
  readonly wheel: TimerWheel
  readonly limits: RpcLimits
  readonly metrics: RpcMetrics
  readonly logger: Logger
  readonly outbox: Outbox
  readonly pinger: Pinger
  readonly stall: StallWatch
  hello: HelloFrame | undefined = undefined
  state: 'greeting' | 'ready' | 'closed' = 'greeting'
  peerWindow = 0
  peerMaxBody = 0
  peerLoad = 0
  lastSeen: number
  /** Bytes of bodies in assembly or held back. */
  buffered = 0
  inService = 0
  /** Highest id the peer has opened. */
  lastOpened = 0
  /** Highest id of an OPEN that crossed our GOAWAY: what else comes of it is ignored too. */
  lastIgnored = 0
  goawaySent = false
  goawayReceived = false
  /** It gave way to another: it closes as soon as nothing runs. */
  retiring = false
  /** The peer is going away for good: another session to it would say the same. */
  leaving = false
  private exhausted = false
  readonly clients = new ExchangeTable<ClientCall>()
  readonly servers = new ExchangeTable<ServerCall>()
  /** Our requests whose OPEN has not been encoded. */
  readonly waiting = new Set<ClientCall>()
  framesIn = 0
  private nextId: number
  private readonly stream: ByteStream
  private readonly events: SessionEvents
  private readonly splitter: Splitter
  private readonly helloTimer: Timer
  private paused = false

  constructor(shared: SessionShared, events: SessionEvents, peer: string, stream: ByteStream, opener: boolean, nonce: bigint) {
    this.shared = shared
    this.events = events
    this.peer = peer
    this.stream = stream
    this.opener = opener
    this.nonce = nonce
    this.clock = shared.clock
    this.wheel = shared.wheel
    this.limits = shared.limits
    this.metrics = shared.metrics
    this.logger = shared.logger
    this.lastSeen = shared.clock.now()
    this.nextId = opener ? 1 : 2
    this.outbox = new Outbox(stream, { ...shared, bytesOut: shared.metrics.bytesOut })
    this.pinger = createPinger(this)
    this.stall = createStallWatch(this, () => events.condition(this))
    this.splitter = createSplitter(shared.limits.maxFrame, (type, id, bytes, start, end) => {
      this.framesIn++
      receive(this, type, id, bytes, start, end)
      return this.state !== 'closed'
    })
    this.helloTimer = shared.wheel.add(shared.limits.helloTimeout, () => {
      this.abort(new SkeinError('SKEIN_SESSION_CLOSED', `peer ${peer} sent no HELLO within ${shared.limits.helloTimeout} ms: is it overloaded?`))
    })
  }

  /** Says HELLO and listens. */
  start(): void {
    const { limits } = this
    this.outbox.sendControl(
      encodeHello({
        version: 1,
        boot: this.shared.boot,
        nonce: this.nonce,
        maxFrame: limits.maxFrame,
        window: limits.window,
        maxConcurrent: limits.maxConcurrent,
        maxBody: limits.maxBody,
        federation: this.shared.federation
      })
    )
    this.stream.attach({
      data: (bytes) => this.data(bytes),
      drain: () => {
        this.outbox.drain()
        this.checkPressure()
        this.ended()
      },
      closed: (error) =>
        this.close(new SkeinError('SKEIN_SESSION_CLOSED', `the session with peer ${this.peer} ended: ${error?.message ?? 'closed by the peer'}`, { cause: error }), false)
    })
  }

  /** Starts a request; `refusal` was asked before. */
  request(method: number, body: Uint8Array, options: OpenOptions): ClientCall {
    const call = new ClientCall(this, method, options)
    this.waiting.add(call)
    this.outbox.send(call, ITEM.OPEN, body, false)
    this.stall.asked()
    return call
  }

  /** Gives a request its id, at the moment its OPEN is encoded. */
  number(call: ClientCall): void {
    call.id = this.nextId
    this.nextId += 2
    call.openMark = this.outbox.mark
    this.waiting.delete(call)
    this.clients.add(call)
    // Not now: a frame is being encoded.
    if (this.nextId > this.limits.maxExchangeId && !this.exhausted) this.shared.schedule(() => this.exhaust())
  }

  /** One of our own exchanges, running or over. */
  wasOurs(id: number): boolean {
    return id > 0 && id < this.nextId
  }

  /** Neither side may count on it for new requests. */
  get draining(): boolean {
    return this.goawaySent || this.goawayReceived
  }

  /** Exchange ids ran out: the next session takes what is new. */
  get isExhausted(): boolean {
    return this.exhausted
  }

  private exhaust(): void {
    this.exhausted = true
    // It retires when its successor is ready.
    this.goaway(GOAWAY_REASON.EXHAUSTED, 'exchange ids ran out', false)
    this.events.goaway(this)
  }

  /** Queues a message; an exchange with more in its queue than one largest body is ended instead. */
  queueMessage(exchange: Exchange, body: Uint8Array, renew: boolean): void {
    if (body.length > this.peerMaxBody || exchange.queuedBytes > this.limits.maxBody + this.limits.maxQueue) {
      exchange.overflow(`a message of ${body.length} bytes behind ${exchange.queuedBytes} waiting ones is more than peer ${this.peer} takes`)
      return
    }
    this.outbox.send(exchange, ITEM.MESSAGE, body, renew)
  }

  /** Gives consumed credit back, half a window at a time. */
  giveCredit(exchange: Exchange): void {
    if (exchange.holding || exchange.consumed < this.limits.window / 2) return
    const bytes = exchange.consumed
    exchange.consumed = 0
    exchange.window += bytes
    this.outbox.sendControl(encodeCredit(exchange.id, bytes))
  }

  /** The same while messages are held: the request's own body is never held. */
  giveCreditNow(exchange: Exchange): void {
    const { holding } = exchange
    exchange.holding = false
    this.giveCredit(exchange)
    exchange.holding = holding
  }

  /** What is only passed on to others is no work of this node. */
  load(): number {
    const { running, carried } = this.shared.service
    return Math.min(0xffff, Math.max(0, running - carried))
  }

  /** We do not read now, for our own queue is full: silence says nothing. */
  get isPaused(): boolean {
    return this.paused
  }

  /** Refuses an OPEN that is not run. */
  refuse(id: number, error: SkeinError): void {
    if (error.code === 'SKEIN_BUSY') this.metrics.refused.inc()
    this.outbox.sendControl(encodeEndError(id, this.load(), error))
  }

  enterService(): void {
    this.inService++
    this.shared.service.running++
  }

  leaveService(): void {
    this.inService--
    if (--this.shared.service.running === 0) this.shared.service.onIdle()
    this.ended()
  }

  forgetClient(call: ClientCall): void {
    if (call.openMark < 0) this.waiting.delete(call)
    else this.clients.delete(call.id)
  }

  forgetServer(call: ServerCall): void {
    this.servers.delete(call.id)
    if (this.servers.size === 0) this.shared.service.onIdle()
    this.ended()
  }

  /** An exchange is over: a session that gave way closes after its last one, when all has left. */
  ended(): void {
    if (this.retiring && this.state !== 'closed' && this.nothingRuns) this.shared.schedule(this.retire)
  }

  /** Takes no new exchanges of the peer; with `retire` it also closes when the last one has ended. */
  goaway(code: number, reason: string, retire: boolean): void {
    if (this.state === 'closed') return
    if (!this.goawaySent) this.outbox.sendControl(encodeGoaway(this.lastOpened, code, reason))
    this.goawaySent = true
    this.retiring ||= retire
    this.ended()
  }

  /** The peer's GOAWAY: what it did not accept was not run. */
  receivedGoaway(last: number, code: number, reason: string): void {
    this.goawayReceived = true
    this.leaving ||= code === GOAWAY_REASON.LEAVING
    const gone = [...this.waiting, ...this.clients.list().filter((call) => call.id > last)]
    for (const call of gone) call.settle(new SkeinError('SKEIN_GOAWAY', `peer ${this.peer} takes no new requests (${reason}): use another provider`))
    this.events.goaway(this)
    this.ended()
  }

  receivedHello(hello: HelloFrame): void {
    this.helloTimer.cancel()
    this.hello = hello
    this.peerWindow = hello.window
    this.peerMaxBody = hello.maxBody
    this.outbox.peerMaxFrame = hello.maxFrame
    this.state = 'ready'
    this.pinger.ping()
    this.events.ready(this)
  }

  /** Closes in good order: what was handed to the stream still goes. */
  end(error: SkeinError): void {
    this.outbox.flushNow()
    this.close(error, false)
  }

  /** Closes with an error towards the peer. */
  abort(error: SkeinError): void {
    this.close(error, true)
  }

  /** Every second: pings, and the end of sessions that are dead or stuck. */
  tick(now: number): void {
    if (this.state !== 'ready') return
    if (this.outbox.blocked && now - this.outbox.blockedSince >= this.limits.silence) {
      return this.abort(new SkeinError('SKEIN_SESSION_CLOSED', `peer ${this.peer} has read nothing for ${this.limits.silence} ms`))
    }
    // While we do not read, silence says nothing.
    if (this.paused) this.lastSeen = now
    if (now - this.lastSeen >= this.limits.silence) {
      return this.abort(new SkeinError('SKEIN_SESSION_CLOSED', `nothing came from peer ${this.peer} for ${this.limits.silence} ms`))
    }
    this.pinger.tick(now)
    this.checkPressure()
  }

  /** Bytes of an exchange were received: takes them from its window, or throws. */
  charge(exchange: Exchange, bodyBytes: number): boolean {
    const cost = bodyBytes + FRAME_COST
    exchange.window -= cost
    exchange.consumed += cost
    return exchange.window >= 0
  }

  private data(bytes: Uint8Array): void {
    if (this.state === 'closed') return
    this.lastSeen = this.clock.now()
    if (this.stall.listening) this.stall.heard()
    this.metrics.bytesIn.inc(bytes.length)
    this.framesIn = 0
    try {
      this.splitter.push(bytes)
    } catch (error) {
      this.broken(toSkeinError(error))
    }
    this.metrics.framesIn.inc(this.framesIn)
    if (this.paused || this.outbox.queueBytes > this.limits.maxQueue) this.checkPressure()
  }

  /** Says which rule was broken, then resets the stream. */
  private broken(error: SkeinError): void {
    if (error.code === 'SKEIN_PROTOCOL') this.metrics.protocolErrors.inc()
    this.logger.warn('closing an RPC session', { peer: this.peer, error: error.message, code: error.code })
    this.outbox.sendControl(encodeGoaway(this.lastOpened, GOAWAY_REASON.PROTOCOL, error.message))
    this.outbox.flushNow()
    this.abort(error)
  }

  /** Stops reading while our own queue is over its bound, so that answers cannot pile up. */
  private checkPressure(): void {
    if (this.state === 'closed') return
    const { queueBytes } = this.outbox
    if (!this.paused && queueBytes > this.limits.maxQueue) {
      this.paused = true
      this.stream.pause()
    } else if (this.paused && queueBytes <= this.limits.maxQueue / 2) {
      this.paused = false
      this.lastSeen = this.clock.now()
      this.stream.resume()
    }
  }

  private get nothingRuns(): boolean {
    return this.clients.size + this.servers.size + this.waiting.size === 0
  }

  private readonly retire = (): void => {
    if (this.state === 'closed' || !this.nothingRuns) return
    this.outbox.flushNow()
    // Otherwise the next drain asks again.
    if (this.outbox.empty) this.end(new SkeinError('SKEIN_SESSION_CLOSED', `the session with peer ${this.peer} gave way to another`))
  }

  private close(error: SkeinError, reset: boolean): void {
    if (this.state === 'closed') return
    const { mark } = this.outbox
    this.state = 'closed'
    this.helloTimer.cancel()
    this.stall.stop()
    // Settled before anything is freed.
    for (const call of this.waiting) call.settle(undelivered(this.peer, error))
    for (const call of this.clients.list()) {
      call.settle(
        call.openMark >= mark
          ? undelivered(this.peer, error)
          : new SkeinError('SKEIN_OUTCOME_UNKNOWN', `the session with peer ${this.peer} ended while the request ran there: it may or may not have been done`, { cause: error })
      )
    }
    for (const call of this.servers.list()) call.stop(error, false)
    this.outbox.stop()
    if (reset) this.stream.abort(error)
    else this.stream.close()
    this.events.closed(this, error)
  }
}
