import type { ServerResponse } from 'node:http'
import type { Clock } from '../../../base/clock.ts'
import { responseText, type JsonRpcId, type JsonRpcMessage, type JsonRpcRequest } from '../../../wire/json-rpc.ts'
import type { Link, Session, Sessions } from '../ports.ts'
import { sendOutcome } from '../replies.ts'
import { eventText, startSse } from '../sse.ts'
import type { ClientStream, StreamWriter } from './client-stream.ts'
import { createEventLog, MAX_KEPT, MAX_KEPT_LARGE, type EventLog } from './event-log.ts'

export interface RequestOptions {
  accepts: { json: boolean; sse: boolean }
  primed: boolean
  correlation: string | undefined
}

export interface HttpSession {
  /** The value of Mcp-Session-Id: a secret of the client, never sent to other nodes. */
  readonly id: string
  readonly view: string | undefined
  /** Monotonic ms of the last request. */
  used: number
  /** Somebody is waiting for something. */
  readonly busy: boolean
  readonly streaming: boolean
  /** Characters kept for clients that come back. */
  readonly kept: number
  /** False: a request with this id is still running. */
  request(message: JsonRpcRequest, res: ServerResponse, options: RequestOptions): boolean
  /** A notification or a response of the client. */
  receive(message: JsonRpcMessage): void
  /** Makes `res` the stream for messages of the session itself. */
  stream(res: ServerResponse): void
  /** Goes on after that event of a stream that broke. False: nothing is left of that stream. */
  resume(res: ServerResponse, lastEventId: string): boolean
  /** Every 15 s or so: tells those who wait that we are here, and forgets what nobody came back for. */
  tick(now: number): void
  close(reason: string): void
}

export interface HttpSessionDeps {
  downstream: Sessions
  clock: Clock
  streams: StreamWriter
  /** Characters kept for clients that come back, all sessions together. */
  kept(): number
  /** The client's initialize was refused: there is no session. */
  onRefused: (session: HttpSession) => void
}

/** The session's own stream: nothing but events, and no answer. */
const EVENTS_ONLY = { json: false, sse: true }

/**
 * A session of a client of 2025-11-25 or older. Its event streams have ids: when a connection breaks, the call behind it goes on,
 * what it says is kept for a while, and a GET with Last-Event-ID goes on where the client stopped reading.
 */
export function createHttpSession(deps: HttpSessionDeps, options: { id: string; view: string | undefined }): HttpSession {
  const { clock, streams } = deps
  const waiting = new Map<JsonRpcId, ClientStream>()
  let own: ClientStream | undefined
  let log: EventLog<ClientStream> | undefined
  let requests = 0

  /** One event. False: it can never arrive. */
  function push(stream: ClientStream, json: string): boolean {
    if (!stream.started) {
      if (!stream.accepts.sse || !streams.connected(stream)) return false
      streams.start(stream)
    }
    const seq = stream.seq + 1
    const text = eventText(json, `${stream.number}-${seq}`)
    const sent = streams.write(stream, text)
    if (!sent && streams.isForgotten(stream, clock.now())) return false
    stream.seq = seq
    if (sent) stream.sent = seq
    // Large answers are on their way; a second copy is for those that are not, as long as there is room.
    if (text.length <= MAX_KEPT || (!sent && deps.kept() + text.length <= MAX_KEPT_LARGE)) (log ??= createEventLog()).add({ stream, seq, text })
    else if (!sent) return false
    return true
  }

  /** A new connection for a stream: what its client has not got, then whatever comes. */
  function attach(stream: ClientStream, res: ServerResponse, after: number): void {
    streams.reconnect(stream, res)
    for (const event of log?.after(stream, after) ?? []) if (streams.write(stream, event.text)) stream.sent = event.seq
    if (stream.ended !== undefined) streams.end(stream)
    if (stream === own) session.streamOpened()
  }

  function find(number: number): ClientStream | undefined {
    if (number === 0) return own
    for (const stream of waiting.values()) if (stream.number === number) return stream
    return log?.find((stream) => stream.number === number)
  }

  const link: Link = {
    send(message, related) {
      const stream = related === undefined ? own : waiting.get(related)
      if (stream === undefined) return false
      // News can wait for the client, a question of the session itself would wait in vain.
      if (related === undefined && 'id' in message && !streams.connected(stream)) return false
      return push(stream, JSON.stringify(message))
    },
    answer(id, outcome) {
      const stream = waiting.get(id)
      if (stream === undefined) return false
      waiting.delete(id)
      // Only initialize has headers; refused, there is no session to name.
      const refused = stream.headers !== undefined && 'error' in outcome
      if (refused) stream.headers = undefined
      let sent = stream.started || streams.connected(stream)
      if (!stream.started && stream.accepts.json) sendOutcome(stream.res, id, outcome, 200, stream.fresh, stream.headers)
      else {
        sent &&= push(stream, responseText(id, outcome))
        streams.end(stream)
      }
      if (refused) deps.onRefused(self)
      return sent
    },
    dropped(id) {
      const stream = waiting.get(id)
      if (stream === undefined) return
      waiting.delete(id)
      if (!stream.started && streams.connected(stream)) {
        // An event stream without an answer is what the specification has for a cancelled request; 202 where there can be none.
        if (stream.accepts.sse) startSse(stream.res, stream.headers)
        else stream.res.writeHead(202, stream.headers)
      }
      streams.end(stream)
    }
  }
  const session: Session = deps.downstream.open({ view: options.view, transport: 'http', link })

  const self: HttpSession = {
    id: options.id,
    view: options.view,
    used: clock.now(),
    get busy() {
      return waiting.size > 0 || session.running > 0 || self.streaming
    },
    get streaming() {
      return own !== undefined && streams.connected(own)
    },
    get kept() {
      return log?.size ?? 0
    },
    request(message, res, { accepts, primed, correlation }) {
      if (waiting.has(message.id)) return false
      // Only initialize tells the client its session.
      const headers = message.method === 'initialize' ? { 'mcp-session-id': options.id } : undefined
      const stream = streams.create({ number: ++requests, res, accepts, primed, headers })
      waiting.set(message.id, stream)
      try {
        session.receive(message, correlation === undefined ? {} : { correlation })
      } catch (error) {
        waiting.delete(message.id)
        throw error
      }
      stream.fresh = false
      return true
    },
    receive: (message) => session.receive(message),
    stream(res) {
      own ??= streams.create({ number: 0, res, accepts: EVENTS_ONLY, primed: false, headers: undefined })
      attach(own, res, own.sent)
    },
    resume(res, lastEventId) {
      const [, number, seq] = /^(\d{1,10})-(\d{1,10})$/.exec(lastEventId) ?? []
      const stream = number === undefined ? undefined : find(Number(number))
      if (stream === undefined || !stream.started) return false
      // An ended stream that has nothing more to say would be asked for again and again.
      if (stream.ended !== undefined && (log === undefined || log.after(stream, Number(seq)).length === 0)) return false
      attach(stream, res, Number(seq))
      return true
    },
    tick(now) {
      if (own !== undefined) streams.breathe(own, now)
      for (const stream of waiting.values()) streams.breathe(stream, now)
      if (log === undefined) return
      log.prune((stream) => !streams.isForgotten(stream, now))
      if (log.size === 0) log = undefined
    },
    close(reason) {
      session.close(reason)
      for (const id of waiting.keys()) link.dropped(id)
      if (own !== undefined) streams.end(own)
      log = undefined
    }
  }
  return self
}
