import type { Clock, Timer } from '../../../base/clock.ts'
import { errorMessage } from '../../../base/errors.ts'
import type { Counter } from '../../../base/meter.ts'
import type { Json, JsonRpcError, JsonRpcId, JsonRpcNotification, JsonRpcRequest, JsonRpcResponse } from '../../../wire/json-rpc.ts'
import { METHOD_NOT_FOUND, SERVER_ERROR } from '../../../wire/mcp-spec.ts'
import { MAX_NAMED, sessionError } from '../errors.ts'

/** A person reads and answers a few questions at a time; more is a runaway server. */
const MAX_QUESTIONS = 64

/** A person may be asked, who may be away for a coffee; half a minute less than a parked call lives, so that the server still hears of it. */
const QUESTION_TIMEOUT = 9.5 * 60_000

export type Answer = { result: Json } | { error: JsonRpcError }

interface Pending {
  related: JsonRpcId
  timer: Timer
  settle(answer: Answer): void
}

/** Requests of servers to this session's client, under ids of our own. */
export interface Questions {
  /** The client's answer, or an error that says why there is none. Never rejects. */
  ask(method: string, params: Json | undefined, related: JsonRpcId, capabilities: Json): Promise<Answer>
  /** The client's answer; false if we did not ask. */
  answered(response: JsonRpcResponse): boolean
  /** The call that caused them is over: the client need not answer any more. */
  callEnded(related: JsonRpcId): void
  close(): void
}

const refused = (message: string): Answer => ({ error: sessionError(SERVER_ERROR, 'SKEIN_SESSION_CLOSED', message) })

/** The capability that a client must have declared to be asked this, and lacks; undefined: it may be asked. */
function lacking(method: string, params: Json | undefined, capabilities: Json): string | undefined {
  if (method === 'sampling/createMessage') return capabilities['sampling'] === undefined ? 'sampling' : undefined
  if (method === 'roots/list') return capabilities['roots'] === undefined ? 'roots' : undefined
  if (method !== 'elicitation/create') return method.slice(0, MAX_NAMED)
  const declared = capabilities['elicitation'] as Json | undefined
  if (declared === undefined) return 'elicitation'
  // `{}` means forms: URLs came later (2025-11-25).
  if (params?.['mode'] === 'url') return declared['url'] === undefined ? 'elicitation.url' : undefined
  return declared['url'] !== undefined && declared['form'] === undefined ? 'elicitation.form' : undefined
}

export interface QuestionsDeps {
  clock: Clock
  asked: Counter
  send: (message: JsonRpcRequest | JsonRpcNotification, related: JsonRpcId) => boolean
}

export function createQuestions(deps: QuestionsDeps): Questions {
  const pending = new Map<JsonRpcId, Pending>()
  let count = 0

  function finish(id: JsonRpcId, answer: Answer): boolean {
    const entry = pending.get(id)
    if (entry === undefined) return false
    pending.delete(id)
    entry.timer.cancel()
    entry.settle(answer)
    return true
  }

  function withdraw(id: JsonRpcId, entry: Pending, reason: string): void {
    if (finish(id, refused(reason))) deps.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id, reason } }, entry.related)
  }

  return {
    ask(method, params, related, capabilities) {
      const missing = lacking(method, params, capabilities)
      if (missing !== undefined) {
        const message = `The client cannot answer ${method.slice(0, MAX_NAMED)}: it did not declare ${missing} when it connected.`
        return Promise.resolve({ error: { code: METHOD_NOT_FOUND, message } })
      }
      if (pending.size >= MAX_QUESTIONS) {
        return Promise.resolve({
          error: sessionError(SERVER_ERROR, 'SKEIN_BUSY', `The client already has ${MAX_QUESTIONS} unanswered requests: wait for an answer before asking again.`)
        })
      }
      const id = `skein-${++count}`
      return new Promise((settle) => {
        const entry: Pending = {
          related,
          settle,
          timer: deps.clock.after(QUESTION_TIMEOUT, () => withdraw(id, entry, `The client did not answer ${method} within ${QUESTION_TIMEOUT / 60_000} minutes.`))
        }
        pending.set(id, entry)
        deps.asked.inc()
        try {
          const sent = deps.send(params === undefined ? { jsonrpc: '2.0', id, method } : { jsonrpc: '2.0', id, method, params }, related)
          if (!sent) finish(id, refused(`The client cannot be asked ${method}: it left, or it does not accept event streams.`))
        } catch (thrown) {
          finish(id, refused(`The client cannot be asked ${method}: the question cannot be written as JSON (${errorMessage(thrown)}).`))
        }
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
