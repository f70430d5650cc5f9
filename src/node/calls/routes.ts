import { SkeinError } from '../../base/errors.ts'
import type { BackendRequest } from '../../mcp/ports.ts'
import { isAskable } from '../../mcp/askable.ts'
import type { View } from '../../mcp/view-types.ts'
import type { Reason } from '../../routing/types.ts'
import type { Json, JsonRpcError } from '../../wire/json-rpc.ts'
import { INVALID_PARAMS, METHOD_NOT_FOUND } from '../../wire/mcp-spec.ts'
import type { ToolTarget, VisibleServer } from './offered.ts'

/** Where a request goes. */
export interface Route {
  /** Name under `mcp.servers` at the providers. */
  server: string
  providers: readonly string[]
  /** For servers that nodes beyond the pools have too, or alone: `summaryKey` of it. */
  distant?: string
  /** Of those only this one: peer id. */
  only?: string
  /** May run again after an unknown outcome. */
  repeatable: boolean
  /** For tools/call: of the definition that the caller listed; undefined: one that only its client's own list has. */
  digest?: string
  /** For tools/call: the bare name. */
  tool?: string
  /** The server's own time limit, ms. */
  timeout?: number
}

/** One try of a call at one provider, after it ended. */
export interface AttemptDone {
  peer: string
  why: Reason
  /** ms */
  expected: number
  /** `ok` or the code of the error. */
  ended: string
  ms: number
  /** Peer ids of the nodes that passed it on, in order, when it left. */
  via: readonly string[]
}

/** A request as an edge of this node may make it. */
export type TracedRequest = BackendRequest & { onAttempt?: (attempt: AttemptDone) => void }

/** A request on its way: a retry that answers a server's questions goes to the provider that asked, and nowhere else. */
export type RoutedRequest = TracedRequest & { pinned?: string }

export interface Federation {
  view(name: string | undefined): View<ToolTarget> | undefined
  server(advertised: string): VisibleServer | undefined
  /** What a search found that no list has. */
  found?(view: string | undefined, name: string): ToolTarget | undefined
}

/** The provider side of a request, or the error that answers it. Throws SKEIN_NOT_FOUND for a tool, prompt or server that is not there. */
export function routeOf(federation: Federation, request: RoutedRequest): Route | { error: JsonRpcError } {
  const route = request.method === 'tools/call' ? routeOfTool(federation, request) : routeOfServer(federation, request)
  if (request.pinned === undefined || 'error' in route) return route
  const { pinned } = request
  const { distant, ...near } = route
  // What the provider keeps for this call is nowhere else, and it is used up by the first try.
  if (route.providers.includes(pinned)) return { ...near, providers: [pinned], repeatable: false }
  if (distant === undefined) throw lostQuestion()
  return { ...near, distant, only: pinned, providers: [], repeatable: false }
}

/** The retry of a call that asked something must go to whoever asked. */
export function lostQuestion(): SkeinError {
  return new SkeinError('SKEIN_BAD_REQUEST', 'the node that asked this question does not offer the server now: look what the call did before you make it again from its beginning')
}

function routeOfTool(federation: Federation, { view: viewName, params, client }: RoutedRequest): Route {
  const name = String(params['name'])
  const view = federation.view(viewName)
  const target = view?.table.get(name) ?? federation.found?.(viewName, name)
  if (target !== undefined) return target
  // What its own list says of tools for this client alone nobody else knows: the server decides, without a digest.
  const found = view?.passesTools === true && client.session !== undefined && isAskable(client) ? federation.server(viewName as string) : undefined
  if (found === undefined) throw new SkeinError('SKEIN_NOT_FOUND', `there is no tool named "${name.slice(0, 128)}": list the tools again`)
  return { ...routeTo(found), tool: name, repeatable: false }
}

function routeOfServer(federation: Federation, request: RoutedRequest): Route | { error: JsonRpcError } {
  const name = serverOf(federation, request)
  if (typeof name === 'object') return name
  const found = federation.server(name)
  if (found === undefined) throw new SkeinError('SKEIN_NOT_FOUND', `there is no server named "${name.slice(0, 64)}" now`)
  // Everything that is not a tool call reads: listing, reading, completing.
  return routeTo(found)
}

function routeTo({ name, providers, timeout, distant }: VisibleServer): Route {
  return { server: name, providers, repeatable: true, ...(timeout === undefined ? {} : { timeout }), ...(distant === undefined ? {} : { distant }) }
}

/** The advertised server that a request other than tools/call is for. */
function serverOf(federation: Federation, { view: viewName, method, params }: RoutedRequest): string | { error: JsonRpcError } {
  if (viewName !== undefined && !viewName.startsWith('@')) return viewName
  const view = federation.view(viewName)
  if (view === undefined) throw new SkeinError('SKEIN_NOT_FOUND', `there is no view named "${String(viewName).slice(0, 64)}"`)
  if (method === 'prompts/get') return serverOfPrompt(view, params['name'])
  if (method === 'resources/read') return serverOfResource(view, params['uri'])
  if (method !== 'completion/complete') return { error: { code: METHOD_NOT_FOUND, message: `${method.slice(0, 64)} is not for a view of several servers` } }
  const ref = (params['ref'] ?? {}) as Json
  if (ref['type'] === 'ref/prompt') return serverOfPrompt(view, ref['name'])
  if (ref['type'] === 'ref/resource') return serverOfResource(view, ref['uri'])
  return { error: { code: INVALID_PARAMS, message: 'ref.type must be ref/prompt or ref/resource' } }
}

function serverOfPrompt(view: View<ToolTarget>, name: unknown): string {
  const server = view.promptServers.get(String(name))
  if (server === undefined) throw new SkeinError('SKEIN_NOT_FOUND', `there is no prompt named "${String(name).slice(0, 128)}": list the prompts again`)
  return server
}

function serverOfResource(view: View<ToolTarget>, uri: unknown): string | { error: JsonRpcError } {
  const server = view.serverOfUri(String(uri))
  // In the form of the specification: clients read `data.uri`.
  return server ?? { error: { code: INVALID_PARAMS, message: `Resource not found: ${String(uri).slice(0, 1024)}`, data: { uri } } }
}
