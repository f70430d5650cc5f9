import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import { SkeinError, toSkeinError } from '../base/errors.ts'
import { failedCall } from '../mcp/failed-call.ts'
import type { CallSink, McpOutcome, RunningCall } from '../mcp/ports.ts'
import { chooseProvider, type Candidate } from '../routing/choose.ts'
import { afterFailure, callerCode } from '../routing/retry.ts'
import type { JsonRpcError } from '../wire/json-rpc.ts'
import type { BackendMetrics } from './metrics.ts'
import { sealState } from './request-state.ts'
import type { Route, RoutedRequest } from './routes.ts'

export type PeerFacts = Pick<Candidate, 'rtt' | 'load' | 'suspect'>

export interface AttemptsDeps {
  self: string
  clock: Clock
  random: Random
  logger: Logger
  metrics: BackendMetrics
  /** For requests and servers without a limit of their own, ms. */
  requestTimeout: number
  /** What is known of a peer now. */
  facts(peer: string): PeerFacts
  /** Looked up anew for each attempt: providers come and go. */
  route(request: RoutedRequest): Route | { error: JsonRpcError }
  /** Hands the request to one provider. */
  start(peer: string, route: Route, request: RoutedRequest, timeout: number, sink: CallSink): RunningCall
}

export interface Attempts {
  run(request: RoutedRequest, sink: CallSink): RunningCall
  /** The best of `providers` now; undefined without any. */
  choose(providers: readonly string[]): string | undefined
}

/** A call on its way, seen by its attempts. */
interface Call {
  request: RoutedRequest
  /** Gets the notifications and renews the deadline. */
  sink: CallSink
  deadline: number
  current: RunningCall | undefined
  cancelled: SkeinError | undefined
}

/** Carries out what routing/ decides: which provider, and what to do when one fails. */
export function createAttempts(deps: AttemptsDeps): Attempts {
  const { self, clock, random, logger, metrics } = deps

  function choose(providers: readonly string[]): string | undefined {
    // This node comes first in every list of providers.
    if (providers.length < 2 || providers[0] === self) return providers[0]
    return chooseProvider(
      providers.map((peer) => ({ peer, local: peer === self, ...deps.facts(peer) })),
      random
    )
  }

  function attempt(call: Call, route: Route, peer: string): Promise<McpOutcome> {
    call.current = deps.start(peer, route, call.request, Math.max(1, call.deadline - clock.now()), call.sink)
    return call.current.outcome
  }

  /** The call failed at its first provider: what routing/ says, until it ends. */
  async function goOn(call: Call, first: Route, firstPeer: string, thrown: unknown): Promise<McpOutcome> {
    const tried = [firstPeer]
    let route = first
    let error = toSkeinError(thrown)
    for (let attempts = 1; ; attempts++) {
      if (call.cancelled !== undefined) throw call.cancelled
      const next = routeNow(call.request)
      const providers = next?.providers ?? []
      const verdict = afterFailure(error.code, { repeatable: route.repeatable, triedPeers: tried, providers, attempts, timeLeft: call.deadline - clock.now() })
      logger.info('a provider failed a call', { correlation: call.request.correlation, server: route.server, peer: tried.at(-1), code: error.code, verdict, attempt: attempts })
      const untried = providers.filter((one) => !tried.includes(one))
      const peer = choose(untried.length > 0 ? untried : providers)
      if (verdict === 'fail' || next === undefined || peer === undefined) throw finalError(error, route)
      metrics.retries(verdict).inc()
      route = next
      tried.push(peer)
      try {
        return sealState(await attempt(call, route, peer), peer)
      } catch (failed) {
        error = toSkeinError(failed)
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
    const peer = choose(route.providers)
    if (peer === undefined) throw new SkeinError('SKEIN_NO_PROVIDER', `no node that offers "${route.server}" can be reached now: try again in a moment`)
    const timeout = request.timeout ?? route.timeout ?? deps.requestTimeout
    const renewing: CallSink = {
      notification(message) {
        // While something happens the call does not time out.
        call.deadline = clock.now() + timeout
        sink.notification(message)
      }
    }
    const call: Call = { request, sink: renewing, deadline: clock.now() + timeout, current: undefined, cancelled: undefined }
    // Nearly every call ends here: nothing but one step lies between the provider's answer and the client.
    const outcome = attempt(call, route, peer).then(
      (answer) => sealState(answer, peer),
      (thrown: unknown) => goOn(call, route, peer, thrown)
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
    choose,
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
function finalError(error: SkeinError, route: Route): SkeinError {
  const code = error.code === 'SKEIN_DEADLINE' && !route.repeatable ? 'SKEIN_OUTCOME_UNKNOWN' : callerCode(error.code)
  if (code === error.code) return error
  return new SkeinError(code, `"${route.tool ?? route.server}" did not answer and may or may not have run: check its effect before calling it again`, { cause: error })
}
