import { silentLogger } from '../../src/base/logger.ts'
import { createMeter } from '../../src/base/meter.ts'
import { seededRandom } from '../../src/base/random.ts'
import type { BackendRequest, CallSink, ClientContext, McpOutcome, McpRequest, RunningCall } from '../../src/mcp/ports.ts'
import type { WideView } from '../../src/mcp/views.ts'
import { createBackend, type Backend } from '../../src/node/calls/backend.ts'
import { createBackendMetrics } from '../../src/node/calls/metrics.ts'
import type { ToolTarget, VisibleServer } from '../../src/node/calls/offered.ts'
import { createRouting } from '../../src/node/calls/routing.ts'
import type { About } from '../../src/wire/about.ts'
import type { Json } from '../../src/wire/json-rpc.ts'
import { createManualClock, type ManualClock } from './manual-clock.ts'

export const SELF = 'P-self'
export const CLIENT: ClientContext = { session: `${SELF}/s1`, clientInfo: { name: 'c', version: '1' }, capabilities: {}, logLevel: undefined }

/** A request that reached a provider, to be ended by the test. */
export interface StartedCall {
  peer: string
  digest: string | undefined
  request: McpRequest
  sink: CallSink
  settle(outcome: McpOutcome): void
  fail(error: Error): void
  /** Reasons given. */
  cancelled: string[]
}

export interface BackendWorld {
  backend: Backend
  clock: ManualClock
  calls: StartedCall[]
  /** `session@peer`, `session@local`. */
  ended: string[]
  /** Replaces what is visible and tells the backend. */
  show(...servers: VisibleServer[]): void
  configure(...views: WideView[]): void
  metric(name: string, ...labels: string[]): number
  last(): StartedCall
}

/** A backend between the test as its client and the test as all of its providers. */
export function createBackendWorld(...servers: VisibleServer[]): BackendWorld {
  const clock = createManualClock()
  const meter = createMeter()
  const calls: StartedCall[] = []
  const ended: string[] = []
  let visible: readonly VisibleServer[] = servers
  let views: readonly WideView[] = []

  function started(peer: string, digest: string | undefined, request: McpRequest, sink: CallSink): RunningCall {
    const { promise, resolve, reject } = Promise.withResolvers<McpOutcome>()
    const cancelled: string[] = []
    calls.push({ peer, digest, request, sink, settle: resolve, fail: reject, cancelled })
    return { outcome: promise, cancel: (reason) => void cancelled.push(reason) }
  }

  // Nothing is known of anybody, and no breaker opens.
  const routing = createRouting({
    self: SELF, clock, random: seededRandom(2), meter,
    guards: { guard: () => ({ state: 'closed', refusing: false, running: 0, waiting: 0, run: (start) => start(), tryNow() {} }) },
    membership: { member: () => undefined, predicted: () => undefined, onEvent: () => () => {} },
    catalog: { record: () => undefined },
    local: { load: () => undefined, spec: () => undefined },
    place: undefined,
    reach: { path: () => undefined },
    rpc: { session: () => undefined }
  })

  const backend = createBackend({
    self: SELF, clock, random: seededRandom(1), logger: silentLogger, metrics: createBackendMetrics(meter), requestTimeout: 30_000,
    local: { run: (request, sink) => started(SELF, undefined, request, sink), endSession: (session) => void ended.push(`${session}@local`) },
    remote: { run: started, endSession: (peer, session) => void ended.push(`${session}@${peer}`) },
    visible: () => visible,
    views: () => views,
    routing
  })
  return {
    backend, clock, calls, ended,
    show(...next) {
      visible = next
      backend.changed()
    },
    configure(...next) {
      views = next
      backend.changed()
    },
    metric: (name, ...labels) => meter.snapshot().find((one) => one.name === name)?.samples.find((sample) => sample.labels.join() === labels.join())?.value ?? 0,
    last: () => calls.at(-1) as StartedCall
  }
}

export interface ServerOptions {
  tools?: readonly string[]
  repeatable?: boolean
  providers?: readonly string[]
  timeout?: number
  /** Name at its providers. @default the advertised one */
  name?: string
  about?: Partial<About>
}

export function visibleServer(advertised: string, options: ServerOptions = {}): VisibleServer {
  const { tools = ['t'], repeatable = false, providers = [SELF], name = advertised, about, timeout } = options
  const extra = timeout === undefined ? {} : { timeout }
  return {
    server: advertised, advertised, name, providers, ...extra,
    about: about === undefined ? undefined : { capabilities: {}, serverInfo: { name, version: '1' }, prompts: [], resources: [], resourceTemplates: [], ...about },
    tools: tools.map((tool) => {
      const target: ToolTarget = { advertised, server: name, tool, digest: `digest of ${tool}`, repeatable, providers, ...extra }
      return { server: advertised, tool, definition: { name: tool, inputSchema: { type: 'object' } }, target }
    })
  }
}

export function request(method: string, params: Json, more: Partial<BackendRequest> = {}): BackendRequest {
  return { view: undefined, method, params, client: CLIENT, correlation: 'c1', ...more }
}

export const OK: McpOutcome = { raw: '{"content":[]}', typed: false }
