import { isSkeinError } from '../../base/errors.ts'
import type { Json, JsonRpcNotification, Outcome } from '../../wire/json-rpc.ts'
import type { CallSink, ClientContext, RunningCall } from '../ports.ts'
import { SERVER_ERROR, sessionError, toJsonRpcError } from './errors.ts'
import { answer, record, traceOf, type Exchange } from './exchange.ts'
import type { OpenRequest } from './open-requests.ts'
import type { SessionDeps } from './ports.ts'

/** A client's request that a server answers. It may run several times: whenever the server wants input first. */
export interface Call extends OpenRequest {
  readonly client: ClientContext
  /** Runs the request with these params; `onOutcome` hears how it ended. */
  run(params: Json): void
  /** Not running but waiting for the client, under this state of the server's. */
  waits(requestState: string | undefined): void
  /** Ends the call with this answer. */
  finish(outcome: Outcome): void
}

export interface CallRules {
  /** A run has ended with this; by default the call ends with it too. */
  onOutcome(call: Call, outcome: Outcome): void
  /** The call is over, before its answer goes out. */
  onEnd(call: Call): void
}

export function createCall(deps: SessionDeps, exchange: Exchange, client: ClientContext, rules: CallRules): Call {
  const { backend } = deps
  const { request, link, view, correlation } = exchange
  const trace = traceOf(request.params ?? {})
  let running: RunningCall | undefined
  let state: string | undefined
  let over = false

  const sink: CallSink = {
    notification(message: JsonRpcNotification) {
      // Clients without a log level asked for none, whatever a server of the older era says.
      if (over || (client.logLevel === undefined && message.method === 'notifications/message')) return
      link.send(message, request.id)
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
    call.finish({ error: toJsonRpcError(thrown) })
  }

  /** A server that waits for the client's answers hears of the end by one more try that is cancelled at once. */
  function abandon(reason: string): void {
    if (state === undefined) return
    try {
      const last = start({ ...request.params, inputResponses: {}, requestState: state })
      last.outcome.catch(() => {})
      last.cancel(reason)
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
      state = undefined
      try {
        running = start(params)
      } catch (thrown) {
        return failed(thrown)
      }
      running.outcome.then((outcome) => {
        if (!over) rules.onOutcome(call, outcome)
      }, failed)
    },
    waits(requestState) {
      running = undefined
      state = requestState
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
    }
  }
  deps.running(1)
  return call
}

/** Why no new call may start now, or undefined; counts the refusal. `max` calls are allowed at once for `whom`. */
export function busyProblem(deps: SessionDeps, calls: number, max: number, whom: string): Outcome | undefined {
  if (deps.draining()) {
    deps.metrics.refused.inc()
    return { error: sessionError(SERVER_ERROR, 'SKEIN_GOAWAY', 'This node is stopping: it was not run; try again on another node or in a while.') }
  }
  if (calls < max) return undefined
  deps.metrics.refused.inc()
  return { error: sessionError(SERVER_ERROR, 'SKEIN_BUSY', `${whom} already has ${max} requests running: it was not run; wait for an answer before sending more.`) }
}

/** What a server wants to know before it goes on, of an `input_required` result; undefined: the result is something else. */
export function inputRequired(outcome: Outcome): Json | undefined {
  return 'result' in outcome && outcome.result['resultType'] === 'input_required' ? outcome.result : undefined
}
