import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Meter } from '../../base/meter.ts'
import type { Random } from '../../base/random.ts'
import type { IncomingHttpHeaders } from 'node:http'
import type { JsonRpcId, JsonRpcMessage, JsonRpcNotification, JsonRpcRequest, Outcome } from '../../wire/json-rpc.ts'

/** How a session, or one request of a stateless client, reaches its client. */
export interface Link {
  /** Notifications and server-to-client requests; `related`: the client's request they belong to, undefined: the session itself. False: it can never arrive. */
  send(message: JsonRpcRequest | JsonRpcNotification, related: JsonRpcId | undefined): boolean
  /**
   * The answer to a request of the client. `refused`: the request was wrong in itself, in its envelope, headers, revision or method,
   * and reached nobody. False: it can never arrive.
   */
  answer(id: JsonRpcId, outcome: Outcome, refused: boolean): boolean
  /** No answer will come for this request. */
  dropped(id: JsonRpcId): void
}

export interface Session {
  /** Requests waiting for a server. */
  readonly running: number
  receive(message: JsonRpcMessage, options?: { correlation?: string }): void
  /** A way for messages of the session itself has opened. */
  streamOpened(): void
  close(reason: string): void
}

export interface StatelessOptions {
  view: string | undefined
  link: Link
  /** As they came, names in lower case: the era has rules about them. */
  headers: IncomingHttpHeaders
  correlation?: string
}

/** The session machine (mcp/downstream) as this edge needs it, stated here because edges never import domains: node/ hands it in. */
export interface Sessions {
  /** The revisions with sessions that a client may name in `MCP-Protocol-Version`. */
  readonly versions: readonly string[]
  /** The revisions without sessions. */
  readonly statelessVersions: readonly string[]
  /** Whether there is such a view now: undefined is everything, `@name` a configured view, else a server. */
  serves(view: string | undefined): boolean
  open(options: { view: string | undefined; transport: 'http' | 'stdio'; link: Link }): Session
  /** One request of a stateless client. `cancel` when its connection closed. */
  stateless(message: JsonRpcRequest, options: StatelessOptions): { cancel(reason: string): void }
  /** The node is drained or stopping: it takes no new requests. */
  readonly draining: boolean
  /** Refuses new requests, ends subscriptions, resolves when what runs is answered. */
  drain(): Promise<void>
  close(): void
}

export interface McpHttpDeps {
  downstream: Sessions
  clock: Clock
  random: Random
  meter: Meter
  logger: Logger
}

export interface McpHttpOptions {
  /** HTTP sessions at once (`mcp.max_sessions`). @default 256 */
  maxSessions?: number
  /** A request body, or a line of stdio, in bytes (`mcp.max_body_bytes`). @default 4194304 */
  maxBody?: number
  /** A session nobody uses ends after this, ms (`mcp.session_idle_timeout`). @default 3600000 */
  sessionIdleTimeout?: number
  /** The listener is on loopback: only loopback names and `allowedHosts` may be in Host. @default true */
  loopback?: boolean
  /** Names accepted in Host beside loopback ones, with or without a port (`security.allowed_hosts`). `*` accepts any. @default [] */
  allowedHosts?: readonly string[]
  /** Origins accepted beside loopback ones, such as `https://app.example` (`security.allowed_origins`). `*` accepts any. @default [] */
  allowedOrigins?: readonly string[]
}
