import type { CallSink, ClientContext, McpOutcome, McpRequest, RunningCall } from '../ports.ts'
import type { Children, Lease } from './children.ts'
import type { Clock } from '../../base/clock.ts'
import type { Era, Parking, UpstreamConnection } from './connection-ports.ts'
import type { HangWatch } from './hang-watch.ts'
import type { Keeper } from './keeper.ts'
import type { ServerSpec } from './spec.ts'
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import { createLogLevels, mayWantOwn, wantsOwn } from './isolation.ts'
import { INVALID_PARAMS } from './messages.ts'

/** Calls wait this long for a server that is restarting, ms: several restarts fit in, and a client still has time to go elsewhere. */
const RESTART_WAIT = 5_000

/** A client's own child is started by its first call, and that call has nowhere else to go. */
const OWN_START_WAIT = 30_000

/** A link that failed to take a message reports its end right after; a refused message alone (such as a 401) is no reason to try again. */
const DEATH_NOTICE = 250

export interface RunnerDeps {
  name: string
  clock: Clock
  keeper: Pick<Keeper, 'connection' | 'state' | 'ready'>
  children: Pick<Children, 'acquire'>
  parking: Pick<Parking, 'resume' | 'makeRoom'>
  hangs: HangWatch
  spec(): ServerSpec
  /** What the server speaks, once it is known. */
  era(): Era | undefined
  /** A call begins, on the shared connection or (`alone`) on one of its client's own: what the server keeps for the client is there. */
  onBegin(client: ClientContext, sink: CallSink, alone: boolean): void
}

/** Runs a request on the connection it belongs to: the shared one, one of the client's own, or where it was parked. */
export function createRunner(deps: RunnerDeps): (request: McpRequest, sink: CallSink) => RunningCall {
  const { clock, keeper, name } = deps
  const levels = createLogLevels()

  function begin(connection: UpstreamConnection, request: McpRequest, sink: CallSink, left: number, alone: boolean) {
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
      if (last !== undefined) await within(last.connection.closed, DEATH_NOTICE, signal, last.error)
      const left = due - clock.now()
      if (left <= 0) throw new SkeinError('SKEIN_DEADLINE', `${name} could not take the request in time; it was not run.`)
      const era = await eraFor(request, left, signal)
      if (resumes(request) && era === '2025') {
        const resumed = resume(request, sink, due)
        onRunning(resumed)
        return await resumed.outcome
      }
      const { connection, lease } = await acquire(request.client, era, due - clock.now(), signal)
      if (signal.aborted) lease?.release()
      signal.throwIfAborted()
      const { call, failed } = begin(connection, request, sink, due - clock.now(), lease !== undefined)
      if (lease !== undefined) void call.over.then(lease.release)
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
  /** What the server speaks, where that decides: the shared connection finds out. */
  async function eraFor({ client, params }: McpRequest, left: number, signal: AbortSignal): Promise<Era> {
    const known = deps.era()
    if (known !== undefined) return known
    if (params.requestState === undefined && !mayWantOwn(client, deps.spec().isolation)) return '2025'
    return (await keeper.ready({ wait: Math.min(left, OWN_START_WAIT), signal })).era
  }
  async function acquire(client: ClientContext, era: Era, left: number, signal: AbortSignal): Promise<{ connection: UpstreamConnection; lease?: Lease }> {
    if (!wantsOwn(client, deps.spec().isolation, era)) return { connection: await keeper.ready({ wait: Math.min(left, RESTART_WAIT), signal }) }
    if (keeper.state === 'failed' || keeper.state === 'stopped') await keeper.ready({ wait: 0, signal })
    const lease = await lend(client)
    const late = new SkeinError('SKEIN_UPSTREAM_DOWN', `A process or session of this client's own for ${name} did not start in time; the request was not run.`)
    try {
      return { connection: await within(lease.connection, Math.min(left, OWN_START_WAIT), signal, late), lease }
    } catch (error) {
      lease.release()
      throw error
    }
  }
  /** A child for this client; where all are in use, one whose client was asked and does not come back gives way. */
  async function lend(client: ClientContext): Promise<Lease> {
    for (;;) {
      try {
        return deps.children.acquire(client)
      } catch (error) {
        const freed = isSkeinError(error, 'SKEIN_BUSY') ? deps.parking.makeRoom() : undefined
        if (freed === undefined) throw error
        await freed
      }
    }
  }
  function resume(request: McpRequest, sink: CallSink, due: number): RunningCall {
    const resumed = deps.parking.resume({ ...request, timeout: due - clock.now() }, sink)
    if (resumed !== undefined) return resumed
    const message = 'The question this answers is no longer open: its server was restarted, nobody answered in time, or others needed its place. What the call did before it asked is not undone: look before you call again from the beginning.'
    return { outcome: Promise.resolve({ error: { code: INVALID_PARAMS, message } }), cancel() {} }
  }

  /** The promise, or `late` after `ms`, or the signal's reason. */
  function within<T>(promise: Promise<T>, ms: number, signal: AbortSignal, late: Error): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = clock.after(ms, () => settle(() => reject(late)))
      const onAbort = () => settle(() => reject(signal.reason))
      const settle = (fn: () => void) => {
        timer.cancel()
        signal.removeEventListener('abort', onAbort)
        fn()
      }
      signal.addEventListener('abort', onAbort, { once: true })
      if (signal.aborted) onAbort()
      promise.then(
        (value) => settle(() => resolve(value)),
        (error: unknown) => settle(() => reject(error))
      )
    })
  }

  return (request, sink) => {
    const { connection } = keeper
    if (connection !== undefined && !mayResume(request, connection.era) && !wantsOwn(request.client, deps.spec().isolation, connection.era)) {
      return direct(connection, request, sink)
    }
    return patient(request, sink, clock.now() + Math.min(request.timeout, deps.spec().timeout))
  }
}

interface Lost {
  connection: UpstreamConnection
  error: SkeinError
}

function resumes(request: McpRequest): boolean {
  return request.params.requestState !== undefined
}
/** With servers of the 2026 era the state is the server's own and just passes. */
function mayResume(request: McpRequest, era: Era): boolean {
  return era === '2025' && resumes(request)
}
