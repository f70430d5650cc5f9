import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Random } from '../../base/random.ts'
import { SkeinError } from '../../base/errors.ts'
import { createListeners } from '../../base/listeners.ts'
import { failedCall } from '../../mcp/failed-call.ts'
import { isAskable } from '../../mcp/askable.ts'
import type { CallSink, ClientContext, McpBackend, McpOutcome, McpRequest, McpRunner, RunningCall } from '../../mcp/ports.ts'
import { isSearchCall, searchCall } from '../../mcp/search/search.ts'
import { buildView, viewSpecOf, type View, type ViewLimits, type ViewSpec, type WideView } from '../../mcp/views.ts'
import type { Explanation } from '../../routing/types.ts'
import type { Json } from '../../wire/json-rpc.ts'
import type { Distant } from '../distant/distant.ts'
import type { FarToolSearch } from '../distant/far-tools.ts'
import { farToolsOf, showsFar } from '../distant/far-view.ts'
import { createToolSearch, type ToolSearch } from '../distant/tool-search.ts'
import { createAttempts } from './attempts.ts'
import { createListenings } from './listening.ts'
import type { BackendMetrics } from './metrics.ts'
import type { ToolTarget, VisibleServer } from './offered.ts'
import { openState } from './request-state.ts'
import { routeOf, type Federation, type Route, type RoutedRequest, type TracedRequest } from './routes.ts'
import type { Routing } from './routing.ts'
import { createSessionHomes } from './session-homes.ts'

export interface BackendDeps {
  self: string
  clock: Clock
  random: Random
  logger: Logger
  metrics: BackendMetrics
  /** For servers that say nothing of their own, ms (`mcp.request_timeout`). */
  requestTimeout: number
  local: McpRunner & { endSession(session: string): void }
  remote: {
    /** @param digest of the definition the caller listed, for tools/call */
    run(peer: string, digest: string | undefined, request: McpRequest, sink: CallSink): RunningCall
    endSession(peer: string, session: string): void
  }
  /** Servers that did not change are the same objects as before. */
  visible(): readonly VisibleServer[]
  /** `mcp.views`; the same array until it changes. */
  views(): readonly WideView[]
  routing: Routing
  /** How much a list shows; asked anew each time. @default all that is known */
  limits?: () => Required<ViewLimits>
  /** What is in no list of this node. @default nothing */
  far?: { search: FarToolSearch; definition(digest: string): Json | undefined }
  /** Providers beyond the pools of this node. @default there are none */
  distant?: Pick<Distant, 'known' | 'find' | 'called' | 'forget'>
}

export interface Backend extends McpBackend, ToolSearch {
  run(request: TracedRequest, sink: CallSink): RunningCall
  /** Where a call of this tool would go now, and why, as far as is known without asking a hub; undefined: there is no such tool. */
  explain(advertised: string): { target: ToolTarget; explanation: Explanation } | undefined
  /** Everything listed in `/mcp`, by advertised name. */
  targets(): ReadonlyMap<string, ToolTarget>
  /** Sentences of `/mcp` and of the configured views: what they do not show, and why. */
  notices(): string[]
  /** Something changed: views are built anew when they are next asked for. */
  changed(): void
  /** Calls to this peer take another way now. */
  rerouted(peer: string): void
}

interface Built {
  view: View<ToolTarget>
  spec: ViewSpec
  /** What it was built of. */
  servers: readonly VisibleServer[]
  limits: ViewLimits
}

/** The federation as the downstream side sees it: views over all servers, and calls that go to a provider and fail over. */
export function createBackend(deps: BackendDeps): Backend {
  const listeners = createListeners<[]>(deps.logger, 'a listener for changes of the lists')
  const homes = createSessionHomes()
  let servers: readonly VisibleServer[] | undefined
  let byName = new Map<string, VisibleServer>()
  /** Views asked for since the last change. Their names are those of servers and of the configuration, so there are few. */
  let views = new Map<string | undefined, View<ToolTarget>>()
  /** Views that were built, also before the last change. */
  let built = new Map<string | undefined, Built>()
  let notifying = false
  const federation: Federation = { view: viewOf, server: (advertised) => (all(), byName.get(advertised)), found: searched }
  const attempts = createAttempts({ ...deps, home: ({ client }, server) => homeOf(client, server), route: (request) => routeOf(federation, request), start })
  const listenings = createListenings({ ...deps, federation, choose: (server, client) => deps.routing.choose(server.name, providersOf(server), { sticky: homeOf(client, server.name) })?.peer, start })

  /** Those of the pools first; distant ones are only asked when there are no others. */
  function providersOf(target: ToolTarget | VisibleServer): readonly string[] {
    return target.providers.length > 0 || target.distant === undefined ? target.providers : (deps.distant?.known(target) ?? [])
  }

  function all(): readonly VisibleServer[] {
    if (servers !== undefined) return servers
    servers = deps.visible()
    byName = new Map(servers.map((server) => [server.advertised, server]))
    return servers
  }

  function viewOf(name: string | undefined): View<ToolTarget> | undefined {
    return views.get(name) ?? build(name)
  }

  function build(name: string | undefined): View<ToolTarget> | undefined {
    const found = all()
    const spec = viewSpecOf(name, deps.views())
    if (spec === undefined) return undefined
    const own = 'server' in spec ? byName.get(spec.server) : undefined
    if ('server' in spec && own === undefined) return undefined
    // A server's bare names depend on that server alone.
    const parts = own === undefined ? found : [own]
    const before = built.get(name)
    const known = before !== undefined && sameSpec(before.spec, spec) ? before : undefined
    const limits: ViewLimits = deps.limits?.() ?? {}
    const isSame = known !== undefined && sameItems(known.servers, parts) && known.limits.maxTools === limits.maxTools && known.limits.more === limits.more
    const view = isSame ? known.view : buildView(found, spec, known, limits)
    // Once, not at every change of what it has: which servers they are is in the status.
    if (view.cut !== undefined && before?.view.cut === undefined) deps.logger.warn(view.cut)
    views.set(name, view)
    built.set(name, { view, spec, servers: parts, limits })
    return view
  }

  /** A tool that is in no list, but was found by a search in this view, or at this node's command line. */
  function searched(viewName: string | undefined, name: string): ToolTarget | undefined {
    const view = viewOf(viewName)
    if (view === undefined || (viewName !== undefined && !view.searches)) return undefined
    const known = deps.far?.search.find(name, view.table.get(name))
    const spec = built.get(viewName)?.spec
    if (typeof known !== 'object' || spec === undefined || !showsFar(spec, known)) return undefined
    deps.far?.search.called(known)
    return known.target
  }

  function start(peer: string, route: Route, request: RoutedRequest, timeout: number, sink: CallSink): RunningCall {
    const { method, client, correlation, trace } = request
    const { server, tool } = route
    const params = tool === undefined || tool === request.params['name'] ? request.params : { ...request.params, name: tool }
    const forwarded: McpRequest = trace === undefined ? { server, method, params, client, timeout, correlation } : { server, method, params, client, timeout, correlation, trace }
    if (client.session !== undefined && isAskable(client)) homes.settle(client.session, server, peer)
    if (peer === deps.self) return deps.local.run(forwarded, sink)
    if (client.session !== undefined) homes.served(client.session, peer)
    return deps.remote.run(peer, route.digest, forwarded, sink)
  }

  /** A server of the older era gives a client that it can ask a process of its own, with whatever that remembers. */
  function homeOf(client: ClientContext, server: string): string | undefined {
    return client.session !== undefined && isAskable(client) ? homes.home(client.session, server) : undefined
  }

  function run(request: TracedRequest, sink: CallSink): RunningCall {
    if (request.method === 'tools/call' && (request.view === undefined || request.view.startsWith('@'))) {
      const view = viewOf(request.view)
      if (view !== undefined && isSearchCall(view, String(request.params['name']))) return runSearch(view, request, sink)
    }
    return runRouted(request, sink)
  }

  /** The tools of a search view answer themselves, or stand for a call of another tool. */
  function runSearch(view: View<ToolTarget>, request: TracedRequest, sink: CallSink): RunningCall {
    const { params } = request
    const abort = new AbortController()
    const spec = built.get(request.view)?.spec
    const far = deps.far === undefined || spec === undefined ? undefined : farToolsOf(view, spec, deps.far.search, deps.far.definition, abort.signal)
    const meant = searchCall(view, String(params['name']), params['arguments'], far)
    if ('call' in meant) return runRouted({ ...request, params: { ...params, ...meant.call } }, sink)
    if ('answer' in meant) return answered(meant.answer, abort)
    return failedCall(new SkeinError('SKEIN_NOT_FOUND', meant.problem))
  }

  function runRouted(request: TracedRequest, sink: CallSink): RunningCall {
    if (request.params['requestState'] === undefined) return attempts.run(request, sink)
    const opened = openState(request.params)
    if (opened === undefined) return failedCall(new SkeinError('SKEIN_BAD_REQUEST', 'requestState is not one that skein gave: send it back unchanged, or make the call again from its beginning'))
    return attempts.run({ ...request, params: opened.params, pinned: opened.peer }, sink)
  }

  function notify(): void {
    notifying = false
    listenings.refresh()
    listeners.tell()
  }

  return {
    lists: viewOf,
    onChanged: (listener) => listeners.add(listener),
    run,
    listen: (options, sink) => listenings.open(options, sink),
    endSession(session) {
      deps.local.endSession(session)
      for (const peer of homes.end(session)) deps.remote.endSession(peer, session)
    },
    explain(advertised) {
      const target = viewOf(undefined)?.table.get(advertised)
      return target === undefined ? undefined : { target, explanation: deps.routing.explain(target.server, providersOf(target), { tool: target.tool }) }
    },
    targets: () => viewOf(undefined)?.table ?? new Map(),
    ...createToolSearch({ view: () => viewOf(undefined), shows: (tool) => showsFar((built.get(undefined) as Built).spec, tool), far: deps.far }),
    notices: () => [...new Set([undefined, ...deps.views().map(({ name }) => `@${name}`)].flatMap((name) => viewOf(name)?.notices ?? []))],
    changed() {
      servers = undefined
      views = new Map()
      // Of a server that went for good nothing is kept; one that comes back is built anew.
      built = new Map([...built].filter(([name]) => name === undefined || name.startsWith('@') || byName.has(name)))
      if (notifying) return
      notifying = true
      queueMicrotask(notify)
    },
    rerouted: (peer) => listenings.rerouted(peer)
  }
}

/** @param abort ends what it waits for */
function answered(answer: Json | Promise<Json>, abort: AbortController): RunningCall {
  if (!(answer instanceof Promise)) return { outcome: Promise.resolve({ result: answer }), cancel() {} }
  const { promise, resolve, reject } = Promise.withResolvers<McpOutcome>()
  answer.then((result) => resolve({ result }), reject)
  return {
    outcome: promise,
    cancel(reason) {
      reject(new SkeinError('SKEIN_CANCELLED', reason))
      abort.abort(new Error(reason))
    }
  }
}

function sameSpec(a: ViewSpec, b: ViewSpec): boolean {
  // A server's spec is made anew each time; configured ones are the same object until the configuration changes.
  return a === b || ('server' in a && 'server' in b && a.server === b.server)
}

function sameItems<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index])
}
