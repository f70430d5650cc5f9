import type { Stream } from '@libp2p/interface'

/** What of a yamux stream the window updates hang on (@libp2p/yamux 8, stream.ts); another muxer's stream has none of it. */
interface WindowedStream {
  state: number
  recvWindow: number
  recvWindowCapacity: number
  sendWindowUpdate(): void
}

/** StreamState.Established: before it an update carries the flags that open the stream, so it must go. */
const ESTABLISHED = 3

/**
 * @libp2p/yamux answers every data frame with a window update of its own: one more write, TLS record and wake-up of the peer for
 * each batch of frames. As the specification advises, this waits until half the window is used: the sender never runs dry for it,
 * because the other half is still open. Streams of another shape stay as they are.
 * @returns false for such a stream
 */
export function updateWindowByHalves(stream: Stream): boolean {
  const windowed = stream as unknown as Partial<WindowedStream>
  if (typeof windowed.sendWindowUpdate !== 'function' || typeof windowed.recvWindowCapacity !== 'number' || typeof windowed.recvWindow !== 'number') return false
  const yamux = windowed as WindowedStream
  const update = yamux.sendWindowUpdate.bind(yamux)
  yamux.sendWindowUpdate = () => {
    if (yamux.state !== ESTABLISHED || yamux.recvWindowCapacity * 2 <= yamux.recvWindow) update()
  }
  return true
}
