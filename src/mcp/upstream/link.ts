import type { JsonRpcId, JsonRpcMessage, Json, JsonRpcError } from '../../wire/json-rpc.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { MessageOrigin, UpstreamTransport } from '../ports.ts'
import { errorMessage, isSkeinError, SkeinError } from '../../base/errors.ts'
import { INTERNAL_ERROR } from '../../wire/mcp-spec.ts'
import { MAY_HAVE_RUN } from '../failed-call.ts'
import { createCallTable, type CallEnd, type Caller, type CallTable, type PendingCall } from './calls.ts'
import { answerOf, ownId, type Answer } from './messages.ts'

export type Headers = Readonly<Record<string, string>>

export interface StartOptions {
  caller?: Caller
  timeout: number | undefined
  /** Called once. */
  ended(end: CallEnd): void
}

/** Requests and answers over one transport, in whatever era. */
export interface Link {
  readonly calls: CallTable
  readonly over: boolean
  /** Why the link ended, if it did and not by our wish. */
  readonly error: Error | undefined
  /** The handshake is done: before, nothing is cancelled, for it must not be, says the specification. */
  established: boolean
  /** A call that is not sent yet: whoever needs to know it can be told before anything comes of it. */
  prepare(options: StartOptions): PendingCall
  /** Sends it; the caller's progress token becomes ours. */
  submit(call: PendingCall, method: string, params: Json, headers?: Headers): void
  /** A request of our own. Rejects like a call that has no answer. */
  request(method: string, params: Json, timeout: number, headers?: Headers): Promise<Answer>
  notify(method: string, params?: Json): void
  /** Answers a request of the server. */
  answer(id: JsonRpcId, outcome: { result: Json } | { error: JsonRpcError }): void
  /** Tells the server that nobody waits for this any more; the call itself is the caller's to finish. */
  cancel(call: PendingCall, reason: string): void
  /** A response of the server. */
  settle(message: JsonRpcMessage, origin: MessageOrigin): void
  /** The transport ended. */
  end(error: Error | undefined): void
}

/** The half of a connection that both eras share. `suspended()`: see the call table. */
export function createLink(deps: { clock: Clock; logger: Logger }, transport: UpstreamTransport, suspended: () => boolean): Link {
  const { clock, logger } = deps
  const calls = createCallTable(clock, suspended)
  let over = false
  let linkError: Error | undefined

  function why(): string {
    return linkError === undefined ? '' : `: ${linkError.message}`
  }
  function unknownError(): SkeinError {
    return new SkeinError('SKEIN_OUTCOME_UNKNOWN', `The server went away while the request was running${why()}. ${MAY_HAVE_RUN}`)
  }
  function send(message: JsonRpcMessage, headers?: Headers): Promise<void> {
    if (over) return Promise.reject(new SkeinError('SKEIN_UPSTREAM_DOWN', `The connection to the server is closed${why()}. The request was not run; try again.`))
    try {
      return headers === undefined ? transport.send(message) : transport.send(message, { headers })
    } catch (cause) {
      // All that can be wrong before a message is written: it is too large or nested too deeply for JSON.stringify.
      return Promise.reject(new SkeinError('SKEIN_LIMIT', `The message cannot be written as JSON (${errorMessage(cause)}): it was not sent. Send less, or less deeply nested.`, { cause }))
    }
  }
  /** For what nobody waits for, such as a cancellation. */
  function sendQuietly(message: JsonRpcMessage): void {
    send(message).catch((error: unknown) => logger.debug('a message for the server was not delivered', { error: errorMessage(error) }))
  }
  function cancel(call: PendingCall, reason: string): void {
    if (link.established) sendQuietly({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: call.id, reason } })
  }

  const link: Link = {
    calls,
    get over() {
      return over
    },
    get error() {
      return linkError
    },
    established: false,
    prepare: (options) => calls.add({ ...options, expired: (late) => cancel(late, 'timed out') }),
    submit(call, method, params, headers) {
      // The id is unique on this connection, so it serves as the token too.
      const own = call.caller?.token === undefined ? params : { ...params, _meta: { ...(params._meta as Json), progressToken: call.id } }
      send({ jsonrpc: '2.0', id: call.id, method, params: own }, headers).then(
        () => {
          call.handed = true
          if (over) call.finish({ failure: unknownError() })
        },
        (error: unknown) => {
          const known = isSkeinError(error, 'SKEIN_OUTCOME_UNKNOWN', 'SKEIN_BUSY', 'SKEIN_UPSTREAM_INVALID', 'SKEIN_LIMIT', 'SKEIN_UPSTREAM_DOWN')
          call.finish({ failure: known ? error : new SkeinError('SKEIN_UPSTREAM_DOWN', `The server was not reached: ${errorMessage(error)}`, { cause: error }) })
        }
      )
    },
    request(method, params, timeout, headers) {
      return new Promise((resolve, reject) => {
        const call = link.prepare({ timeout, ended: (end) => ('answer' in end ? resolve(end.answer) : reject(end.failure)) })
        link.submit(call, method, params, headers)
      })
    },
    notify(method, params) {
      sendQuietly(params === undefined ? { jsonrpc: '2.0', method } : { jsonrpc: '2.0', method, params })
    },
    answer(id, outcome) {
      send({ jsonrpc: '2.0', id, ...outcome }).catch((error: unknown) => {
        logger.debug('an answer for the server was not delivered', { error: errorMessage(error) })
        // The server waits: an answer that cannot be written is an error.
        if (isSkeinError(error, 'SKEIN_LIMIT')) sendQuietly({ jsonrpc: '2.0', id, error: { code: INTERNAL_ERROR, message: error.message } })
      })
    },
    cancel,
    settle(message, origin) {
      const { id } = message as { id?: JsonRpcId | null }
      // An error without an id answers something we cannot know, unless it came on the stream of a request of its own.
      const own = ownId(id ?? origin.related)
      const call = own === undefined ? undefined : calls.get(own)
      if (call === undefined) return logger.debug('the server answered something that is not running any more', { id })
      const answer = answerOf(message as never, origin.resultText)
      if (answer !== undefined) return call.finish({ answer })
      call.finish({ failure: new SkeinError('SKEIN_UPSTREAM_INVALID', 'The server answered with neither a result object nor an error. It ran the request; report this to its authors.') })
    },
    end(error) {
      if (over) return
      over = true
      linkError = error
      // Those still being sent end when the transport says whether they were taken.
      for (const call of calls.all()) if (call.handed) call.finish({ failure: unknownError() })
    }
  }
  return link
}
