import type { SkeinError } from '../../base/errors.ts'
import { innerHeader, type RelayHead } from '../../wire/relay.ts'
import type { CallHeader } from '../../wire/rpc-frames.ts'
import type { SendOptions, ServerExchange } from '../types.ts'

/** A relayed exchange as its handler at the target sees it: from the origin, with the inner method. */
export class RelayedExchange implements ServerExchange {
  readonly peer: string
  readonly via: readonly string[]
  readonly method: number
  readonly header: CallHeader
  private readonly outer: ServerExchange

  constructor(outer: ServerExchange, { path, method }: RelayHead) {
    this.outer = outer
    this.peer = path[0] as string
    this.via = path.slice(1)
    this.method = method
    this.header = innerHeader(outer.header)
  }

  get body(): Uint8Array {
    return this.outer.body
  }

  get deadline(): number {
    return this.outer.deadline
  }

  get queued(): number {
    return this.outer.queued
  }

  onMessage(listener: (body: Uint8Array, renew: boolean) => void): void {
    this.outer.onMessage(listener)
  }

  onCancel(listener: (reason: SkeinError) => void): void {
    this.outer.onCancel(listener)
  }

  onLeft(listener: () => void): void {
    this.outer.onLeft(listener)
  }

  send(message: Uint8Array, options?: SendOptions): void {
    this.outer.send(message, options)
  }

  end(body: Uint8Array, load?: number): void {
    this.outer.end(body, load)
  }

  fail(error: SkeinError, load?: number): void {
    this.outer.fail(error, load)
  }

  pause(): void {
    this.outer.pause()
  }

  resume(): void {
    this.outer.resume()
  }
}
