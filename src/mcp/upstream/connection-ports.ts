import type { CallSink, McpRequest, RunningCall, UpstreamTransport } from '../ports.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Random } from '../../base/random.ts'
import type { Json, JsonRpcError, JsonRpcNotification } from '../../wire/json-rpc.ts'
import type { Era, LogLevel } from '../../wire/mcp-spec.ts'

/** What a server said about itself. */
export interface ServerIdentity {
  protocolVersion: string
  capabilities: Json
  serverInfo: Json
  instructions: string | undefined
}

export interface ConnectionDeps {
  clock: Clock
  logger: Logger
  random: Random
}

export interface ConnectionOptions {
  transport: UpstreamTransport
  /** Our version, for `clientInfo`. */
  version: string
  /** Announced to a legacy server: `{}` on a shared connection, the client's own otherwise. */
  capabilities: Json
  /** What is known of the server: `auto` probes, the others go straight to that era. */
  era: 'auto' | Era
  /**
   * Of one client alone, which is asked whatever a legacy server asks: its latest running call is parked. Undefined: several clients
   * share it, so that only those can be asked on whose call's stream a question came.
   */
  own: OwnConnection | undefined
  parking: Parking
  /** Notifications that belong to no running call: the three list_changed, resources/updated, logs, elicitation/complete. */
  onNotification(message: JsonRpcNotification): void
  /** The definition of a tool, for its `Mcp-Param-*` headers (modern HTTP). */
  definition(tool: string): Json | undefined
}

/** A connection that belongs to one client. */
export interface OwnConnection {
  /** Whether it serves nobody but one call now: giving that up makes room for another client. */
  sole(): boolean
}

/** A call on one connection. */
export interface ConnectionCall extends RunningCall {
  /** Resolves when the server's own call is over: with the outcome, or later if it was parked. Never rejects. */
  readonly over: Promise<void>
}

/** One live, ready connection to one MCP server. */
export interface UpstreamConnection {
  readonly era: Era
  readonly identity: ServerIdentity
  readonly pid: number | undefined
  /** When something last came from the server, by the connection's clock. */
  readonly heardAt: number
  /** A client's request; ids and progress tokens are ours on the way and the client's again in what comes back. */
  call(request: McpRequest, sink: CallSink): ConnectionCall
  /** A request of our own, such as `tools/list`. Rejects as the outcome of a call does. */
  request(method: string, params: Json, timeout: number): Promise<{ result: Json } | { error: JsonRpcError }>
  /**
   * The URIs of which `resources/updated` are wanted, of all listeners together. Legacy: resources/subscribe and unsubscribe of what
   * differs; modern: the one `subscriptions/listen` is replaced. Never rejects; failures are logged.
   */
  subscribe(uris: ReadonlySet<string>): void
  /** Sets the level of a legacy server that logs; nothing for modern ones, which are told with each request. */
  setLogLevel(level: LogLevel): void
  /** Resolves when the link is over, with the reason unless `close` asked for it. Never rejects. */
  readonly closed: Promise<Error | undefined>
  close(options?: { grace?: number }): Promise<void>
}

/** A running call of a legacy server that waits for its client's answers. */
export interface ParkedCall {
  /** The request that was parked last: a retry must be for the same. */
  readonly request: McpRequest
  /** Whether ending it frees a connection for another client. */
  sole(): boolean
  /** Answers the server and goes on. */
  resume(request: McpRequest, sink: CallSink): RunningCall
  /** Nobody came back in time: the server hears no and its call is cancelled. */
  expire(reason: string): void
  /** As of the connection's call. */
  readonly over: Promise<void>
}

/** The parked calls of one server, shared by its connections. */
export interface Parking {
  /** The ticket under which the call goes on. Where there is no room, another call is given up. */
  park(call: ParkedCall): string
  /**
   * Ends the call that waits longest among those whose end frees a connection; clients without a session first, for with a session
   * somebody is being asked right now. Resolves when it is over; undefined: there is none.
   */
  makeRoom(): Promise<void> | undefined
  /** Takes out a call that ended while it was parked. */
  drop(ticket: string): void
  /**
   * Goes on with the parked call of the request's `requestState`; undefined: unknown, expired, or parked by another request (its
   * method and its name or URI must be the same).
   */
  resume(request: McpRequest, sink: CallSink): RunningCall | undefined
  readonly size: number
  /** Expires all. */
  close(): void
}
