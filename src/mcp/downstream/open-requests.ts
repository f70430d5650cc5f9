import type { Outcome } from '../../wire/json-rpc.ts'
import type { Exchange } from './exchange.ts'

/** A request that is not answered yet. */
export interface OpenRequest {
  readonly exchange: Exchange
  /** What it waits for: a server's answer, or news until somebody ends it. */
  readonly kind: 'call' | 'listen'
  readonly over: boolean
  cancel(reason: string): void
  /** The node stops: over HTTP the client is told what is known; `skein mcp` at the other end of stdio knows by itself. */
  stop(): void
}

/** Where the open requests of one connection, or of all clients without one, are kept. */
export interface OpenRequests {
  /** Why no server may be asked more now, or undefined. */
  problem(): Outcome | undefined
  opened(request: OpenRequest): void
  ended(request: OpenRequest): void
}
