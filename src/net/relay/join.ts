import type { Stream, StreamMessageEvent } from '@libp2p/interface'

/** What a relay holds of one direction of a relayed connection before it stops reading; with a yamux window of 1 MiB before that, a slow reader costs so much and no more. */
const HIGH = 256 * 1024
const LOW = 64 * 1024

/**
 * The library (pipe of @libp2p/utils 7) joins the two streams of a relayed connection by reading into a list without bound, and it reads
 * the dialling side twice: into a second list that nobody takes anything from. This counts what came in on one and has not been sent on
 * the other, pauses the reading side, and keeps the second list empty.
 * @param attached how many listeners for messages were attached to `from` before the joining one: what it negotiates is not counted
 */
function bound(from: Stream, to: Stream, attached: number): void {
  let waiting = 0
  let paused = false
  let seen = 0
  const add = from.addEventListener.bind(from) as (type: string, listener: unknown, options?: unknown) => void
  const remove = from.removeEventListener.bind(from) as (type: string, listener: unknown, options?: unknown) => void
  const counting = new Map<unknown, (event: StreamMessageEvent) => void>()
  // A listener of our own beside theirs would make the stream give out bytes before theirs is there.
  from.addEventListener = ((type: string, listener: unknown, options?: unknown) => {
    if (type !== 'message' || typeof listener !== 'function' || seen++ < attached) return add(type, listener, options)
    if (seen > attached + 1) return
    const wrapped = (event: StreamMessageEvent) => {
      waiting += event.data.byteLength
      if (waiting > HIGH && !paused) {
        paused = true
        from.pause()
      }
      listener(event)
    }
    counting.set(listener, wrapped)
    add(type, wrapped, options)
  }) as typeof from.addEventListener
  from.removeEventListener = ((type: string, listener: unknown, options?: unknown) => remove(type, counting.get(listener) ?? listener, options)) as typeof from.removeEventListener
  const send = to.send.bind(to)
  to.send = (data) => {
    waiting = Math.max(0, waiting - data.byteLength)
    if (paused && waiting <= LOW) {
      paused = false
      from.resume()
    }
    return send(data)
  }
}

/**
 * Bounds the memory of a relayed connection. To be called when the second stream has just been opened.
 * @param hop from who dials: it has negotiated, the next listener is the joining one
 * @param stop to who is dialled: one listener for the negotiation is still to come
 */
export function boundJoin(hop: Stream, stop: Stream): void {
  bound(hop, stop, 0)
  bound(stop, hop, 1)
}
