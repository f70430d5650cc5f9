import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Meter } from '../../base/meter.ts'
import type { Random } from '../../base/random.ts'
import type { JsonRpcId, JsonRpcMessage } from '../../wire/json-rpc.ts'

export interface Link {
  /** False: it can never arrive. */
  send(message: JsonRpcMessage, related: JsonRpcId | undefined): boolean
  /** No answer will come for this request. */
  dropped(id: JsonRpcId): void
}

export interface Session {
  readonly running: number
  receive(message: JsonRpcMessage, options?: { correlation?: string }): void
  streamOpened(): void
  close(reason: string): void
}

/** The session machine (mcp/downstream) as this edge needs it, stated here because edges never import domains: node/ hands it in. */
export interface Sessions {
  /** The revisions a client may name in `MCP-Protocol-Version`. */
  readonly versions: readonly string[]
  serves(view: string | undefined): boolean
  open(options: { view: string | undefined; transport: 'http' | 'stdio'; link: Link }): Session
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
