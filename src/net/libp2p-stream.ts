import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import { errorMessage } from '../base/errors.ts'
import type { ByteStream } from '../rpc/ports.ts'
import { updateWindowByHalves } from './yamux-window.ts'

/** A libp2p stream as the byte stream that sessions use. Listeners are permanent: `onDrain()` resolves only once. */
export function byteStreamOf(stream: Stream): ByteStream {
  // Nothing may be lost between the handler being called and attach(): a paused stream buffers (bounded by libp2p).
  let attached = false
  updateWindowByHalves(stream)
  return {
    send(bytes) {
      if (stream.writeStatus !== 'writable') return false
      try {
        return stream.send(bytes)
      } catch {
        // Closed in between: the close event tells the session.
        return false
      }
    },
    get unsent() {
      return stream.writeBufferLength
    },
    pause: () => stream.pause(),
    resume: () => stream.resume(),
    close() {
      // Half-closing waits for what is unsent; a failure shows as the close event.
      stream.close().catch((error: unknown) => stream.abort(new Error(errorMessage(error))))
    },
    abort: (reason) => stream.abort(reason),
    attach(handlers) {
      if (attached) throw new Error('a stream is attached once')
      attached = true
      let closed = false
      const onClosed = (error?: Error) => {
        if (closed) return
        closed = true
        handlers.closed(error)
      }
      stream.addEventListener('drain', () => {
        // When a connection drains, libp2p tells each of its streams, which then write in a microtask each. Who writes at once fills
        // the connection before the others' turn, and they wait for the next drain: a session with enough to send keeps gossip and
        // membership out for ever. Two microtasks later all have had their turn.
        queueMicrotask(() => queueMicrotask(() => {
          if (!closed) handlers.drain()
        }))
      })
      stream.addEventListener('remoteCloseWrite', () => {
        // Sessions have no half-closed state: when the other side ends, so do we.
        if (stream.status === 'open') stream.close().catch(() => {})
      })
      stream.addEventListener('close', (event: StreamCloseEvent) => onClosed(event.error))
      stream.addEventListener('message', (event: StreamMessageEvent) => {
        const { data } = event
        if (data instanceof Uint8Array) handlers.data(data)
        else for (const chunk of data) handlers.data(chunk)
      })
      // The other side may have reset it before we could listen; no event follows then.
      if (stream.status !== 'open') onClosed(new Error(`the stream is ${stream.status}`))
    }
  }
}
