import type { SkeinError } from '../base/errors.ts'
import type { CallHeader } from '../wire/rpc-frames.ts'
import type { ByteStream } from './ports.ts'

export interface CallOptions {
  /** Time for the whole exchange, ms; renewed by messages sent with `renew`. */
  timeout: number
  signal?: AbortSignal
  header?: CallHeader
}

export interface OpenOptions extends CallOptions {
  /** Messages of the other side, in order, before the answer settles. Without it they are dropped. */
  onMessage?: (body: Uint8Array, renew: boolean) => void
}

/** Bodies are views of received bytes: copy what is kept for long. */
export interface Answer {
  body: Uint8Array
  /** Exchanges in service at the answering node. */
  load: number
}

export interface SendOptions {
  /** Restarts the deadline at both ends. */
  renew?: boolean
}

/** A running request, seen from who asked. */
export interface ClientExchange {
  /** The body belongs to the session until it has left: do not change it. */
  send(message: Uint8Array, options?: SendOptions): void
  /** Settles the answer with SKEIN_CANCELLED, or with the given error, and tells the other side. Idempotent. */
  cancel(reason?: string | SkeinError): void
  /** While paused, messages are held back here and credit is withheld. */
  pause(): void
  resume(): void
  readonly answer: Promise<Answer>
  /** What the other side's END said, also with an error; undefined while, or if, the other side has not ended it. */
  readonly load: number | undefined
  /** Bytes of our messages that wait to leave. */
  readonly queued: number
  /** Told each time one of them has left. One listener. */
  onLeft(listener: () => void): void
}

/** A running request, seen from who serves it. Every handler ends with `end` or `fail`, also after a cancel. */
export interface ServerExchange {
  /** Who asks: for a relayed exchange the node where it began. */
  readonly peer: string
  /** The nodes that passed it on, in order; none if it came from `peer` itself. */
  readonly via: readonly string[]
  readonly method: number
  readonly header: CallHeader
  readonly body: Uint8Array
  /** When it expires, on the injected clock, ms. */
  readonly deadline: number
  /** Further messages of the client; those that came before wait (within the credit window). */
  onMessage(listener: (body: Uint8Array, renew: boolean) => void): void
  /** The client gave up, the deadline passed or the session closed: stop working. Called at once if it has happened already. */
  onCancel(listener: (reason: SkeinError) => void): void
  send(message: Uint8Array, options?: SendOptions): void
  /** @param load what END says of it. @default this node's exchanges in service */
  end(body: Uint8Array, load?: number): void
  fail(error: SkeinError, load?: number): void
  pause(): void
  resume(): void
  /** Bytes of our messages and answer that wait to leave. */
  readonly queued: number
  /** Told each time one of them has left. One listener. */
  onLeft(listener: () => void): void
}

export interface SessionInfo {
  peer: string
  /** Smoothed round trip, ms; undefined until measured. */
  rtt: number | undefined
  /** The peer's load as of its last answer. */
  load: number
  /** Our requests running there. */
  inFlight: number
  /** Its requests running here. */
  inService: number
  /** Bytes waiting in our queue. */
  queueBytes: number
  /** The peer said GOAWAY: it takes nothing new. */
  draining: boolean
  /** Requests wait and nothing comes, not even the answer to a PING: the way is broken, or the peer stands still. */
  stalled: boolean
}

export interface SessionEvent {
  type: 'up' | 'down'
  peer: string
}

export interface Rpc {
  /** Registers the only handler of a method; methods without one answer SKEIN_NOT_FOUND. */
  handle(method: number, handler: (exchange: ServerExchange) => void): void
  /**
   * One request, one answer. Rejects with SKEIN_UNDELIVERED (no session, or nothing of it left), SKEIN_BUSY, SKEIN_GOAWAY
   * (not run: try another peer), SKEIN_LIMIT (too large), SKEIN_DEADLINE, SKEIN_CANCELLED, SKEIN_OUTCOME_UNKNOWN (sent, then the
   * session closed), or whatever error the peer answered.
   */
  call(peer: string, method: number, body: Uint8Array, options: CallOptions): Promise<Answer>
  /** The general form of call: messages both ways until the answer. */
  open(peer: string, method: number, body: Uint8Array, options: OpenOptions): ClientExchange
  /** Takes a session stream the peer opened. */
  accept(peer: string, stream: ByteStream): void
  /** The peer is connected and admitted: see that there is a session. */
  peerUp(peer: string): void
  /** The last connection is gone: sessions are closed. */
  peerDown(peer: string): void
  /** Returns the way to stop listening. */
  onSession(listener: (event: SessionEvent) => void): () => void
  /** The session with this peer stalled, goes on, drains or was replaced: `session` says how it is now. Returns the way to stop listening. */
  onCondition(listener: (peer: string) => void): () => void
  /** Runs the handler of a method on an exchange that came another way; false if there is none. */
  serve(method: number, exchange: ServerExchange): boolean
  /** Exchanges that are only passed on, now: they are not in this node's load. */
  carry(exchanges: number): void
  /**
   * When the peer last gave a sign of life, at most `fresh` ms ago: asks for one if need be, for at most `within` ms. Undefined without
   * a session that takes requests, or without a sign.
   */
  check(peer: string, options: { fresh: number; within: number }): Promise<{ age: number; rtt: number } | undefined>
  /** Something says that the way to this peer may be broken: tries it, so that a stall is noticed although nothing waits. */
  doubt(peer: string): void
  sessions(): SessionInfo[]
  /** The session with one peer: asked for every choice of a provider. */
  session(peer: string): SessionInfo | undefined
  /** Takes nothing new on any session, now or later; what runs finishes. */
  goaway(reason: string): void
  /** The opposite of `goaway`: opens new sessions in place of those that said it; these close when nothing runs on them any more. */
  comeBack(): void
  /** There is a better connection with this peer: opens a new session on it, the old one ends when nothing runs on it any more. Either side may be asked. */
  renew(peer: string): void
  /** No connected peer is left that was told to go away and has no new session yet. */
  readonly welcoming: boolean
  /** Requests of others running here, over all sessions. */
  readonly running: number
  /** Resolves when no request of others runs here and every answer has left. */
  idle(): Promise<void>
  close(): void
}
