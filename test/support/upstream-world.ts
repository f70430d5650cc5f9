import { createMeter } from '../../src/base/meter.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { seededRandom } from '../../src/base/random.ts'
import { createUpstreamHost, type UpstreamHostOptions } from '../../src/mcp/upstream/host.ts'
import type { ServerSpec } from '../../src/mcp/upstream/spec.ts'
import { testGuards } from './guards.ts'
import { flush, mcpRequest, recordingSink, serverSpec, toolCall, type CallOptions, type RecordingSink } from './mcp-calls.ts'
import { createManualClock } from './manual-clock.ts'
import { createMemoryServer, type MemoryServer } from './memory-upstream.ts'

export type UpstreamWorld = Awaited<ReturnType<typeof upstreamWorld>>

/** A host with one attached server in memory, named `one`, whose tool `echo` answers at once and whose other tools are the test's. */
export async function upstreamWorld(spec: Partial<ServerSpec> = {}, prepare: (server: MemoryServer) => void = () => {}, options: Partial<UpstreamHostOptions> = {}) {
  const clock = createManualClock()
  const meter = createMeter()
  const server = createMemoryServer()
  server.respond = (request) => (request.method === 'tools/call' && request.params?.name === 'echo' ? { content: [] } : undefined)
  prepare(server)
  const host = createUpstreamHost({ clock, random: seededRandom(1), meter, logger: silentLogger, guards: testGuards(clock, meter), connect: server.connect }, { version: '1', ...options })
  await host.apply({ one: serverSpec({}, spec) })
  await flush()
  const status = () => host.list()[0]
  const metric = (name: string, ...labels: string[]) =>
    meter.snapshot().find((family) => family.name === name)?.samples.find((sample) => labels.every((label) => sample.labels.includes(label)))?.value
  const call = (tool: string, request: CallOptions = {}, sink: RecordingSink = recordingSink()) => host.run(toolCall('one', tool, request), sink)
  const echo = (session: string | null, capabilities = {}) => call('echo', { session, capabilities }).outcome
  const listen = (client: CallOptions, uris: unknown = []) => {
    const sink = recordingSink()
    const running = host.run(mcpRequest('one', 'subscriptions/listen', { notifications: { resourceSubscriptions: uris } }, client), sink)
    // A test that cancels need not look at how it ended.
    running.outcome.catch(() => {})
    return { ...running, heard: sink.notifications }
  }
  const alive = () => server.links.filter((link) => !link.closed).length
  return { clock, meter, server, host, status, metric, call, echo, listen, alive }
}
