import { SkeinError, toSkeinError } from '../base/errors.ts'
import type { Timer } from '../base/clock.ts'
import { createListeners } from '../base/listeners.ts'
import { createTimerWheel } from '../base/timer-wheel.ts'
import { MAX_FEDERATION_BYTES } from '../wire/rpc-frames.ts'
import { abortError, type ClientCall } from './client-exchange.ts'
import { DEFAULT_LIMITS, type RpcLimits } from './limits.ts'
import { createLinks } from './links.ts'
import { createRpcMetrics } from './metrics.ts'
import type { RpcDeps } from './ports.ts'
import { refusalOf } from './refusal.ts'
import type { Session } from './session.ts'
import type { SessionShared } from './session-shared.ts'
import type { OpenOptions, Rpc, SessionEvent, SessionInfo } from './types.ts'

export interface RpcOptions {
  /** Our own peer id. */
  self: string
  federation: string
  /** Unix ms when this process started. */
  bootId: bigint
  limits?: Partial<RpcLimits>
  /** Runs the flush at the end of the tick. @default process.nextTick: after the promises of the tick */
  schedule?: (flush: () => void) => void
}

/** Pings and dead sessions are looked after this often, ms: fine enough for limits of many seconds. */
const SWEEP_MS = 1_000

/** Requests between nodes: one session per peer, many exchanges on it (protocols/rpc.md). */
export function createRpc(deps: RpcDeps, options: RpcOptions): Rpc {
  const { clock, random, logger } = deps
  const metrics = createRpcMetrics(deps.meter)
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const wheel = createTimerWheel(clock)
  if (Buffer.byteLength(options.federation) > MAX_FEDERATION_BYTES) {
    throw new SkeinError('SKEIN_LIMIT', `the federation id is over ${MAX_FEDERATION_BYTES} bytes: use its hash`)
  }
  const listeners = createListeners<[SessionEvent]>(logger, 'a session listener')
  const conditionListeners = createListeners<[string]>(logger, 'a session listener')
  let idleWaiters: (() => void)[] = []
  let sweeper: Timer | undefined
  let closed = false

  const shared: SessionShared = {
    clock,
    wheel,
    logger,
    metrics,
    limits,
    schedule: options.schedule ?? ((flush) => process.nextTick(flush)),
    handlers: new Map(),
    federation: options.federation,
    boot: options.bootId,
    service: { running: 0, carried: 0, onIdle },
    randomBytes: (n) => random.bytes(n)
  }
  const links = createLinks({ shared, opener: deps.opener, random, self: options.self, emit, condition })

  /** Nothing of others runs here and no answer waits for its turn or for credit: what is done but not sent is lost with the session. */
  function isIdle(): boolean {
    if (shared.service.running > 0) return false
    for (const session of links.all()) if (session.servers.size > 0) return false
    return true
  }

  function onIdle(): void {
    if (idleWaiters.length === 0 || (!closed && !isIdle())) return
    const waiting = idleWaiters
    idleWaiters = []
    for (const resolve of waiting) resolve()
  }

  function emit(event: SessionEvent): void {
    listeners.tell(event)
  }

  function condition(peer: string): void {
    conditionListeners.tell(peer)
  }

  function sweep(): void {
    const now = clock.now()
    for (const session of links.all()) session.tick(now)
    sweeper = closed ? undefined : clock.after(SWEEP_MS, sweep)
  }
  sweeper = clock.after(SWEEP_MS, sweep)

  deps.meter.onCollect(() => {
    let inFlight = 0
    let queued = 0
    let buffered = 0
    for (const session of links.all()) {
      inFlight += session.clients.size + session.waiting.size
      queued += session.outbox.queueBytes
      buffered += session.buffered
    }
    metrics.inFlightClient.set(inFlight)
    metrics.inFlightServer.set(shared.service.running)
    metrics.sessions.set(links.actives().length)
    metrics.queueBytes.set(queued)
    metrics.bufferedBytes.set(buffered)
  })

  /** Throws what makes the request impossible here and now. */
  function request(peer: string, method: number, body: Uint8Array, call: OpenOptions): ClientCall {
    if (call.signal?.aborted === true) throw abortError(call.signal)
    const session = links.active(peer)
    if (session === undefined) {
      throw new SkeinError('SKEIN_UNDELIVERED', `there is no session with peer ${peer}: use another provider or wait until it is connected`)
    }
    const refusal = refusalOf(session, body.length)
    if (refusal !== undefined) throw refusal
    return session.request(method, body, call)
  }

  function refused(error: unknown): SkeinError {
    const reason = toSkeinError(error)
    metrics.client[reason.code === 'SKEIN_CANCELLED' ? 'cancelled' : 'undelivered'].inc()
    return reason
  }

  return {
    handle(method, handler) {
      if (shared.handlers.has(method)) throw new Error(`method ${method} has a handler already`)
      shared.handlers.set(method, handler)
    },
    call(peer, method, body, call) {
      try {
        return request(peer, method, body, call).answer
      } catch (error) {
        return Promise.reject(refused(error))
      }
    },
    open(peer, method, body, call) {
      try {
        const exchange = request(peer, method, body, call)
        // Whoever opens an exchange may not look at its answer.
        exchange.answer.catch(() => {})
        return exchange
      } catch (error) {
        const answer = Promise.reject(refused(error))
        answer.catch(() => {})
        return { answer, load: undefined, queued: 0, send() {}, cancel() {}, pause() {}, resume() {}, onLeft() {} }
      }
    },
    accept: (peer, stream) => links.accept(peer, stream),
    peerUp: (peer) => links.peerUp(peer),
    peerDown: (peer) => links.peerDown(peer),
    onSession: (listener) => listeners.add(listener),
    onCondition: (listener) => conditionListeners.add(listener),
    serve(method, exchange) {
      const handler = shared.handlers.get(method)
      handler?.(exchange)
      return handler !== undefined
    },
    carry(exchanges) {
      shared.service.carried = exchanges
    },
    check(peer, { fresh, within }) {
      const session = links.active(peer)
      if (session === undefined || session.state !== 'ready' || session.draining || session.stall.stalled) return Promise.resolve(undefined)
      const sign = () => ({ age: clock.now() - session.lastSeen, rtt: session.pinger.rtt ?? 0 })
      if (sign().age <= fresh) return Promise.resolve(sign())
      return new Promise((resolve) => session.stall.sign(within, (alive) => resolve(alive ? sign() : undefined)))
    },
    doubt: (peer) => links.active(peer)?.stall.doubt(),
    sessions: () => links.actives().map(infoOf),
    session(peer) {
      const session = links.active(peer)
      return session && infoOf(session)
    },
    goaway: (reason) => links.goaway(reason),
    comeBack: () => links.comeBack(),
    renew: (peer) => links.renew(peer),
    get welcoming() {
      return links.welcoming
    },
    get running() {
      return shared.service.running
    },
    idle: () => (isIdle() ? Promise.resolve() : new Promise((resolve) => idleWaiters.push(resolve))),
    close() {
      if (closed) return
      closed = true
      links.close()
      sweeper?.cancel()
      wheel.stop()
      onIdle()
    }
  }
}

function infoOf(session: Session): SessionInfo {
  return {
    peer: session.peer,
    rtt: session.pinger.rtt,
    load: session.peerLoad,
    inFlight: session.clients.size + session.waiting.size,
    inService: session.inService,
    queueBytes: session.outbox.queueBytes,
    draining: session.goawayReceived,
    stalled: session.stall.stalled
  }
}
