import type { CallSink, McpOutcome, McpRequest, RunningCall } from '../ports.ts'
import type { RequestStatus, ServerMetrics } from './metrics.ts'
import { isSkeinError, SkeinError, toSkeinError } from '../../base/errors.ts'
import { isObject } from '../../base/is-object.ts'
import { readOutcome } from '../../wire/json-rpc.ts'
import { failedCall } from '../failed-call.ts'
import { isExposed, type ServerPolicy, type ServerSpec } from './spec.ts'

/** One server with more running calls than this is stuck or flooded: refusing lets other providers take the call. */
const MAX_IN_FLIGHT = 256

export interface GateDeps {
  name: string
  metrics: Pick<ServerMetrics, 'requests'>
  spec(): ServerSpec
  run(request: McpRequest, sink: CallSink): RunningCall
}

/** Lets requests through to one server as far as its policy and its bound allow, and counts how they end. */
export function createGate({ name, metrics, spec, run }: GateDeps, maxInFlight = MAX_IN_FLIGHT): (request: McpRequest, sink: CallSink) => RunningCall {
  let inFlight = 0

  /** Why a request is not run at all. */
  function refusal({ method, params }: McpRequest): SkeinError | undefined {
    const tool = method === 'tools/call' ? params.name : undefined
    if (typeof tool === 'string' && !isExposed(spec(), tool)) return new SkeinError('SKEIN_NOT_FOUND', `${name} has no tool ${tool.slice(0, 128)}.`)
    if (inFlight >= maxInFlight) return new SkeinError('SKEIN_BUSY', `${name} already runs ${maxInFlight} requests. Try again when some are done.`)
    return undefined
  }

  /** A failure of ours ends one request. */
  function started(request: McpRequest, sink: CallSink): RunningCall {
    try {
      return run(request, sink)
    } catch (error) {
      return failedCall(toSkeinError(error))
    }
  }

  return (request, sink) => {
    const refused = refusal(request)
    if (refused !== undefined) {
      metrics.requests[statusOf(refused)].inc()
      return failedCall(refused)
    }
    const call = started(request, sink)
    inFlight += 1
    const outcome = call.outcome.then(
      (ended) => {
        inFlight -= 1
        metrics.requests['error' in ended ? 'error' : 'ok'].inc()
        return request.method === 'tools/list' ? hideFrom(ended, spec()) : ended
      },
      (error: unknown) => {
        inFlight -= 1
        metrics.requests[statusOf(error)].inc()
        throw error
      }
    )
    return { outcome, cancel: call.cancel }
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
  return isSkeinError(error, 'SKEIN_UPSTREAM_DOWN', 'SKEIN_NOT_FOUND') ? 'unavailable' : 'invalid'
}
