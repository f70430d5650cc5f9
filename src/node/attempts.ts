import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import { SkeinError, toSkeinError } from '../base/errors.ts'
import type { RunOptions } from '../base/guard.ts'
import { failedCall } from '../mcp/failed-call.ts'
import type { CallSink, McpOutcome, RunningCall } from '../mcp/ports.ts'
import { afterFailure, callerCode, endingOf } from '../routing/retry.ts'
import type { Choice } from '../routing/types.ts'
import type { JsonRpcError } from '../wire/json-rpc.ts'
import type { BackendMetrics } from './metrics.ts'
import { sealState } from './request-state.ts'
import type { Route, RoutedRequest } from './routes.ts'
import type { Routing } from './routing.ts'

export interface AttemptsDeps {
  clock: Clock
  logger: Logger
  metrics: BackendMetrics
  /** For requests and servers without a limit of their own, ms. */
  requestTimeout: number
  routing: Routing
  /** Where the client's session has something at this server; undefined: anywhere will do. */
  home(request: RoutedRequest, server: string): string | undefined
  /** Looked up anew for each attempt: providers come and go. */
  route(request: RoutedRequest): Route | { error: JsonRpcError }
  /** Hands the request to one provider. */
  start(peer: string, route: Route, request: RoutedRequest, timeout: number, sink: CallSink): RunningCall
}

export interface Attempts {
  run(request: RoutedRequest, sink: CallSink): RunningCall
}

/** A call on its way, seen by its attempts. */
interface Call {
  request: RoutedRequest
  /** Gets the notifications and renews the deadline. */
  sink: CallSink
  deadline: number
  current: Pick<RunningCall, 'cancel'> | undefined
  cancelled: SkeinError | undefined
  /** Tells a half-open breaker that the provider does something. */
  alive: (() => void) | undefined
}

interface Attempt {
  route: Route
  choice: Choice
  /** On the clock, ms. */
  begun: number
  /** What the provider's answer says beside its outcome is here; undefined: its breaker let nothing through. */
  running: RunningCall | undefined
  outcome: Promise<McpOutcome>
}

/** Who is in more haste than the server has to be does not close it for others (as mcp/upstream/gate.ts does at the provider). */
const HASTY: RunOptions = { counts: (error) => error.code !== 'SKEIN_DEADLINE' }

/** Carries out what routing/ decides: which provider, and what to do when one fails. */
export function createAttempts(deps: AttemptsDeps): Attempts {
  const { clock, logger, metrics, routing } = deps

  function choose(call: Pick<Call, 'request'>, { server, tool }: Route, providers: readonly string[]): Choice | undefined {
    return routing.choose(server, providers, { sticky: providers.length > 1 ? deps.home(call.request, server) : undefined, tool })
  }

  function begin(call: Call, route: Route, choice: Choice): Attempt {
    const begun = clock.now()
    const given = Math.max(1, call.deadline - begun)
    const isHasty = given < (route.timeout ?? deps.requestTimeout) / 2
    let running: RunningCall | undefined
    const guarded = routing.run(
      route.server,
      choice,
      (alive) => {
        call.alive = alive
        running = deps.start(choice.peer, route, call.request, given, call.sink)
        return running
      },
      isHasty ? HASTY : undefined
    )
    call.current = guarded
    return { route, choice, begun, running, outcome: guarded.outcome }
  }

  /** To be told before anything is chosen again. */
  function ended(call: Call, { route, choice, begun, running }: Attempt, error: SkeinError | undefined): void {
    const ms = clock.now() - begun
    // Its own breaker for its server is open, and will be for a while; our breaker for it says nothing new.
    const how = error === undefined ? 'answered' : error.code === 'SKEIN_BREAKER_OPEN' && running !== undefined ? 'refused' : endingOf(error.code)
    routing.ended(route.server, choice, how, ms, running?.load, route.tool)
    const { peer, why, expected } = choice
    const done = { peer, why, expected, ended: error === undefined ? 'ok' : error.code, ms }
    call.request.onAttempt?.(done)
    logger.debug('an attempt of a call ended', { correlation: call.request.correlation, server: route.server, ...done })
  }

  /** The call failed at its first provider: what routing/ says, until it ends. */
  async function goOn(call: Call, first: Attempt, thrown: unknown): Promise<McpOutcome> {
    const tried = [first.choice.peer]
    let { route } = first
    let error = toSkeinError(thrown)
    /** An earlier attempt may have run, whatever the last one says. */
    let unsure = false
    ended(call, first, error)
    for (let attempts = 1; ; attempts++) {
      if (call.cancelled !== undefined) throw call.cancelled
      unsure ||= callerCode(error.code) === 'SKEIN_OUTCOME_UNKNOWN'
      const next = routeNow(call.request)
      const providers = next?.providers ?? []
      const verdict = afterFailure(error.code, { repeatable: route.repeatable, triedPeers: tried, providers, attempts, timeLeft: call.deadline - clock.now() })
      logger.info('a provider failed a call', { correlation: call.request.correlation, server: route.server, peer: tried.at(-1), code: error.code, verdict, attempt: attempts })
      if (verdict === 'fail' || next === undefined) throw finalError(error, route, unsure)
      const untried = providers.filter((one) => !tried.includes(one))
      const choice = choose(call, next, untried.length > 0 ? untried : providers)
      if (choice === undefined) throw finalError(error, route, unsure)
      metrics.retries(verdict).inc()
      route = next
      tried.push(choice.peer)
      const attempt = begin(call, route, choice)
      try {
        const answer = await attempt.outcome
        ended(call, attempt, undefined)
        return sealState(answer, choice.peer)
      } catch (failed) {
        error = toSkeinError(failed)
        ended(call, attempt, error)
      }
    }
  }

  /** Undefined: what was called went with its last provider. */
  function routeNow(request: RoutedRequest): Route | undefined {
    try {
      const route = deps.route(request)
      return 'error' in route ? undefined : route
    } catch {
      return undefined
    }
  }

  function run(request: RoutedRequest, sink: CallSink): RunningCall {
    const route = deps.route(request)
    if ('error' in route) return { outcome: Promise.resolve(route), cancel() {} }
    const choice = choose({ request }, route, route.providers)
    if (choice === undefined) throw new SkeinError('SKEIN_NO_PROVIDER', `no node that offers "${route.server}" can be reached now: try again in a moment`)
    const timeout = request.timeout ?? route.timeout ?? deps.requestTimeout
    const renewing: CallSink = {
      notification(message) {
        // While something happens the call does not time out.
        call.deadline = clock.now() + timeout
        call.alive?.()
        sink.notification(message)
      }
    }
    const call: Call = { request, sink: renewing, deadline: clock.now() + timeout, current: undefined, cancelled: undefined, alive: undefined }
    const first = begin(call, route, choice)
    // Nearly every call ends here: nothing but one step lies between the provider's answer and the client.
    const outcome = first.outcome.then(
      (answer) => {
        ended(call, first, undefined)
        return sealState(answer, choice.peer)
      },
      (thrown: unknown) => goOn(call, first, thrown)
    )
    return {
      outcome,
      cancel(reason) {
        call.cancelled ??= new SkeinError('SKEIN_CANCELLED', reason)
        call.current?.cancel(reason)
      }
    }
  }

  return {
    run(request, sink) {
      try {
        return run(request, sink)
      } catch (error) {
        return failedCall(toSkeinError(error))
      }
    }
  }
}

/** A call that left without an answer may have run; say so, unless running it is harmless. */
function finalError(error: SkeinError, route: Route, unsure: boolean): SkeinError {
  const code = unsure || (error.code === 'SKEIN_DEADLINE' && !route.repeatable) ? 'SKEIN_OUTCOME_UNKNOWN' : callerCode(error.code)
  if (code === error.code) return error
  return new SkeinError(code, `"${route.tool ?? route.server}" did not answer and may or may not have run: check its effect before calling it again`, { cause: error })
}
