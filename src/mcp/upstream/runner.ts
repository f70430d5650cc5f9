import type { CallSink, ClientContext, McpOutcome, McpRequest, RunningCall } from '../ports.ts'
import type { Clock } from '../../base/clock.ts'
import type { Lease } from './children.ts'
import type { ConnectionCall, Parking, UpstreamConnection } from './connection-ports.ts'
import type { HangWatch } from './hang-watch.ts'
import type { Keeper } from './keeper.ts'
import type { Placement } from './placement.ts'
import type { ServerSpec } from './spec.ts'
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import { failedCall } from '../failed-call.ts'
import type { Era } from '../../wire/mcp-spec.ts'
import { wantsOwn } from './isolation.ts'
import { createLogLevels } from './log-levels.ts'
import { within } from './within.ts'

/** A link that failed to take a message reports its end right after; a refused message alone (such as a 401) is no reason to try again. */
const DEATH_NOTICE = 250

export interface RunnerDeps {
  name: string
  clock: Clock
  keeper: Pick<Keeper, 'connection'>
  placement: Placement
  parking: Pick<Parking, 'resume'>
  hangs: HangWatch
  spec(): ServerSpec
  /** A call begins, on the shared connection or (`alone`) on one of its client's own: what the server keeps for the client is there. */
  onBegin(client: ClientContext, sink: CallSink, alone: boolean): void
}

/** Runs a request on the connection it belongs to: the shared one, one of the client's own, or where it was parked. */
export function createRunner(deps: RunnerDeps): (request: McpRequest, sink: CallSink) => RunningCall {
  const { clock, keeper, name, placement } = deps
  const levels = createLogLevels()

  function begin(connection: UpstreamConnection, request: McpRequest, sink: CallSink, left: number, alone: boolean): Begun {
    levels.want(connection, request.client.logLevel, alone)
    deps.onBegin(request.client, sink, alone)
    const since = clock.now()
    const call = connection.call(left === request.timeout ? request : { ...request, timeout: left }, sink)
    const failed = (error: unknown) => {
      if (isSkeinError(error, 'SKEIN_DEADLINE')) deps.hangs.expired(connection, since)
    }
    return { call, failed }
  }

  /** The usual case: the shared connection is there. */
  function direct(connection: UpstreamConnection, request: McpRequest, sink: CallSink): RunningCall {
    const left = Math.min(request.timeout, deps.spec().timeout)
    const due = clock.now() + left
    const { call, failed } = begin(connection, request, sink, left, false)
    let running: RunningCall = call
    let cancelled = false
    const outcome = call.outcome.catch((error: unknown) => {
      failed(error)
      if (cancelled || !isSkeinError(error, 'SKEIN_UPSTREAM_DOWN')) throw error
      // Provably not run: the restarted server may take it, once.
      running = patient(request, sink, due, { connection, error })
      return running.outcome
    })
    return {
      outcome,
      cancel(reason) {
        cancelled = true
        running.cancel(reason)
      }
    }
  }

  /** Waits for a connection: of its own, or for one that is starting; `lost` is where the first try was not taken. */
  function patient(request: McpRequest, sink: CallSink, due: number, lost?: Lost): RunningCall {
    const abort = new AbortController()
    let running: RunningCall | undefined
    const outcome = attempts(request, sink, due, lost, abort.signal, (call) => {
      running = call
    })
    return {
      outcome,
      cancel(reason) {
        if (abort.signal.aborted) return
        abort.abort(new SkeinError('SKEIN_CANCELLED', `The request was cancelled: ${reason}`))
        running?.cancel(reason)
      }
    }
  }
  async function attempts(request: McpRequest, sink: CallSink, due: number, lost: Lost | undefined, signal: AbortSignal, onRunning: (call: RunningCall) => void): Promise<McpOutcome> {
    for (let last = lost; ; ) {
      if (last !== undefined) await within(clock, last.connection.closed, DEATH_NOTICE, last.error, { signal })
      const left = due - clock.now()
      if (left <= 0) throw new SkeinError('SKEIN_DEADLINE', `${name} could not take the request in time; it was not run.`)
      const era = await placement.eraFor(request, left, signal)
      if (resumes(request, era)) {
        const resumed = resume(request, sink, due)
        onRunning(resumed)
        // Cancelled before it got here: the call that waits is the one that is meant.
        if (signal.aborted) resumed.cancel('its client gave it up')
        return await resumed.outcome
      }
      const { connection, lease } = await placement.acquire(request.client, era, due - clock.now(), signal)
      const { call, failed } = beginLeased(lease, () => {
        signal.throwIfAborted()
        return begin(connection, request, sink, due - clock.now(), lease !== undefined)
      })
      onRunning(call)
      try {
        return await call.outcome
      } catch (error) {
        failed(error)
        if (last !== undefined || signal.aborted || !isSkeinError(error, 'SKEIN_UPSTREAM_DOWN')) throw error
        last = { connection, error }
      }
    }
  }
  /** The lease ends with the call, or at once if there is none. */
  function beginLeased(lease: Lease | undefined, start: () => Begun): Begun {
    try {
      const begun = start()
      if (lease !== undefined) void begun.call.over.then(lease.release)
      return begun
    } catch (error) {
      lease?.release()
      throw error
    }
  }
  function resume(request: McpRequest, sink: CallSink, due: number): RunningCall {
    const resumed = deps.parking.resume({ ...request, timeout: due - clock.now() }, sink)
    if (resumed !== undefined) return resumed
    const message = 'The question this answers is no longer open: it was answered already, its server was restarted, nobody answered in time, or others needed its place. What the call did before it asked is not undone: look before you call again from the beginning.'
    return failedCall(new SkeinError('SKEIN_BAD_REQUEST', message))
  }

  return (request, sink) => {
    const { connection } = keeper
    if (connection !== undefined && !resumes(request, connection.era) && !wantsOwn(request.client, deps.spec().isolation, connection.era)) {
      return direct(connection, request, sink)
    }
    return patient(request, sink, clock.now() + Math.min(request.timeout, deps.spec().timeout))
  }
}

interface Begun {
  call: ConnectionCall
  /** The call ended with this error. */
  failed(error: unknown): void
}

interface Lost {
  connection: UpstreamConnection
  error: SkeinError
}

/** Whether it goes on with a parked call. With servers of the 2026 era the state is the server's own and just passes. */
function resumes({ params }: McpRequest, era: Era): boolean {
  return era === '2025' && params.requestState !== undefined
}
