import type { CallSink, McpRequest } from '../ports.ts'
import type { Json, JsonRpcError, JsonRpcNotification, JsonRpcRequest } from '../../wire/json-rpc.ts'
import type { PendingCall } from './calls.ts'
import type { ConnectionCall } from './connection-ports.ts'
import type { Era, LogLevel } from '../../wire/mcp-spec.ts'

/** What is true of one era only, on a connection whose handshake is done. */
export interface EraSide {
  readonly era: Era
  /** A call waits for its client; meanwhile no call's time runs. */
  readonly waiting: boolean
  call(request: McpRequest, sink: CallSink): ConnectionCall
  request(method: string, params: Json, timeout: number): Promise<{ result: Json } | { error: JsonRpcError }>
  /** A request of the server; `related` is the call on whose stream it came. */
  onRequest(message: JsonRpcRequest, related: PendingCall | undefined): void
  /** Every notification but progress. */
  onNotification(message: JsonRpcNotification, related: PendingCall | undefined): void
  subscribe(uris: ReadonlySet<string>): void
  setLogLevel(level: LogLevel): void
  /** The link is over. */
  close(): void
}
