import type { Socket } from 'node:net'

/** Gathers what one tick writes and hands it to the socket in one piece; the sessions of skein gather at the same moment. */
export function createCoalescer(socket: Socket): (...parts: Uint8Array[]) => void {
  let parts: Uint8Array[] = []
  let scheduled = false
  function flush(): void {
    scheduled = false
    const out = parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts)
    parts = []
    socket.write(out)
  }
  return (...more) => {
    for (const part of more) parts.push(part)
    if (scheduled) return
    scheduled = true
    process.nextTick(flush)
  }
}
