import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Random } from '../../base/random.ts'
import type { McpBackend } from '../ports.ts'
import type { JsonRpcId, JsonRpcMessage, JsonRpcNotification, JsonRpcRequest, Outcome } from '../../wire/json-rpc.ts'
import type { DownstreamMetrics, Transport } from './metrics.ts'

/** How a session, or one request of a stateless client, reaches its client: implemented by the edges. */
export interface ClientLink {
  /**
   * Notifications and server-to-client requests; `related` is the client's request they belong to, undefined for messages of
   * the session itself. False if it can never arrive: the client is gone, or takes no event stream.
   */
  send(message: JsonRpcRequest | JsonRpcNotification, related: JsonRpcId | undefined): boolean
  /**
   * The answer to a request of the client (`responseText` of wire/json-rpc.ts). `refused`: the request was wrong in itself, in its
   * envelope, headers, revision or method, and reached nobody: what HTTP answers with a 4xx status. False if it can never arrive.
   */
  answer(id: JsonRpcId, outcome: Outcome, refused: boolean): boolean
  /** This request will not be answered: the client cancelled it. */
  dropped(id: JsonRpcId): void
}

export interface SessionOptions {
  /** Undefined: everything; `@name`: a configured view; else the server of a one-server view. */
  view: string | undefined
  transport: Transport
  link: ClientLink
}

export interface StatelessOptions {
  view: string | undefined
  link: ClientLink
  /** Names in lower case, values as they came. */
  headers: RequestHeaders
  correlation?: string
}

export type RequestHeaders = Readonly<Record<string, string | string[] | undefined>>

export interface SessionDeps {
  backend: McpBackend
  clock: Clock
  random: Random
  logger: Logger
  metrics: DownstreamMetrics
  /** Peer id of this node: the first half of session names. */
  edge: string
  /** Of skein, for serverInfo. */
  version: string
  /** The node is drained or stopping: new requests are refused. */
  draining: () => boolean
  /** A request started (+1) or ended (-1). */
  running: (change: 1 | -1) => void
  /** Follows a request that brings no correlation id of its own. */
  correlation: () => string
}

export interface DownstreamSession {
  /** Unique in the federation. */
  readonly id: string
  /** Requests waiting for a server. */
  readonly running: number
  /** A message of the client, already known to be a request, a notification or a response. */
  receive(message: JsonRpcMessage, options?: { correlation?: string }): void
  /** A way for messages of the session itself has opened: news that found none before go out now. */
  streamOpened(): void
  /** The view's lists may have changed: tells the client if they did. */
  listsChanged(): void
  /** Ends the session: running calls are cancelled, servers that asked hear of it. Idempotent. */
  close(reason: string): void
}
