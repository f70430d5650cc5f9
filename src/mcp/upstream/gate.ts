import type { Clock } from '../../base/clock.ts'
import type { Guard, Guards } from '../../base/guard.ts'
import type { CallSink, McpOutcome, McpRequest, RunningCall } from '../ports.ts'
import type { RequestStatus, ServerMetrics } from './metrics.ts'
import { isSkeinError, SkeinError, toSkeinError } from '../../base/errors.ts'
import { isObject } from '../../base/is-object.ts'
import { readOutcome } from '../../wire/json-rpc.ts'
import { failedCall } from '../failed-call.ts'
import { isExposed, MAX_CONCURRENT, MAX_WAITING, type ServerPolicy, type ServerSpec } from './spec.ts'

/** Share of its time that a call may wait: so its caller hears that it was not run before it has to think that it may have. */
const WAIT_SHARE = 0.9

export interface GateDeps {
  name: string
  clock: Pick<Clock, 'now'>
  guards: Guards
  metrics: Pick<ServerMetrics, 'requests'>
  spec(): ServerSpec
  /** Whether the server runs, as far as is known: it was started, or reached, and has not gone since. */
  isUp(): boolean
  run(request: McpRequest, sink: CallSink): RunningCall
}

/** Calls of one server now. */
export interface ServerLoad {
  running: number
  waiting: number
}

export interface Gate {
  run(request: McpRequest, sink: CallSink): RunningCall
  load(): ServerLoad
  /** The spec has changed. */
  update(): void
  /** The server was started, or reached, anew. */
  serverIsBack(): void
  close(): void
}

/**
 * Lets requests through to one server as far as its policy, its places and its breaker allow, and counts how they end.
 *
 * The breaker and the supervisor do not judge the same thing. The supervisor (keeper.ts) knows when the server is not there, starts it again with
 * waits of its own, and calls wait for that or fail as not run; the breaker leaves that out and counts calls of a server that is there and
 * fails them: one that answers nothing or garbage, refuses connections, or dies call after call. What one death takes with it is one failure,
 * however many calls ran. A server that is there anew gets a call to prove itself at once, however long the breaker would be open still.
 */
export function createGate({ name, clock, guards, metrics, spec, isUp, run }: GateDeps): Gate {
  const component = `upstream:${name}`
  let guard = newGuard()

  function newGuard(): Guard {
    const { maxConcurrent = MAX_CONCURRENT, maxWaiting = MAX_WAITING } = spec()
    return guards.guard(component, { maxConcurrent, maxWaiting })
  }

  /** Why a request is not run at all. */
  function refusal({ method, params }: McpRequest): SkeinError | undefined {
    const tool = method === 'tools/call' ? params.name : undefined
    return typeof tool === 'string' && !isExposed(spec(), tool) ? new SkeinError('SKEIN_NOT_FOUND', `${name} has no tool ${tool.slice(0, 128)}.`) : undefined
  }

  /** Whether a failure is the server's. `given`: the time that it had for the call, ms. */
  function counts(error: SkeinError, request: McpRequest, given: number): boolean {
    // The answer to a question that is lost tells of the process that asked: it may be long gone.
    if (request.params.requestState !== undefined) return false
    // A caller in more haste than the server has to be, by far, does not close it for the others; nor does a long line before it.
    if (error.code === 'SKEIN_DEADLINE' && given < spec().timeout / 2) return false
    return isUp() || !isSkeinError(error, 'SKEIN_UPSTREAM_DOWN', 'SKEIN_DEADLINE')
  }

  /** A failure of ours ends one request. */
  function started(request: McpRequest, sink: CallSink, alive: (() => void) | undefined): RunningCall {
    try {
      return run(request, alive === undefined ? sink : telling(sink, alive))
    } catch (error) {
      return failedCall(toSkeinError(error))
    }
  }

  function guarded(request: McpRequest, sink: CallSink): RunningCall {
    const since = clock.now()
    let given = request.timeout
    let later = false
    let begun = false
    const { outcome, cancel } = guard.run(
      (alive) => {
        begun = true
        if (later) given = Math.max(1, given - (clock.now() - since))
        return started(later ? { ...request, timeout: given } : request, sink, alive)
      },
      { within: WAIT_SHARE * Math.min(given, spec().timeout), counts: (error) => counts(error, request, given) }
    )
    later = true
    const ended = outcome.then(
      (answer) => {
        metrics.requests['error' in answer ? 'error' : 'ok'].inc()
        return request.method === 'tools/list' ? hideFrom(answer, spec()) : answer
      },
      (error: unknown) => {
        metrics.requests[statusOf(error)].inc()
        throw error
      }
    )
    // As with failedCall: a call that is over already may be looked at later.
    if (!begun) ended.catch(() => {})
    return { outcome: ended, cancel }
  }

  return {
    run(request, sink) {
      const refused = refusal(request)
      if (refused === undefined) return guarded(request, sink)
      metrics.requests[statusOf(refused)].inc()
      return failedCall(refused)
    },
    load: () => ({ running: guard.running, waiting: guard.waiting }),
    update() {
      guard = newGuard()
    },
    serverIsBack: () => guard.tryNow(),
    close: () => guards.drop(component)
  }
}

/** Progress of a call is a sign of life; a log line may be ours, about the restart. */
function telling(sink: CallSink, alive: () => void): CallSink {
  return {
    notification(message) {
      if (message.method === 'notifications/progress') alive()
      sink.notification(message)
    }
  }
}

/** A list that a client asks the server for directly hides the same tools. */
function hideFrom(outcome: McpOutcome, policy: ServerPolicy): McpOutcome {
  const ended = readOutcome(outcome)
  if ('error' in ended || !Array.isArray(ended.result.tools)) return ended
  const tools = (ended.result.tools as unknown[]).filter((tool) => isObject(tool) && isExposed(policy, String(tool.name)))
  return { result: { ...ended.result, tools } }
}

function statusOf(error: unknown): RequestStatus {
  if (isSkeinError(error, 'SKEIN_BUSY')) return 'busy'
  if (isSkeinError(error, 'SKEIN_CANCELLED')) return 'cancelled'
  if (isSkeinError(error, 'SKEIN_DEADLINE')) return 'timeout'
  if (isSkeinError(error, 'SKEIN_OUTCOME_UNKNOWN')) return 'unknown'
  return isSkeinError(error, 'SKEIN_UPSTREAM_DOWN', 'SKEIN_NOT_FOUND', 'SKEIN_BREAKER_OPEN') ? 'unavailable' : 'invalid'
}
