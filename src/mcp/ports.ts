import type { Json, JsonRpcId, JsonRpcMessage, JsonRpcNotification, Outcome } from '../wire/json-rpc.ts'
import type { ServerLoad } from '../wire/mcp-call.ts'
import type { TraceContext } from '../wire/trace.ts'
import type { LogLevel } from '../wire/mcp-spec.ts'

/** What a transport knows about a message beside its content. */
export interface MessageOrigin {
  /** The request of ours on whose own stream it came (HTTP); undefined where all share one channel. */
  related?: JsonRpcId
  /** The JSON text of `result`, where it could be cut out of the message as it came. */
  resultText?: string
}

/** A link to one MCP server: a child's stdio, an HTTP endpoint, or a pair in memory. Implemented by mcp-io/. */
export interface UpstreamTransport {
  /** Callbacks must be installed before start(). */
  onMessage: (message: JsonRpcMessage, origin: MessageOrigin) => void
  /** The last event; `error` says why when it was not asked for. */
  onClose: (error?: Error) => void
  /** Something odd that does not end the link: noise on stdout, a refused GET stream. */
  onNoise: (text: string) => void
  start(options: { signal: AbortSignal }): Promise<void>
  /** Resolves when the message was handed over; rejects if it provably was not. `headers` go with it where there are any (HTTP). */
  send(message: JsonRpcMessage, options?: { headers?: Readonly<Record<string, string>> }): Promise<void>
  /** Ends the link and everything behind it (the child's whole process group), within `grace` ms. */
  close(options?: { grace?: number }): Promise<void>
  /** The child's process id, where there is one. */
  readonly pid: number | undefined
}

/** The client on whose behalf a call runs, as far as an upstream needs to know it. */
export interface ClientContext {
  /** A session's name, unique in the federation: `<peer id of the edge>/<random>`. Undefined: a client of the stateless era. */
  session: string | undefined
  clientInfo: { name: string; version: string }
  /** As the client declared them: in `initialize`, or with this request. */
  capabilities: Json
  /** Log lines of the server that belong into its calls: none, as the server likes, or that level and above. */
  logLevel: LogLevel | 'default' | undefined
}

/**
 * One client request on its way to one server, bare names inside, in the form of revision 2026-07-28: what a server wants from the
 * client comes back as an `input_required` result, and the client's answers come with the next try (`inputResponses`,
 * `requestState`). Older revisions are translated at the edges only. `subscriptions/listen` runs until it is cancelled.
 */
export interface McpRequest {
  /** The name under `mcp.servers` at the provider. */
  server: string
  /** Such as `tools/call`. */
  method: string
  /**
   * As the client sent them, `_meta` included: `progressToken` is the client's own; whoever needs another one on the way maps it
   * back. The reserved `io.modelcontextprotocol/*` keys of a request are the last leg's: the upstream side sets them from `client`
   * or takes them out.
   */
  params: Json
  client: ClientContext
  /** Time left, ms. */
  timeout: number
  /** Follows the call over all hops, into logs. */
  correlation: string
  trace?: TraceContext
}

/** Where what belongs to a running call goes, in order. */
export interface CallSink {
  /** Progress (with the client's own token), log messages; for `subscriptions/listen` whatever the server says by itself. */
  notification(message: JsonRpcNotification): void
}

export type McpOutcome = Outcome

export interface RunningCall {
  /**
   * The server's own answer, errors of the server included. Rejects with a SkeinError when there is none:
   * SKEIN_UPSTREAM_DOWN, SKEIN_NOT_FOUND, SKEIN_BUSY (provably not run), SKEIN_OUTCOME_UNKNOWN (may have run),
   * SKEIN_DEADLINE, SKEIN_CANCELLED.
   */
  readonly outcome: Promise<McpOutcome>
  /** Tells the server; the outcome settles with SKEIN_CANCELLED. */
  cancel(reason: string): void
  /** Of the server at its provider when it answered: there with the outcome, where another node told. */
  load?: ServerLoad
  /** Peer ids of the nodes that pass it on, in order, of the way that it took last; absent: there were none to ask. */
  via?: readonly string[] | undefined
}

/** Runs one MCP request somewhere: on an upstream of this node, or at another node. */
export interface McpRunner {
  run(request: McpRequest, sink: CallSink): RunningCall
}

/** A client request through a view; without `timeout` the server's own holds. */
export type BackendRequest = Omit<McpRequest, 'server' | 'timeout'> & { view: string | undefined; timeout?: number }

/** What the downstream side needs from the federation. A view is undefined (everything), a server's name, or `@<name>` of a configured view. */
export interface McpBackend {
  /** The view's lists, prebuilt and in a stable order: the same object until something changes. Undefined: no such view. */
  lists(view: string | undefined): ViewLists | undefined
  /** Calls back after any view's lists changed, at most once a tick. Returns the way to stop. */
  onChanged(listener: () => void): () => void
  /** A client request through a view, with advertised names inside; the backend finds server and provider. */
  run(request: BackendRequest, sink: CallSink): RunningCall
  /** What servers say outside the client's calls; survives restarts of servers and providers until it is closed. */
  listen(options: ListenOptions, sink: CallSink): Listening
  /** The client's session is over: upstream children of its own may go. */
  endSession(session: string): void
}

export interface ListenOptions {
  view: string | undefined
  client: ClientContext
  /** URIs of which `notifications/resources/updated` are wanted. */
  resources: readonly string[]
}

export interface Listening {
  /** Replaces the URIs. */
  update(resources: readonly string[]): void
  close(): void
}

/** What a view lists, with advertised names, each sorted by name (resources by URI). */
export interface ViewLists {
  tools: readonly Json[]
  prompts: readonly Json[]
  resources: readonly Json[]
  resourceTemplates: readonly Json[]
  /**
   * One server's view: prompts and resources are asked of the server itself (its pages, its order); the lists here only tell when
   * they changed. False: the lists here are the answer.
   */
  passesLists: boolean
  /** The same for the tools of clients with sessions that can be asked: a server of the 2025 era may have more for them than the list here. */
  passesTools: boolean
  /** Of servers behind the view: `tools`, `prompts`, `resources`, `completions`, `logging` where some server has them. */
  capabilities: Json
  instructions: string | undefined
}
