import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Random } from '../base/random.ts'
import { SkeinError } from '../base/errors.ts'
import type { CallSink, McpBackend, McpRequest, McpRunner, RunningCall } from '../mcp/ports.ts'
import type { Json } from '../wire/json-rpc.ts'
import { buildView, type View } from '../mcp/views.ts'
import { createAttempts } from './attempts.ts'
import type { ToolTarget, VisibleServer } from './offered.ts'
import type { RemoteTarget } from './mcp-over-rpc.ts'

export interface BackendDeps {
  self: string
  clock: Clock
  random: Random
  logger: Logger
  /** For servers that say nothing of their own, ms (`mcp.request_timeout`). */
  requestTimeout: number
  local: McpRunner & { endSession(session: string): void }
  /** Capabilities of a local server's handshake; undefined if it is not ours. */
  localCapabilities(server: string): Json | undefined
  remote: { at(target: RemoteTarget): McpRunner; endSession(peer: string, session: string): void }
  visible(): VisibleServer[]
  /** Measured facts of a peer. */
  facts(peer: string): { rtt?: number; load?: number }
}

export interface Backend extends McpBackend {
  /** Everything listed, by advertised name. */
  targets(): ReadonlyMap<string, ToolTarget>
  servers(): readonly VisibleServer[]
  /** Something changed: views are built anew when they are next asked for. */
  changed(): void
}

/** Sessions whose providers are remembered, so that they can be told of its end; the oldest is forgotten first. */
const MAX_TRACKED_SESSIONS = 4096

/** The federation as the downstream side sees it: views over all servers, and calls that go to a provider and fail over. */
export function createBackend(deps: BackendDeps): Backend {
  const listeners = new Set<() => void>()
  const served = new Map<string, Set<string>>()
  let servers: VisibleServer[] | undefined
  let views = new Map<string | undefined, View<ToolTarget>>()
  const attempts = createAttempts(deps)

  const all = () => (servers ??= deps.visible())

  function view(server: string | undefined): View<ToolTarget> | undefined {
    const known = views.get(server)
    if (known !== undefined) return known
    const found = all()
    if (server !== undefined && !found.some((entry) => entry.advertised === server)) return undefined
    const built = buildView(
      found.flatMap((entry) => entry.tools),
      server
    )
    views.set(server, built)
    return built
  }

  function remember(session: string, peer: string): void {
    if (peer === deps.self) return
    const peers = served.get(session)
    if (peers !== undefined) return void peers.add(peer)
    served.set(session, new Set([peer]))
    const oldest = served.keys().next().value
    if (served.size > MAX_TRACKED_SESSIONS && oldest !== undefined) served.delete(oldest)
  }

  /** The tool or server a request means, looked up anew for each attempt, for providers come and go. */
  function resolve(request: Pick<McpRequest, 'method' | 'params'> & { server: string | undefined }): Resolved {
    const { method, params, server } = request
    if (method === 'tools/call') {
      const name = String(params['name'])
      const target = view(server)?.table.get(name)
      if (target === undefined) throw new SkeinError('SKEIN_NOT_FOUND', `there is no tool named "${name.slice(0, 128)}": list the tools again`)
      return { server: target.server, providers: target.providers, digest: target.digest, repeatable: target.repeatable, tool: target.tool, timeout: target.timeout }
    }
    const found = all().find((entry) => entry.advertised === server)
    if (found === undefined) throw new SkeinError('SKEIN_NOT_FOUND', `there is no server named "${String(server).slice(0, 64)}" now`)
    // Everything that is not a tool call reads: listing, reading, completing.
    return { server: found.server, providers: found.providers, digest: undefined, repeatable: true, tool: undefined, timeout: found.timeout }
  }

  return {
    tools: (server) => view(server),
    capabilities(server) {
      const found = server === undefined ? undefined : all().find((entry) => entry.advertised === server)
      if (found === undefined || !found.providers.includes(deps.self)) return {}
      const { resources, prompts, completions, logging } = deps.localCapabilities(found.server) ?? {}
      // Without what a server says by itself: notifications outside a call have no way to a client yet.
      const plain = { resources: resources && {}, prompts: prompts && {}, completions, logging }
      return Object.fromEntries(Object.entries(plain).filter(([, value]) => value !== undefined))
    },
    onToolsChanged(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    run(request, sink) {
      return attempts.run(
        () => resolve(request),
        (peer, { server, digest, tool }, timeout, attemptSink) => {
          remember(request.client.session, peer)
          const params = tool === undefined ? request.params : { ...request.params, name: tool }
          const runner = peer === deps.self ? deps.local : deps.remote.at({ peer, ...(digest === undefined ? {} : { digest }) })
          return runner.run({ ...request, server, params, timeout }, attemptSink)
        },
        request.timeout,
        request,
        sink
      )
    },
    endSession(session) {
      deps.local.endSession(session)
      for (const peer of served.get(session) ?? []) deps.remote.endSession(peer, session)
      served.delete(session)
    },
    targets: () => view(undefined)?.table ?? new Map(),
    servers: () => all(),
    changed() {
      servers = undefined
      views = new Map()
      for (const listener of listeners) listener()
    }
  }
}

export interface Resolved {
  server: string
  providers: readonly string[]
  digest: string | undefined
  repeatable: boolean
  /** Bare tool name, for tools/call. */
  tool: string | undefined
  /** The server's own, ms. */
  timeout: number | undefined
}

export type RunAt = (peer: string, resolved: Resolved, timeout: number, sink: CallSink) => RunningCall
