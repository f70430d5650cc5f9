import type { Clock, Timer } from '../../base/clock.ts'
import type { McpOutcome } from '../ports.ts'
import type { Json, JsonRpcId, JsonRpcMessage, JsonRpcResponse } from '../../wire/json-rpc.ts'
import { METHOD_NOT_FOUND, sessionError, SERVER_ERROR } from './errors.ts'

/** A person reads and answers a few questions at a time; more is a runaway server. */
const MAX_SERVER_REQUESTS = 64

/** A person may be asked, who may be away for a coffee. */
const SERVER_REQUEST_TIMEOUT = 10 * 60_000

/** What a server may ask of a client, and the capability the client must have declared for it. */
const NEEDS = new Map([
  ['sampling/createMessage', 'sampling'],
  ['elicitation/create', 'elicitation'],
  ['roots/list', 'roots']
])

interface Pending {
  related: JsonRpcId
  timer: Timer
  settle(outcome: McpOutcome): void
}

/** Requests of servers to this session's client, under ids of our own. */
export interface ServerRequests {
  ask(method: string, params: Json | undefined, related: JsonRpcId, capabilities: Json): Promise<McpOutcome>
  /** The client's answer; false if we did not ask. */
  answered(response: JsonRpcResponse): boolean
  /** The call that caused them is over: the client need not answer any more. */
  callEnded(related: JsonRpcId): void
  close(): void
}

const refused = (message: string): McpOutcome => ({ error: sessionError(SERVER_ERROR, 'SKEIN_SESSION_CLOSED', message) })

export function createServerRequests(deps: { clock: Clock; send: (message: JsonRpcMessage, related: JsonRpcId) => boolean }): ServerRequests {
  const pending = new Map<JsonRpcId, Pending>()
  let count = 0

  function finish(id: JsonRpcId, outcome: McpOutcome): boolean {
    const entry = pending.get(id)
    if (entry === undefined) return false
    pending.delete(id)
    entry.timer.cancel()
    entry.settle(outcome)
    return true
  }

  function withdraw(id: JsonRpcId, entry: Pending, reason: string): void {
    if (finish(id, refused(reason))) deps.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id, reason } }, entry.related)
  }

  return {
    ask(method, params, related, capabilities) {
      const needs = NEEDS.get(method)
      if (needs === undefined || capabilities[needs] === undefined) {
        const message = `The client cannot answer ${method.slice(0, 128)}: it did not declare ${needs === undefined ? 'it' : `the capability "${needs}"`} when it connected.`
        return Promise.resolve({ error: { code: METHOD_NOT_FOUND, message } })
      }
      if (pending.size >= MAX_SERVER_REQUESTS) {
        return Promise.resolve({
          error: sessionError(SERVER_ERROR, 'SKEIN_BUSY', `The client already has ${MAX_SERVER_REQUESTS} unanswered requests: wait for an answer before asking again.`)
        })
      }
      const id = `skein-${++count}`
      return new Promise((settle) => {
        const entry: Pending = {
          related,
          settle,
          timer: deps.clock.after(SERVER_REQUEST_TIMEOUT, () => withdraw(id, entry, `The client did not answer ${method} within ${SERVER_REQUEST_TIMEOUT / 60_000} minutes.`))
        }
        pending.set(id, entry)
        const sent = deps.send(params === undefined ? { jsonrpc: '2.0', id, method } : { jsonrpc: '2.0', id, method, params }, related)
        if (!sent) finish(id, refused(`The client cannot be asked ${method}: it left, or it does not accept event streams.`))
      })
    },
    answered(response) {
      if (response.id === null) return false
      if (response.error !== undefined) return finish(response.id, { error: response.error })
      return finish(response.id, { result: response.result ?? {} })
    },
    callEnded(related) {
      // Nearly always empty: only calls whose server asks something pay for the walk.
      for (const [id, entry] of pending) if (entry.related === related) withdraw(id, entry, 'The call that asked is over.')
    },
    close() {
      for (const id of pending.keys()) finish(id, refused('The client disconnected.'))
    }
  }
}
