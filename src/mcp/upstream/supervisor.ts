import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Random } from '../../base/random.ts'
import type { CallSink, McpOutcome, McpRequest, RunningCall, UpstreamTransport } from '../ports.ts'
import type { Json } from '../../wire/json-rpc.ts'
import { errorMessage, isSkeinError, SkeinError } from '../../base/errors.ts'
import { openConnection, type UpstreamConnection } from './connection.ts'
import { createKeeper } from './keeper.ts'
import { isObject } from './messages.ts'
import { STATES, type RequestStatus, type UpstreamMetrics, type UpstreamState } from './metrics.ts'
import { createSessionChildren, type Lease } from './session-children.ts'
import { isExposed, isRepeatable, type ServerPolicy, type ServerSpec } from './spec.ts'
import { fetchTools } from './tool-list.ts'

/** Calls wait this long for a server that is restarting, ms: several restarts fit in, and a client still has time to go elsewhere. */
const RESTART_WAIT = 5_000

/** A client's own child is started by its first call, and that call has nowhere else to go. */
const OWN_START_WAIT = 30_000

/** One server with more running calls than this is stuck or flooded: refusing lets other providers take the call. */
const MAX_IN_FLIGHT = 256

/** Its tools stay listed through restarts, so that clients do not notice; after this many failures in a row it is gone. */
const LISTED_THROUGH = 3

/** A link that failed to take a message reports its end right after; a refused message alone (such as a 401) is no reason to try again. */
const DEATH_NOTICE = 250

/** Clients with one of these can be asked by a server, and a shared legacy server cannot say whom it asks. */
const ASKABLE = ['sampling', 'elicitation', 'roots'] as const

export interface UpstreamStatus {
  name: string
  state: UpstreamState
  kind: 'stdio' | 'http'
  /** Listed tools. */
  tools: number
  restarts: number
  pids: number[]
  error?: string
}

/** What a server offers now. The same object until something changes. */
export interface UpstreamTools {
  /** As the server sent them, hidden ones left out. */
  definitions: readonly Json[]
  /** Names of those that may run twice. */
  repeatable: ReadonlySet<string>
  /** Of the server's handshake; `{}` before the first. */
  capabilities: Json
}

export interface SupervisorDeps {
  clock: Clock
  random: Random
  logger: Logger
  metrics: UpstreamMetrics
  connect(spec: ServerSpec, name: string): UpstreamTransport
  onChange(): void
}

export interface SupervisorOptions {
  name: string
  spec: ServerSpec
  /** Our version. */
  version: string
  maxInFlight?: number
  maxChildren?: number
}

export interface Supervisor {
  readonly spec: ServerSpec
  /** Takes over what may change without a restart. */
  update(spec: ServerSpec): void
  start(): void
  readonly settled: Promise<void>
  status(): UpstreamStatus
  tools(): UpstreamTools
  run(request: McpRequest, sink: CallSink): RunningCall
  endSession(session: string): void
  stop(options?: { grace?: number }): Promise<void>
}

const NOTHING: readonly Json[] = []
const SHARED_REFUSAL = 'this server is shared by several clients, so skein cannot know which one to ask; set isolation: session for it'

/** One attached server: its shared connection kept alive, children of single clients, its list of tools. */
export function createSupervisor(deps: SupervisorDeps, options: SupervisorOptions): Supervisor {
  const { clock } = deps
  const { name, version } = options
  const metrics = deps.metrics.forServer(name)
  const logger = deps.logger.child({ server: name })
  const maxInFlight = options.maxInFlight ?? MAX_IN_FLIGHT
  let spec = options.spec
  let all: readonly Json[] = NOTHING
  let capabilities: Json = {}
  let listed: UpstreamTools = view()
  let inFlight = 0

  const open = (capabilities: Json, clientSink: () => CallSink | string, onToolsChanged: () => void, { signal }: { signal: AbortSignal }) =>
    openConnection({ clock, logger }, { transport: deps.connect(spec, name), version, capabilities, clientSink, onToolsChanged }, { signal })

  const keeper = createKeeper({
    clock,
    random: deps.random,
    logger,
    onRestart: () => metrics.restarts.inc(),
    onChange,
    async open({ signal }) {
      // A change announced during the handshake is read anyway right after it.
      const holder: { connection?: UpstreamConnection } = {}
      const refresh = createRefresh(async () => {
        if (holder.connection !== undefined) await loadTools(holder.connection)
      })
      const connection = await open({}, () => SHARED_REFUSAL, refresh, { signal })
      holder.connection = connection
      try {
        await loadTools(connection)
        return connection
      } catch (error) {
        await connection.close()
        throw error
      }
    }
  })
  const children = createSessionChildren(
    { clock, onChange, open: (capabilities, clientSink, { signal }) => open(capabilities, clientSink, () => {}, { signal }) },
    options.maxChildren === undefined ? {} : { max: options.maxChildren }
  )

  async function loadTools(connection: UpstreamConnection): Promise<void> {
    const fresh = connection.identity.capabilities.tools === undefined ? NOTHING : await fetchTools((...args) => connection.request(...args), logger)
    // After a restart both are nearly always the same: then nobody needs to hear of it.
    if (JSON.stringify([fresh, connection.identity.capabilities]) === JSON.stringify([all, capabilities])) return
    all = fresh
    capabilities = connection.identity.capabilities
    relist()
  }
  /** Runs `load` once more after changes that arrive while it runs, never twice at once. */
  function createRefresh(load: () => Promise<void>): () => void {
    let running = false
    let dirty = false
    return () => {
      dirty = true
      if (running) return
      running = true
      void (async () => {
        while (dirty) {
          dirty = false
          await load().catch((error: unknown) => logger.warn('reading the tools again failed; the old list stays', { error: errorMessage(error) }))
        }
        running = false
      })()
    }
  }
  function view(): UpstreamTools {
    const definitions = all.filter((definition) => isExposed(spec, String(definition.name)))
    const repeatable = new Set(definitions.filter((definition) => isRepeatable(spec, definition)).map((definition) => String(definition.name)))
    return { definitions, repeatable, capabilities }
  }
  function relist(): void {
    listed = view()
    deps.onChange()
  }
  function onChange(): void {
    const { state, failures } = keeper
    const gone = state === 'failed' || state === 'stopped' || (state !== 'ready' && failures > LISTED_THROUGH)
    metrics.state.set(STATES.indexOf(state))
    metrics.children.set((keeper.connection === undefined ? 0 : 1) + children.size)
    if (!gone || all.length === 0) return deps.onChange()
    all = NOTHING
    relist()
  }

  function wantsOwn(request: McpRequest): boolean {
    if (spec.isolation !== 'auto') return spec.isolation === 'session'
    return ASKABLE.some((capability) => isObject(request.client.capabilities[capability]))
  }
  async function acquire(request: McpRequest, sink: CallSink, left: number, signal: AbortSignal): Promise<{ connection: UpstreamConnection; release(): void }> {
    if (!wantsOwn(request)) return { connection: await keeper.ready({ wait: Math.min(left, RESTART_WAIT), signal }), release() {} }
    if (keeper.state === 'failed' || keeper.state === 'stopped') await keeper.ready({ wait: 0, signal })
    const lease: Lease = children.acquire(request.client, sink)
    const late = new SkeinError('SKEIN_UPSTREAM_DOWN', `A process of this client's own for ${name} did not start in time; the request was not run.`)
    try {
      return { connection: await within(lease.connection, Math.min(left, OWN_START_WAIT), signal, late), release: lease.release }
    } catch (error) {
      lease.release()
      throw error
    }
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

  function admit(request: McpRequest): void {
    const tool = request.method === 'tools/call' ? request.params.name : undefined
    if (typeof tool === 'string' && !isExposed(spec, tool)) throw new SkeinError('SKEIN_NOT_FOUND', `${name} has no tool ${tool.slice(0, 128)}.`)
    if (inFlight >= maxInFlight) throw new SkeinError('SKEIN_BUSY', `${name} already runs ${maxInFlight} requests. Try again when some are done.`)
  }
  async function execute(request: McpRequest, sink: CallSink, signal: AbortSignal, running: (call: RunningCall) => void): Promise<McpOutcome> {
    admit(request)
    inFlight += 1
    try {
      const due = clock.now() + Math.min(request.timeout, spec.timeout)
      for (let attempt = 0; ; attempt += 1) {
        const left = due - clock.now()
        if (left <= 0) throw new SkeinError('SKEIN_DEADLINE', `${name} could not take the request in time; it was not run.`)
        const lease = await acquire(request, sink, left, signal)
        try {
          signal.throwIfAborted()
          const call = lease.connection.call({ ...request, timeout: due - clock.now() }, sink)
          running(call)
          return hideFrom(request, await call.outcome, spec)
        } catch (error) {
          // Provably not run: the restarted server may take it, once.
          if (attempt > 0 || signal.aborted || !isSkeinError(error, 'SKEIN_UPSTREAM_DOWN')) throw error
          await within(lease.connection.closed, DEATH_NOTICE, signal, error)
        } finally {
          lease.release()
        }
      }
    } finally {
      inFlight -= 1
    }
  }

  return {
    get spec() {
      return spec
    },
    update(next) {
      spec = next
      relist()
    },
    start: () => keeper.start(),
    settled: keeper.settled,
    status() {
      const pids = [...(keeper.connection?.pid === undefined ? [] : [keeper.connection.pid]), ...children.pids()]
      const status: UpstreamStatus = { name, state: keeper.state, kind: spec.kind, tools: listed.definitions.length, restarts: keeper.restarts, pids }
      return keeper.error === undefined ? status : { ...status, error: keeper.error.message }
    },
    tools: () => listed,
    run(request, sink) {
      const abort = new AbortController()
      let inner: RunningCall | undefined
      const outcome = execute(request, sink, abort.signal, (call) => {
        inner = call
      })
      outcome.then(
        (ended) => metrics.requests['error' in ended ? 'error' : 'ok'].inc(),
        (error: unknown) => metrics.requests[statusOf(error)].inc()
      )
      return {
        outcome,
        cancel(reason) {
          if (abort.signal.aborted) return
          abort.abort(new SkeinError('SKEIN_CANCELLED', `The request was cancelled: ${reason}`))
          inner?.cancel(reason)
        }
      }
    },
    endSession: (session) => children.end(session),
    async stop(how) {
      await Promise.all([keeper.stop(how), children.stop(how)])
    }
  }
}

/** A list that a client asks the server for directly hides the same tools. */
function hideFrom(request: McpRequest, outcome: McpOutcome, policy: ServerPolicy): McpOutcome {
  if (request.method !== 'tools/list' || 'error' in outcome || !Array.isArray(outcome.result.tools)) return outcome
  const tools = (outcome.result.tools as unknown[]).filter((tool) => isObject(tool) && isExposed(policy, String(tool.name)))
  return { result: { ...outcome.result, tools } }
}

function statusOf(error: unknown): RequestStatus {
  if (isSkeinError(error, 'SKEIN_BUSY')) return 'busy'
  if (isSkeinError(error, 'SKEIN_CANCELLED')) return 'cancelled'
  if (isSkeinError(error, 'SKEIN_DEADLINE')) return 'timeout'
  if (isSkeinError(error, 'SKEIN_OUTCOME_UNKNOWN')) return 'unknown'
  return isSkeinError(error, 'SKEIN_UPSTREAM_DOWN', 'SKEIN_NOT_FOUND') ? 'unavailable' : 'invalid'
}
