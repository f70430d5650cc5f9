import type { ServerResponse } from 'node:http'
import type { Clock } from '../../../base/clock.ts'
import { KEEP_ALIVE, PLAIN_FOR, startSse, writeSse } from '../sse.ts'

/** How long the end of a call, or the session's news, waits for a client whose connection broke: a change of network takes seconds. */
const KEPT_FOR = 60_000

/** What a client waits after a broken stream before it comes back, ms: soon, but not at once with all the others. */
const RETRY = 1000

/** The first revision whose clients take an event without data: earlier ones fail on it (SEP-1699). */
const PRIMED_SINCE = '2025-11-25'

/** Whether event streams of POSTs begin with an event that has an id only, so that a client can come back before anything was sent. */
export function isPrimed(version: string | undefined): boolean {
  return version !== undefined && version >= PRIMED_SINCE
}

/** One POSTed request and the way its answer goes back, or the stream of the session itself. */
export interface ClientStream {
  /** The first half of its event ids; 0 is the session's own. */
  readonly number: number
  res: ServerResponse
  readonly accepts: { json: boolean; sse: boolean }
  /** Begins with an event that has an id only. */
  readonly primed: boolean
  headers: Record<string, string> | undefined
  /** Monotonic ms. */
  readonly since: number
  /** The request is being handed in. */
  fresh: boolean
  /** Is an event stream by now; until then a plain JSON answer is possible. */
  started: boolean
  /** Number of the last event. */
  seq: number
  /** The last that went to a connection. */
  sent: number
  /** Monotonic ms: since when nobody is connected, undefined while somebody is. */
  left: number | undefined
  /** Monotonic ms: the answer is given, or there will be none. */
  ended: number | undefined
}

export type StreamInit = Pick<ClientStream, 'number' | 'res' | 'accepts' | 'primed' | 'headers'>

/** What can be done with a stream whose client may have left; one for all sessions. */
export interface StreamWriter {
  create(init: StreamInit): ClientStream
  connected(stream: ClientStream): boolean
  /** Turns it into an event stream; somebody is connected. */
  start(stream: ClientStream): void
  /** False: nobody is there, or no longer. */
  write(stream: ClientStream, text: string): boolean
  /** A new connection in place of the one that broke. */
  reconnect(stream: ClientStream, res: ServerResponse): void
  end(stream: ClientStream): void
  /** Keeps proxies and clients from giving up on a silent connection. */
  breathe(stream: ClientStream, now: number): void
  /** Nobody came back for it. A call that still runs is waited for as long as it runs. */
  isForgotten(stream: ClientStream, now: number): boolean
}

export function createStreamWriter({ clock, onSlow }: { clock: Clock; onSlow: () => void }): StreamWriter {
  const writer: StreamWriter = {
    create: (init) => ({ ...init, since: clock.now(), fresh: true, started: false, seq: 0, sent: 0, left: undefined, ended: undefined }),
    connected(stream) {
      if (stream.left !== undefined) return false
      if (!stream.res.destroyed) return true
      stream.left = clock.now()
      return false
    },
    start(stream) {
      stream.started = true
      startSse(stream.res, stream.headers)
      if (stream.primed) stream.res.write(`id: ${stream.number}-0\nretry: ${RETRY}\ndata: \n\n`)
    },
    write: (stream, text) => writer.connected(stream) && writeSse(stream.res, text, onSlow),
    reconnect(stream, res) {
      // The client has left that connection, even if its end has not reached us.
      if (stream.res !== res) stream.res.destroy()
      stream.res = res
      stream.left = undefined
      stream.started = true
      startSse(res)
      res.write(KEEP_ALIVE)
    },
    end(stream) {
      stream.ended ??= clock.now()
      if (writer.connected(stream)) stream.res.end()
    },
    breathe(stream, now) {
      if (!stream.accepts.sse || !writer.connected(stream)) return
      if (!stream.started) {
        if (now - stream.since < PLAIN_FOR) return
        writer.start(stream)
      }
      writer.write(stream, KEEP_ALIVE)
    },
    isForgotten(stream, now) {
      const since = stream.number === 0 ? stream.left : stream.ended
      return since !== undefined && now - since > KEPT_FOR
    }
  }
  return writer
}
