import type { Stream } from '@libp2p/interface'

/** As much of a stream as services of the library use that speak in protobuf messages. */
export class LibraryStream extends EventTarget {
  status = 'open'
  aborted: Error | undefined
  sent = 0
  log = Object.assign(() => {}, { error() {}, trace() {}, newScope: () => this.log })
  get stream(): Stream {
    return this as unknown as Stream
  }
  send(): boolean {
    this.sent++
    return true
  }
  push(): void {}
  pause(): void {}
  resume(): void {}
  async close(): Promise<void> {}
  abort(error: Error): void {
    this.aborted = error
  }
  /** One message of fewer than 128 bytes comes in. */
  say(...bytes: number[]): void {
    this.dispatchEvent(Object.assign(new Event('message'), { data: Uint8Array.of(bytes.length, ...bytes) }))
  }
  end(): void {
    this.status = 'closed'
    this.dispatchEvent(new Event('close'))
  }
}
