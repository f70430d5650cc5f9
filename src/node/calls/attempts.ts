import type { Clock } from '../../base/clock.ts'
import type { ErrorCode } from '../../base/error-codes.ts'
import type { Logger } from '../../base/logger.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { RunOptions } from '../../base/guard.ts'
import { failedCall } from '../../mcp/failed-call.ts'
import type { CallSink, McpOutcome, RunningCall } from '../../mcp/ports.ts'
import { afterFailure, callerCode, endingOf, type Verdict } from '../../routing/retry.ts'
import type { Choice, Ending } from '../../routing/types.ts'
import type { JsonRpcError } from '../../wire/json-rpc.ts'
import type { Distant } from '../distant/distant.ts'
import type { BackendMetrics } from './metrics.ts'
import { createNextProviders, type Past } from './next-providers.ts'
import { sealState } from './request-state.ts'
import { lostQuestion, type Route, type RoutedRequest } from './routes.ts'
import type { Routing } from './routing.ts'
import { isWayFault, isWayLoss } from './way-fault.ts'

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
  /** Providers beyond the pools of this node. @default there are none */
  distant?: Pick<Distant, 'known' | 'find' | 'called'>
  /** Hands the request to one provider. */
  start(peer: string, route: Route, request: RoutedRequest, timeout: number, sink: CallSink): RunningCall
}

export interface Attempts {
  run(request: RoutedRequest, sink: CallSink): RunningCall
}

/** A call on its way, seen by its attempts. */
export interface Call {
  readonly request: RoutedRequest
  /** Gets the notifications and renews the deadline. */
  readonly sink: CallSink
  deadline: number
  /** What it waits for. */
  current: Pick<RunningCall, 'cancel'> | undefined
  cancelled: SkeinError | undefined
  /** Tells a half-open breaker that the provider does something. */
  alive: (() => void) | undefined
}

interface Attempt {
  route: Route
  choice: Choice
  /** The provider is in none of the pools of this node. */
  far: boolean
  /** On the clock, ms. */
  begun: number
  /** What the provider's answer says beside its outcome is here; undefined: its breaker let nothing through. */
  running: RunningCall | undefined
  outcome: Promise<McpOutcome>
}

/** Who is in more haste than the server has to be does not close it for others (as mcp/upstream/gate.ts does at the provider). */
const HASTY: RunOptions = { counts: (error) => error.code !== 'SKEIN_DEADLINE' }

/** Of what a distant provider or a relay says: it is there and has too much to do, so that asking a hub anew changes nothing. */
const FULL: ReadonlySet<ErrorCode> = new Set(['SKEIN_BUSY', 'SKEIN_BREAKER_OPEN', 'SKEIN_UPSTREAM_DOWN'])
/** A failure so soon after the start is of the same search for a way, ms; a call that was lost later begins a new one. */
const SOON = 5_000
const NO_RELAYS: readonly string[] = []

/** Carries out what routing/ decides: which provider, and what to do when one fails. */
export function createAttempts(deps: AttemptsDeps): Attempts {
  const { clock, logger, metrics, routing, distant } = deps
  const nextProviders = createNextProviders({ clock, distant, routeNow })

  function choose(call: Pick<Call, 'request'>, { server, tool }: Route, providers: readonly string[]): Choice | undefined {
    return routing.choose(server, providers, { sticky: providers.length > 1 ? deps.home(call.request, server) : undefined, tool })
  }

  function begin(call: Call, route: Route, choice: Choice): Attempt {
    const begun = clock.now()
    const given = Math.max(1, call.deadline - begun)
    const far = route.distant !== undefined && !route.providers.includes(choice.peer)
    if (far) distant?.called(choice.peer)
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
      far ? farOptions(choice.peer, isHasty) : isHasty ? HASTY : undefined
    )
    call.current = guarded
    return { route, choice, far, begun, running, outcome: guarded.outcome }
  }

  /** To be told before anything is chosen again. */
  function ended(call: Call, { route, choice, far, begun, running }: Attempt, error: SkeinError | undefined): void {
    const ms = clock.now() - begun
    const via = running?.via ?? NO_RELAYS
    const how = error === undefined ? 'answered' : howFailed(error, choice.peer, far, running !== undefined, via)
    routing.ended(route.server, choice, how, ms, running?.load, route.tool)
    const { peer, why, expected } = choice
    const done = { peer, why, expected, ended: error === undefined ? 'ok' : error.code, ms, via }
    call.request.onAttempt?.(done)
    logger.debug('an attempt of a call ended', { correlation: call.request.correlation, server: route.server, ...done })
  }

  /** To be told after `ended`: what the next choice has to know. */
  function remember(past: Past, { choice: { peer }, far, begun }: Attempt, error: SkeinError): void {
    const now = clock.now()
    past.error = error
    past.last = peer
    past.lost = far && isWayFault(error, peer)
    past.unsure ||= callerCode(error.code) === 'SKEIN_OUTCOME_UNKNOWN'
    // One that the call did not get to may be asked again over another way: neither is that an attempt, nor does it go on for ever.
    if (past.lost) past.unreached.add(peer)
    else {
      past.tried.push(peer)
      past.attempts++
    }
    if (far && !FULL.has(error.code)) past.since = now
    if (!past.lost || now - begun > SOON) past.searchUntil = undefined
  }

  /**
   * The call failed at its first provider, or no pool of this node has one: what routing/ says, until it ends.
   * @param first what failed, and how
   */
  async function goOn(call: Call, start: Route, first?: { attempt: Attempt; thrown: unknown }): Promise<McpOutcome> {
    const past: Past = { tried: [], unreached: new Set(), attempts: 0, error: undefined, lost: false, unsure: false, since: undefined, searchUntil: undefined, last: undefined }
    let route = start
    if (first !== undefined) {
      const error = toSkeinError(first.thrown)
      ended(call, first.attempt, error)
      remember(past, first.attempt, error)
    }
    for (;;) {
      if (call.cancelled !== undefined) throw call.cancelled
      const { next, providers } = await nextProviders(call, past, route)
      // A search may have taken its time.
      if (call.cancelled !== undefined) throw call.cancelled
      const verdict = verdictOf(call, past, route, providers)
      if (past.error !== undefined) {
        // While a hub fails over a call may try forty times.
        logger[past.lost ? 'debug' : 'info']('a provider failed a call', { correlation: call.request.correlation, server: route.server, peer: past.last, code: past.error.code, verdict, attempt: past.attempts })
      }
      if (verdict === 'fail' || next === undefined) throw finalError(past, next ?? route)
      const untried = providers.filter((one) => !past.tried.includes(one))
      const choice = choose(call, next, untried.length > 0 ? untried : providers)
      if (choice === undefined) throw finalError(past, next)
      if (past.error !== undefined) metrics.retries(verdict).inc()
      route = next
      const attempt = begin(call, route, choice)
      try {
        const answer = await attempt.outcome
        ended(call, attempt, undefined)
        return sealState(answer, choice.peer)
      } catch (failed) {
        const error = toSkeinError(failed)
        ended(call, attempt, error)
        remember(past, attempt, error)
      }
    }
  }

  function verdictOf(call: Call, { error, lost, unsure, tried, attempts }: Past, { repeatable }: Route, providers: readonly string[]): Verdict {
    const timeLeft = call.deadline - clock.now()
    if (error !== undefined && !lost) return afterFailure(error.code, { repeatable, triedPeers: tried, providers, attempts, timeLeft })
    if (timeLeft <= 0) return 'fail'
    if (providers.some((peer) => !tried.includes(peer))) return 'next'
    return unsure && repeatable && providers.length > 0 ? 'repeat' : 'fail'
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
    const choice = choose({ request }, route, route.distant === undefined || distant === undefined ? route.providers : withDistant(request, route, distant))
    if (choice === undefined && (route.distant === undefined || route.providers.length > 0)) throw new SkeinError('SKEIN_NO_PROVIDER', `no node that offers "${route.server}" can be reached now: try again in a moment`)
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
    return {
      outcome: choice === undefined ? goOn(call, route) : beginWith(call, route, choice),
      cancel(reason) {
        call.cancelled ??= new SkeinError('SKEIN_CANCELLED', reason)
        call.current?.cancel(reason)
      }
    }
  }

  /** Distant providers come after all others; but what a session has at one of them stays there while a way leads to it. */
  function withDistant(request: RoutedRequest, route: Route, far: Pick<Distant, 'known'>): readonly string[] {
    const { server, providers } = route
    const home = deps.home(request, server)
    if (home !== undefined && !providers.includes(home) && far.known({ ...route, only: home }).length > 0) return [home]
    return providers.length > 0 ? providers : far.known(route)
  }

  /** Nearly every call ends here: nothing but one step lies between the provider's answer and the client. */
  function beginWith(call: Call, route: Route, choice: Choice): Promise<McpOutcome> {
    const attempt = begin(call, route, choice)
    return attempt.outcome.then(
      (answer) => {
        ended(call, attempt, undefined)
        return sealState(answer, choice.peer)
      },
      (thrown: unknown) => goOn(call, route, { attempt, thrown })
    )
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

/** A relay that is full, or a hub that has just died, says nothing of who is behind it. */
function farOptions(peer: string, isHasty: boolean): RunOptions {
  return { counts: (error) => !isWayFault(error, peer) && error.code !== 'SKEIN_OUTCOME_UNKNOWN' && (!isHasty || error.code !== 'SKEIN_DEADLINE') }
}

function howFailed(error: SkeinError, peer: string, far: boolean, started: boolean, via: readonly string[]): Ending {
  if (far && (isWayFault(error, peer) || isWayLoss(error, via))) return 'cancelled'
  // Its own breaker for its server is open, and will be for a while; our breaker for it says nothing new.
  return error.code === 'SKEIN_BREAKER_OPEN' && started ? 'refused' : endingOf(error.code)
}

/** A call that left without an answer may have run; say so, unless running it is harmless. */
function finalError({ error, lost, unsure }: Past, route: Route): SkeinError {
  const name = route.tool ?? route.server
  const cause = error === undefined ? {} : { cause: error }
  if (error !== undefined) {
    const code = unsure || (error.code === 'SKEIN_DEADLINE' && !route.repeatable) ? 'SKEIN_OUTCOME_UNKNOWN' : callerCode(error.code)
    if (code !== error.code) return new SkeinError(code, `"${name}" did not answer and may or may not have run: check its effect before calling it again`, cause)
    if (!lost) return error
  }
  if (route.only !== undefined && !lost) return lostQuestion()
  const why = lost ? 'the way to the node that has it is broken' : 'no hub names a node that has it'
  return new SkeinError('SKEIN_NO_PROVIDER', `"${name}" is beyond the pools of this node, and ${why}; a hub may just have failed and its successor takes over within seconds: try again in a moment`, cause)
}
