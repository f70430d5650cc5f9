/** What the bench process and its workers say to each other over the IPC channel. */
export type Kind = 'skein' | 'raw' | 'nats' | 'nats-js'

export interface WorkerStart {
  kind: Kind
  role: 'server' | 'client'
  /** Of the server (client role), or of nats-server (both roles). */
  address?: string
  /** Where `@nats-io/transport-node` is installed. */
  natsJs?: string
}

export interface Measure {
  inFlight: number
  bytes: number
  /** How long, ms. */
  ms: number
}

export interface Measured {
  operations: number
  ms: number
  /** Microseconds. */
  p50: number
  p99: number
}

export interface Reply {
  /** A server's address; '' of a client. */
  ready?: string
  measured?: Measured
  failed?: string
}

/** One echo; resolves with the length of the answer's body. */
export type Echo = (body: Uint8Array) => Promise<number>

export interface Client {
  echo: Echo
  close(): Promise<void>
}

export interface Server {
  address: string
  close(): Promise<void>
}
