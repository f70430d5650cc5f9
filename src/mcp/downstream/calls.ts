import { ERROR_CODES, type ErrorCode } from '../../base/error-codes.ts'
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import type { Json, JsonRpcNotification, Outcome } from '../../wire/json-rpc.ts'
import { SERVER_ERROR } from '../../wire/mcp-spec.ts'
import type { CallSink, ClientContext, RunningCall } from '../ports.ts'
import { sessionError, toJsonRpcError } from './errors.ts'
import { answer, record, traceOf, type Exchange } from './exchange.ts'
import type { OpenRequest } from './open-requests.ts'
import type { SessionDeps } from './ports.ts'

/** Why what runs is given up when the node stops. */
const STOPPING = 'the node is stopping'

/** Later than the tick in which what is for another node goes out, ms. */
const ON_ITS_WAY = 1

/** Beside those that say so themselves: the request was not run. */
const NOT_RUN: ReadonlySet<ErrorCode> = new Set(['SKEIN_BAD_REQUEST', 'SKEIN_NO_PROVIDER', 'SKEIN_DIAL_FAILED'])

/** A client's request that a server answers. It may run several times: whenever the server wants input first. */
export interface Call extends OpenRequest {
  readonly client: ClientContext
  /** Runs the request with these params; `onOutcome` hears how it ended. */
  run(params: Json): void
  /** Not running but waiting for the client: what the server wants to know. */
  waits(required: Json): void
  /** Ends the call with this answer. */
  finish(outcome: Outcome): void
}

export interface CallRules {
  /** A run has ended with this; by default the call ends with it too. */
  onOutcome(call: Call, outcome: Outcome): void
  /** What the client gets although no server answered; undefined: the error. */
  onFailure?(call: Call): Outcome | undefined
  /** The call is over, before its answer goes out. */
  onEnd(call: Call): void
}

export function createCall(deps: SessionDeps, exchange: Exchange, client: ClientContext, rules: CallRules): Call {
  const { backend } = deps
  const { request, link, view, correlation } = exchange
  const trace = traceOf(request.params ?? {})
  const token = (request.params?.['_meta'] as Json | null | undefined)?.['progressToken']
  let running: RunningCall | undefined
  let asked: Json | undefined
  /** It goes on after questions: what its server did before them is done. */
  let begun = false
  let over = false

  /** A call brings its own progress and log lines: nodes that pass on more could speak for other servers of the client. */
  function belongs({ method, params }: JsonRpcNotification): boolean {
    if (method === 'notifications/progress') return token !== undefined && params?.['progressToken'] === token
    // Clients without a log level asked for none, whatever a server of the older era says.
    return method === 'notifications/message' && client.logLevel !== undefined
  }
  const sink: CallSink = {
    notification(message: JsonRpcNotification) {
      if (!over && belongs(message)) link.send(message, request.id)
    }
  }

  const start = (params: Json): RunningCall =>
    backend.run({ view, method: request.method, params, client, correlation, ...(trace === undefined ? {} : { trace }) }, sink)

  function end(): boolean {
    if (over) return false
    over = true
    deps.running(-1)
    rules.onEnd(call)
    return true
  }

  function failed(thrown: unknown): void {
    if (over) return
    if (!isSkeinError(thrown)) deps.logger.error('request failed unexpectedly', { correlation, error: String(thrown) })
    call.finish(rules.onFailure?.(call) ?? { error: toJsonRpcError(begun ? halfDone(thrown) : thrown) })
  }

  /**
   * A server that waits for the client's answers hears of the end by one more try that is cancelled: with an error for every question,
   * so that it asks nobody again, and not before it is on its way, for what is cancelled earlier is never sent to another node.
   */
  function abandon(reason: string): void {
    if (typeof asked?.['requestState'] !== 'string') return
    const { inputRequests, requestState } = asked
    const refusal = { error: { code: SERVER_ERROR, message: `The client does not answer: ${reason}` } }
    const inputResponses = Object.fromEntries(Object.keys(inputRequests ?? {}).map((key) => [key, refusal]))
    try {
      const last = start({ ...request.params, inputResponses, requestState })
      last.outcome.catch(() => {})
      deps.clock.after(ON_ITS_WAY, () => last.cancel(reason))
    } catch (thrown) {
      deps.logger.debug('a server could not be told that its question is off', { correlation, error: String(thrown) })
    }
  }

  const call: Call = {
    kind: 'call',
    exchange,
    client,
    get over() {
      return over
    },
    run(params) {
      begun ||= asked !== undefined
      asked = undefined
      try {
        running = start(params)
      } catch (thrown) {
        return failed(thrown)
      }
      running.outcome.then((outcome) => {
        if (!over) rules.onOutcome(call, outcome)
      }, failed)
    },
    waits(required) {
      running = undefined
      asked = required
    },
    finish(outcome) {
      if (!end()) return
      answer(deps, exchange, outcome)
      abandon('the call has ended')
    },
    cancel(reason) {
      if (!end()) return
      record(deps, exchange, 'cancelled')
      if (running === undefined) abandon(reason)
      else running.cancel(reason)
      link.dropped(request.id)
    },
    stop() {
      if (exchange.transport === 'stdio') return call.cancel(STOPPING)
      call.finish({ error: sessionError(SERVER_ERROR, 'SKEIN_OUTCOME_UNKNOWN', 'The node was stopped while this ran: whether it was done is not known. Look before you repeat it.') })
      running?.cancel(STOPPING)
    }
  }
  deps.running(1)
  return call
}

/** Why a call could not go on after a question: that its last try was not run says nothing of what it did before. */
function halfDone(thrown: unknown): unknown {
  if (!isSkeinError(thrown) || (ERROR_CODES[thrown.code].retry !== 'elsewhere' && !NOT_RUN.has(thrown.code))) return thrown
  const message = `The call asked something and could not go on after the answer: what it did before is not known, so look before you call again. ${thrown.message}`
  return new SkeinError('SKEIN_OUTCOME_UNKNOWN', message, { cause: thrown })
}

/** Why no new call may start now, or undefined; counts the refusal. `max` calls are allowed at once for `whom`. */
export function busyProblem(deps: SessionDeps, calls: number, max: number, whom: string): Outcome | undefined {
  if (deps.draining()) {
    deps.metrics.refused.inc()
    return { error: sessionError(SERVER_ERROR, 'SKEIN_GOAWAY', 'This node is being drained or stopped: it was not run; try again on another node or in a while.') }
  }
  if (calls < max) return undefined
  deps.metrics.refused.inc()
  return { error: sessionError(SERVER_ERROR, 'SKEIN_BUSY', `${whom} already has ${max} requests running: it was not run; wait for an answer before sending more.`) }
}

/** What a server wants to know before it goes on, of an `input_required` result; undefined: the result is something else. */
export function inputRequired(outcome: Outcome): Json | undefined {
  return 'result' in outcome && outcome.result['resultType'] === 'input_required' ? outcome.result : undefined
}
