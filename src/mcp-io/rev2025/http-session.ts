import type { IncomingHttpHeaders } from 'node:http'
import { sleep, type Clock } from '../../base/clock.ts'
import type { HttpFailure } from '../http-errors.ts'
import { mediaType, readEvents, type StreamCursor } from '../http-answer.ts'
import type { HttpAnswer, HttpClient, HttpOutcome } from '../http-client.ts'

/** The first wait before a broken stream is taken up again, ms; doubled from there. */
const FIRST_DELAY = 1_000
const MAX_DELAY = 30_000
/** Whatever the server asks for: a stream that ends at once must not become a busy loop. */
const MIN_DELAY = 100
/** A stream that held this long was a good one: the next wait is the first again. */
const STEADY = 10_000
/** Tries in a row to take up the stream of a request, 1 + 2 + 4 + 8 s; after that its outcome is unknown. */
const MAX_RESUMES = 5

export interface HttpSessionDeps {
  clock: Clock
  client: HttpClient
  /** Given in the configuration. */
  headers: Readonly<Record<string, string>>
  maxMessageBytes: number
  /** A message of the server's own stream. */
  onData(data: string): void
  onNoise(text: string): void
  /** The server forgot the session, or is gone. */
  onLost(failure: HttpFailure): void
}

/** What makes a session of streamable HTTP up to 2025-11-25: its id, the stream for what the server says by itself, resumption. */
export interface HttpSession {
  /** For every request. */
  headers(): Record<string, string>
  /** Takes what the answer to `initialize` says. */
  opened(headers: IncomingHttpHeaders): void
  negotiated(version: string): void
  /** Whether a refusal means that the session is gone: 404, or the 400 of servers that do not tell the two apart. */
  isGone(status: number, detail: string): boolean
  /**
   * Opens the server's own stream and keeps it open until `signal` aborts; a server may have none. Never rejects. `tried`: it is open
   * now, or was refused.
   */
  listen(signal: AbortSignal, tried: () => void): Promise<void>
  /**
   * Takes up the stream of a request after `cursor`, reading it to its end. False: it cannot be taken up, or not any more. Rejects
   * only when `signal` aborts.
   */
  resume(cursor: StreamCursor, read: (answer: HttpAnswer) => Promise<void>, signal: AbortSignal): Promise<boolean>
  /** Tells the server that we leave. Never rejects. */
  terminate(signal: AbortSignal): Promise<void>
}

export function createHttpSession(deps: HttpSessionDeps): HttpSession {
  const { clock, client } = deps
  let sessionId: string | undefined
  let version: string | undefined

  function headers(): Record<string, string> {
    return { ...deps.headers, ...(sessionId === undefined ? {} : { 'mcp-session-id': sessionId }), ...(version === undefined ? {} : { 'mcp-protocol-version': version }) }
  }
  function get(cursor: StreamCursor, signal: AbortSignal): Promise<HttpOutcome> {
    const position = cursor.lastId === undefined ? {} : { 'last-event-id': cursor.lastId }
    return client.send({ method: 'GET', headers: { ...headers(), ...position, accept: 'text/event-stream', 'accept-encoding': 'identity' }, repeatable: true, signal })
  }
  function isStream(answer: HttpAnswer): boolean {
    return answer.status >= 200 && answer.status < 300 && mediaType(answer.headers) === 'text/event-stream'
  }

  /** One connection of the server's own stream. Undefined: do not try again. */
  async function hear(cursor: StreamCursor, known: boolean, signal: AbortSignal, tried: () => void): Promise<'held' | 'failed' | undefined> {
    const outcome = await get(cursor, signal)
    tried()
    if ('failure' in outcome) {
      if (signal.aborted) return undefined
      if (outcome.failure.kind !== 'unreachable') return 'failed'
      deps.onLost(outcome.failure)
      return undefined
    }
    const { answer } = outcome
    if (isStream(answer)) {
      if (await readEvents(answer.body, deps.maxMessageBytes, cursor, deps.onData)) return 'held'
      deps.onNoise(`the server's own stream brought a message of over ${deps.maxMessageBytes} bytes; it was dropped`)
      return 'failed'
    }
    answer.body.destroy()
    const { status } = answer
    // Before the first stream a 404 only says that there is no such route.
    if (known && status === 404 && sessionId !== undefined) {
      deps.onLost({ kind: 'status', status })
      return undefined
    }
    if (status >= 500 || status === 429) return 'failed'
    if (status !== 405) deps.onNoise(`the server refused the stream for its own messages (HTTP ${status}); changes of its lists will not be noticed`)
    return undefined
  }

  return {
    headers,
    opened(answered) {
      const id = answered['mcp-session-id']
      sessionId = typeof id === 'string' && id !== '' ? id : undefined
    },
    negotiated(spoken) {
      version = spoken
    },
    isGone: (status, detail) => sessionId !== undefined && (status === 404 || (status === 400 && /session/i.test(detail))),
    async listen(signal, tried) {
      const cursor: StreamCursor = { lastId: undefined, retry: undefined }
      let delay = FIRST_DELAY
      let known = false
      while (!signal.aborted) {
        const since = clock.now()
        const ended: Awaited<ReturnType<typeof hear>> = await hear(cursor, known, signal, tried).catch(() => 'held')
        if (ended === undefined) return
        known ||= ended === 'held'
        // A server that closes the stream and says when to come back is polled, as it wishes; any other gets longer and longer pauses.
        const polled = ended === 'held' && cursor.retry !== undefined
        if (polled || clock.now() - since >= STEADY) delay = FIRST_DELAY
        await sleep(clock, Math.max(cursor.retry ?? delay, polled ? MIN_DELAY : delay), { signal }).catch(() => {})
        delay = Math.min(delay * 2, MAX_DELAY)
      }
    },
    async resume(cursor, read, signal) {
      let delay = FIRST_DELAY
      for (let tries = 0; tries < MAX_RESUMES; tries += 1) {
        await sleep(clock, Math.max(cursor.retry ?? delay, MIN_DELAY), { signal })
        delay = Math.min(delay * 2, MAX_DELAY)
        const outcome = await get(cursor, signal)
        signal.throwIfAborted()
        if ('failure' in outcome) continue
        const { answer } = outcome
        if (isStream(answer)) {
          await read(answer)
          return true
        }
        answer.body.destroy()
        if (answer.status < 500 && answer.status !== 429) return false
      }
      return false
    },
    async terminate(signal) {
      if (sessionId === undefined) return
      const leaving = headers()
      sessionId = undefined
      const outcome = await client.send({ method: 'DELETE', headers: leaving, repeatable: true, signal })
      if ('answer' in outcome) outcome.answer.body.destroy()
    }
  }
}
