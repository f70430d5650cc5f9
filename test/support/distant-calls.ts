import { silentLogger } from '../../src/base/logger.ts'
import { seededRandom } from '../../src/base/random.ts'
import type { ClientContext, McpOutcome, RunningCall } from '../../src/mcp/ports.ts'
import { createBackend, type Backend } from '../../src/node/calls/backend.ts'
import { createRemoteRunner } from '../../src/node/calls/mcp-over-rpc.ts'
import { createBackendMetrics } from '../../src/node/calls/metrics.ts'
import type { VisibleServer } from '../../src/node/calls/offered.ts'
import type { AttemptDone } from '../../src/node/calls/routes.ts'
import { createRouting } from '../../src/node/calls/routing.ts'
import { createDistant, type Distant } from '../../src/node/distant/distant.ts'
import { createDistantMetrics } from '../../src/node/distant/metrics.ts'
import type { ServerExchange } from '../../src/rpc/types.ts'
import { decodeMcpCall, encodeCallEnd, encodeCallMessage } from '../../src/wire/mcp-call.ts'
import type { JsonRpcNotification } from '../../src/wire/json-rpc.ts'
import type { ResolvedProvider } from '../../src/wire/summary-types.ts'
import { METHOD } from '../../src/wire/protocols.ts'
import { request, visibleServer } from './backend-world.ts'
import { recordingSink, type RecordingSink } from './mcp-calls.ts'
import { createReachNet, type ReachNet, type ReachNode } from './reach-net.ts'

/** An edge with its backend in a tree of pools over real sessions; the hubs' tables are played by the test. */
export interface DistantCalls extends Omit<ReachNet, 'nodes'> {
  /** The edge; its hub; that of the others' region; their hub and another one that is ready to follow it; two providers below it. */
  edge: ReachNode
  hub: ReachNode
  region: ReachNode
  local: ReachNode
  spare: ReachNode
  near: ReachNode
  far: ReachNode
  backend: Backend
  distant: Distant
  /** What the edge's hub answers about any server; undefined: it does not answer. */
  table: { answer: (() => ResolvedProvider[]) | undefined; asked: { at: number; tool: string | undefined; fresh: boolean }[] }
  /** `provider`, reached over these, as the table has it. */
  over(provider: ReachNode, via: readonly ReachNode[]): ResolvedProvider
  /** Starts a call of `s__<tool>` (or another request) and lets what can happen happen. */
  call(options?: { tool?: string; timeout?: number; method?: string; params?: Record<string, unknown>; view?: string; client?: Partial<ClientContext> }): Promise<Made>
  /** The node dies: sessions with it close, nobody hears it again. */
  kill(node: ReachNode): Promise<void>
  /** The two share a pool from now on, and are linked. */
  join(a: ReachNode, b: ReachNode): Promise<void>
  /** Replaces what the edge lists. */
  show(...servers: VisibleServer[]): void
  /** Ends of sessions that the providers were told. */
  ended: string[]
}

export interface Made {
  running: RunningCall
  sink: RecordingSink
  attempts: AttemptDone[]
  /** Text of the result, or the error's code; undefined while it runs. */
  readonly result: string | undefined
  readonly message: string | undefined
}

/** What the provider got, to be ended by the test. */
export function paramsOf(exchange: ServerExchange): Record<string, unknown> {
  return decodeMcpCall(exchange.body).params
}

export function answer(exchange: ServerExchange | undefined, text: string): void {
  exchange?.end(encodeCallEnd({ result: { content: [{ type: 'text', text }] } }))
}

export function tell(exchange: ServerExchange | undefined, message: JsonRpcNotification): void {
  exchange?.send(encodeCallMessage(message), { renew: true })
}

/** Distant: nobody in the edge's pool has it. */
export function distantServer(options: Parameters<typeof visibleServer>[1] = {}): VisibleServer {
  const made = visibleServer('s', { tools: ['once', 'again'], providers: [], timeout: 30_000, ...options })
  const tools = made.tools.map((tool) => ({ ...tool, target: { ...tool.target, distant: 's', repeatable: tool.tool === 'again' } }))
  return { ...made, tools, distant: 's' }
}

export async function createDistantCalls(...first: VisibleServer[]): Promise<DistantCalls> {
  let servers = first
  // edge - hub - region - {local, spare} - {near, far}: who is linked shares a pool.
  const links = [[0, 1], [1, 2], [2, 3], [2, 4], [3, 5], [3, 6], [4, 5], [4, 6]] as const
  const pools: (readonly number[])[] = [...links]
  const world = await createReachNet(7, links, { pools })
  const { net } = world
  await net.advance(2_600)
  const [edge, hub, region, local, spare, near, far] = world.nodes as [ReachNode, ReachNode, ReachNode, ReachNode, ReachNode, ReachNode, ReachNode]
  const { clock } = net
  const table: DistantCalls['table'] = { answer: () => [], asked: [] }
  const distant = createDistant({
    self: edge.id, clock, logger: silentLogger, metrics: createDistantMetrics(edge.meter), reach: edge.reach, links: { called() {}, keeps: () => false },
    async resolve(_key, { tool, fresh = false, signal, timeout }) {
      table.asked.push({ at: clock.now(), tool, fresh })
      // As over the session with the hub, when there is one.
      const isUp = edge.rpc.session(hub.id) !== undefined || edge.rpc.session(region.id) !== undefined
      if (table.answer !== undefined && isUp) return table.answer()
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(new Error('stopped')))
        clock.after(isUp ? timeout : 0, () => reject(new Error('the hub does not answer')))
      })
    }
  })
  edge.resolveAgain = distant.again
  const ended: string[] = []
  for (const node of [near, far]) node.rpc.handle(METHOD.MCP_END_SESSION, (exchange) => {
    ended.push(`${Buffer.from(exchange.body).toString()}@${node === near ? 'near' : 'far'}`)
    exchange.end(new Uint8Array())
  })
  const routing = createRouting({
    self: edge.id, clock, random: seededRandom(2), meter: edge.meter,
    guards: { guard: () => ({ state: 'closed', refusing: false, running: 0, waiting: 0, run: (start) => start(), tryNow() {} }) },
    membership: { member: () => undefined, predicted: () => undefined, onEvent: () => () => {} },
    catalog: { record: () => undefined },
    local: { load: () => undefined, spec: () => undefined },
    place: { latitude: 52.5, longitude: 13.4 },
    reach: edge.reach, rpc: edge.rpc, distant
  })
  const backend = createBackend({
    self: edge.id, clock, random: seededRandom(1), logger: silentLogger, metrics: createBackendMetrics(edge.meter), requestTimeout: 30_000,
    local: {
      run() {
        throw new Error('nothing runs here')
      },
      endSession() {}
    },
    remote: createRemoteRunner(edge.reach, silentLogger),
    visible: () => servers,
    views: () => [],
    routing, distant
  })
  edge.reach.onChange((peer) => {
    if (edge.reach.path(peer) !== undefined) backend.rerouted(peer)
  })
  const names = new Map([near, far].map((node) => [node.id, node === near ? 'near' : 'far']))
  return {
    ...world, edge, hub, region, local, spare, near, far, backend, distant, table, ended,
    over: ({ id }, via) => ({ peer: id, name: names.get(id) ?? '', via: via.map((relay) => relay.id), rtt: id === near.id ? 10 : 50, addresses: [], region: 'eu' }),
    async call({ tool = 'once', method = 'tools/call', params, view, timeout, client = {} } = {}) {
      const sink = recordingSink()
      const attempts: AttemptDone[] = []
      const context: ClientContext = { session: `${edge.id}/c`, clientInfo: { name: 'c', version: '1' }, capabilities: {}, logLevel: undefined, ...client }
      const more = { client: context, view, ...(timeout === undefined ? {} : { timeout }) }
      const running = backend.run({ ...request(method, params ?? { name: `s__${tool}`, arguments: {} }, more), onAttempt: (attempt) => void attempts.push(attempt) }, sink)
      const made = { running, sink, attempts, result: undefined as string | undefined, message: undefined as string | undefined }
      running.outcome.then(
        (outcome: McpOutcome) => (made.result = textOf(outcome)),
        (error: { code: string; message: string }) => Object.assign(made, { result: error.code, message: error.message })
      )
      await net.run()
      return made
    },
    async join(a, b) {
      pools.push([world.nodes.indexOf(a), world.nodes.indexOf(b)])
      a.reach.memberUp(b.id)
      b.reach.memberUp(a.id)
      await world.link(a, b)
    },
    show(...next) {
      servers = next
      backend.changed()
    },
    async kill(node) {
      world.freeze(node)
      for (const other of world.nodes) if (other !== node) {
        other.reach.memberDown(node.id)
        await world.unlink(other, node)
      }
    }
  }
}

function textOf(outcome: McpOutcome): string {
  if ('raw' in outcome) return String((JSON.parse(outcome.raw) as { content: { text: string }[] }).content[0]?.text)
  return JSON.stringify('result' in outcome ? outcome.result : outcome.error)
}
