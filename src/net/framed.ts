import type { Stream } from '@libp2p/interface'
import { SkeinError } from '../base/errors.ts'

/** The one message of a request/answer protocol: u32 big-endian length, then that many bytes. */
export function writeFramed(stream: Stream, bytes: Uint8Array): void {
  const frame = Buffer.allocUnsafe(4 + bytes.length)
  frame.writeUInt32BE(bytes.length)
  frame.set(bytes, 4)
  stream.send(frame)
}

/** Reads one framed message. Rejects on a length over `max`, on close before the end, and when the signal aborts. */
export function readFramed(stream: Stream, options: { max: number; signal: AbortSignal }): Promise<Uint8Array> {
  const { max, signal } = options
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = []
    let length = 0
    let want: number | undefined
    const done = (settle: () => void) => {
      signal.removeEventListener('abort', onAbort)
      stream.removeEventListener('message', onMessage)
      stream.removeEventListener('close', onEnd)
      stream.removeEventListener('remoteCloseWrite', onEnd)
      settle()
    }
    const fail = (error: Error) => done(() => reject(error))
    const onAbort = () => fail(signal.reason as Error)
    const onEnd = () => fail(new SkeinError('SKEIN_PROTOCOL', 'the stream ended before the whole message came'))
    const onMessage = (event: { data: Uint8Array | { subarray(): Uint8Array } }) => {
      const bytes = event.data instanceof Uint8Array ? event.data : event.data.subarray()
      chunks.push(bytes)
      length += bytes.length
      if (length < 4) return
      // Put together at its head and at its end only: byte by byte it would be copied as often.
      want ??= Buffer.concat(chunks).readUInt32BE(0)
      if (want > max) return fail(new SkeinError('SKEIN_LIMIT', `a message of ${want} bytes is over the limit of ${max}`))
      if (length < 4 + want) return
      if (length > 4 + want) return fail(new SkeinError('SKEIN_PROTOCOL', 'bytes follow the message'))
      done(() => resolve(new Uint8Array(Buffer.concat(chunks).subarray(4))))
    }
    stream.addEventListener('message', onMessage)
    stream.addEventListener('close', onEnd)
    stream.addEventListener('remoteCloseWrite', onEnd)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    else if (stream.status !== 'open') onEnd()
  })
}
