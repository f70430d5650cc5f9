import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Random } from '../../base/random.ts'
import type { McpBackend } from '../ports.ts'
import type { JsonRpcId, JsonRpcMessage } from '../../wire/json-rpc.ts'
import type { DownstreamMetrics, Transport } from './metrics.ts'

/** How a session reaches its client: implemented by the edges, one per connection or HTTP session. */
export interface ClientLink {
  /**
   * Hands over a message; `related` is the client request it belongs to (its answer included), undefined for messages
   * of the session itself. False if it can never arrive: the client is gone, or takes no event stream.
   */
  send(message: JsonRpcMessage, related: JsonRpcId | undefined): boolean
  /** This request will not be answered: the client cancelled it. */
  dropped(id: JsonRpcId): void
}

export interface SessionOptions {
  /** The server of a one-server view; undefined: everything. */
  view: string | undefined
  transport: Transport
  link: ClientLink
}

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
  /** The node is stopping: new requests are refused. */
  draining: () => boolean
  /** A request started (+1) or ended (-1). */
  running: (change: 1 | -1) => void
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
  /** The view's tools may have changed: tells the client if they did. */
  toolsChanged(): void
  /** Ends the session: running calls are cancelled, servers that asked get an error. Idempotent. */
  close(reason: string): void
}
