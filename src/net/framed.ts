import type { Stream } from '@libp2p/interface'
import { SkeinError, toSkeinError } from '../base/errors.ts'
import { MAX_ADMISSION_MESSAGE, frameAdmission, unframeAdmission } from '../wire/admission.ts'

/** Sends one message of the admission protocol; wire/ knows its frame. */
export function writeFramed(stream: Stream, bytes: Uint8Array): void {
  stream.send(frameAdmission(bytes))
}

/** Reads one framed message. Rejects on a length over the limit, on close before the end, and when the signal aborts. */
export function readFramed(stream: Stream, options: { signal: AbortSignal }): Promise<Uint8Array> {
  const { signal } = options
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
      if (want <= MAX_ADMISSION_MESSAGE && length < 4 + want) return
      try {
        const message = unframeAdmission(Buffer.concat(chunks))
        if (message !== undefined) done(() => resolve(message))
      } catch (error) {
        fail(toSkeinError(error))
      }
    }
    stream.addEventListener('message', onMessage)
    stream.addEventListener('close', onEnd)
    stream.addEventListener('remoteCloseWrite', onEnd)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    else if (stream.status !== 'open') onEnd()
  })
}
