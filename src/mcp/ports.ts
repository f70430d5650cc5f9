import type { Json, JsonRpcError, JsonRpcMessage, JsonRpcNotification } from '../wire/json-rpc.ts'
import type { TraceContext } from '../wire/trace.ts'

/** A link to one MCP server: a child's stdio, an HTTP endpoint, or a pair in memory. Implemented by mcp-io/. */
export interface UpstreamTransport {
  /** Callbacks must be installed before start(). */
  onMessage: (message: JsonRpcMessage) => void
  /** The last event; `error` says why when it was not asked for. */
  onClose: (error?: Error) => void
  /** Something odd that does not end the link: noise on stdout, a refused GET stream. */
  onNoise: (text: string) => void
  start(options: { signal: AbortSignal }): Promise<void>
  /** Resolves when the message was handed over; rejects if it provably was not. */
  send(message: JsonRpcMessage): Promise<void>
  /** Ends the link and everything behind it (the child's whole process group), within `grace` ms. */
  close(options?: { grace?: number }): Promise<void>
  /** The child's process id, where there is one. */
  readonly pid: number | undefined
}

/** The client on whose behalf a call runs, as far as an upstream needs to know it. */
export interface ClientContext {
  /** Unique in the federation: `<peer id of the edge>/<random>`. */
  session: string
  clientInfo: { name: string; version: string }
  /** As the client declared them at its edge. */
  capabilities: Json
}

/** One client request on its way to one server, bare names inside. */
export interface McpRequest {
  /** The name under `mcp.servers` at the provider. */
  server: string
  /** Such as `tools/call`. */
  method: string
  /** `_meta.progressToken`, if any, is the client's own; whoever needs another one on the way maps it back. */
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
  /** Progress (with the client's own token), log messages. */
  notification(message: JsonRpcNotification): void
  /** A request of the server to the client (sampling, elicitation, roots), answered with a JSON-RPC result or error. */
  request(method: string, params: Json | undefined): Promise<McpOutcome>
}

export type McpOutcome = { result: Json } | { error: JsonRpcError }

export interface RunningCall {
  /**
   * The server's own answer, errors of the server included. Rejects with a SkeinError when there is none:
   * SKEIN_UPSTREAM_DOWN, SKEIN_NOT_FOUND, SKEIN_BUSY (provably not run), SKEIN_OUTCOME_UNKNOWN (may have run),
   * SKEIN_DEADLINE, SKEIN_CANCELLED.
   */
  readonly outcome: Promise<McpOutcome>
  /** Tells the server; the outcome settles with SKEIN_CANCELLED. */
  cancel(reason: string): void
}

/** Runs one MCP request somewhere: on an upstream of this node, or at another node. */
export interface McpRunner {
  run(request: McpRequest, sink: CallSink): RunningCall
}

/** A client request through a view; without `timeout` the server's own holds. */
export type BackendRequest = Omit<McpRequest, 'server' | 'timeout'> & { server: string | undefined; timeout?: number }

/** What the downstream side needs from the federation. `server` undefined means the view of everything. */
export interface McpBackend {
  /** The view's tools, prebuilt and in a stable order: the same object until something changes. Undefined: no such server. */
  tools(server: string | undefined): ToolList | undefined
  /** What an `initialize` through this view announces beside tools, `{}` for the view of everything. */
  capabilities(server: string | undefined): Json
  /** Calls back after any view's tools changed, at most once a tick. Returns the way to stop. */
  onToolsChanged(listener: () => void): () => void
  /** A client request through a view, with advertised names inside; the backend finds server and provider. */
  run(request: BackendRequest, sink: CallSink): RunningCall
  /** The client's session is over: upstream children of its own may go. */
  endSession(session: string): void
}

export interface ToolList {
  /** Definitions with advertised names, sorted by name. */
  tools: readonly Json[]
}
