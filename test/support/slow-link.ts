import { createConnection, createServer, type Server, type Socket } from 'node:net'

/** Bytes on their way in one direction of one connection; more stay with the sender, as on a real wire. */
const MAX_ON_THE_WAY = 1024 * 1024

/**
 * `pass`: carries. `silent`: new connections are accepted and hear nothing, what stands goes on. `refuse`: nobody listens, what
 * stands goes on. `cut`: nothing gets through any more, nobody is told; new connections are accepted and hear nothing.
 */
export type LinkMode = 'pass' | 'silent' | 'refuse' | 'cut'

/** A connection that was made to a link. */
export interface SeenConnection {
  /** Unix ms. */
  at: number
  /** Until its maker gave it up, ms; undefined while it stands. */
  lasted?: number
  /** It met a silent link. */
  silent: boolean
}

/** A cable between two TCP ends on this machine that takes its time: user space, so it needs no rights and no kernel modules. */
export interface SlowLink {
  readonly port: number
  /** As others dial it, such as /ip4/127.0.0.1/tcp/40123. */
  readonly address: string
  readonly seen: readonly SeenConnection[]
  become(mode: LinkMode): Promise<void>
  /** Ends everything on it. */
  close(): Promise<void>
}

interface Direction {
  setHeld(held: boolean): void
}

/**
 * Carries one direction: every piece is delivered `ms` after it came, in order. The sender is paused while too much is on the way or
 * the receiver does not read; the end arrives after the last byte, with the same delay.
 */
function carry(from: Socket, to: Socket, ms: number): Direction {
  const queue: { due: number; chunk: Buffer | undefined }[] = []
  let bytes = 0
  let held = false
  let full = false
  let timer: NodeJS.Timeout | undefined

  const blocked = () => held || full

  function arm(): void {
    const first = queue[0]
    if (timer !== undefined || first === undefined || blocked()) return
    timer = setTimeout(() => {
      timer = undefined
      deliver()
      arm()
    }, Math.max(0, first.due - performance.now()))
  }
  function deliver(): void {
    // A timer may fire a fraction of a millisecond early.
    const now = performance.now() + 0.5
    for (let first = queue[0]; first !== undefined && first.due <= now && !blocked(); first = queue[0]) {
      queue.shift()
      if (to.destroyed) continue
      if (first.chunk === undefined) {
        to.end()
        continue
      }
      bytes -= first.chunk.length
      full = !to.write(first.chunk)
    }
    if (!held && bytes < MAX_ON_THE_WAY / 2 && from.isPaused()) from.resume()
  }
  function put(chunk: Buffer | undefined): void {
    bytes += chunk?.length ?? 0
    queue.push({ due: performance.now() + ms, chunk })
    if (bytes >= MAX_ON_THE_WAY) from.pause()
    if (ms === 0) deliver()
    arm()
  }

  from.on('data', put)
  from.on('end', () => put(undefined))
  // A reset, or an end without a word: the other side learns it as it would over a wire, by a reset.
  from.on('close', () => {
    if (from.readableEnded) return
    setTimeout(() => {
      if (!held) to.resetAndDestroy()
    }, ms)
  })
  from.on('error', () => {})
  to.on('drain', () => {
    full = false
    deliver()
    arm()
  })
  return {
    setHeld(now) {
      held = now
      if (held) return from.pause()
      deliver()
      arm()
      if (from.destroyed && !from.readableEnded) to.resetAndDestroy()
    }
  }
}

/**
 * Opens a link to a loopback port.
 * @param options.ms round trip that it adds; halves that are no whole numbers go to the way back, for timers know whole ms only
 * @param options.port where it listens; @default a free one
 */
export async function slowLink(options: { to: number; ms: number; port?: number }): Promise<SlowLink> {
  const there = Math.ceil(options.ms / 2)
  const back = Math.floor(options.ms / 2)
  const sockets = new Set<Socket>()
  const directions = new Set<Direction>()
  const seen: SeenConnection[] = []
  let mode: LinkMode = 'pass'
  let server: Server | undefined
  let { port = 0 } = options

  function keep(socket: Socket): Socket {
    socket.setNoDelay(true)
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
    return socket
  }
  function accept(socket: Socket): void {
    const silent = mode !== 'pass'
    const one: SeenConnection = { at: Date.now(), silent }
    seen.push(one)
    keep(socket).once('close', () => (one.lasted = Date.now() - one.at))
    // What is said to it is read and goes nowhere.
    if (silent) return void socket.once('end', () => socket.destroy()).resume()
    const target = keep(createConnection({ port: options.to, host: '127.0.0.1', allowHalfOpen: true }))
    const both = [carry(socket, target, there), carry(target, socket, back)]
    for (const direction of both) directions.add(direction)
    const forget = () => {
      if (socket.destroyed && target.destroyed) for (const direction of both) directions.delete(direction)
    }
    socket.once('close', forget)
    target.once('close', forget)
  }
  async function listen(): Promise<void> {
    if (server !== undefined) return
    const opened = createServer({ allowHalfOpen: true }, accept)
    server = opened
    await new Promise<void>((resolve, reject) => {
      opened.once('error', reject)
      opened.listen(port, '127.0.0.1', resolve)
    })
    port = (opened.address() as { port: number }).port
  }
  function unlisten(): void {
    // Its callback waits for all connections, which stand on.
    server?.close()
    server = undefined
  }

  await listen()
  return {
    get port() {
      return port
    },
    get address() {
      return `/ip4/127.0.0.1/tcp/${port}`
    },
    seen,
    async become(next) {
      mode = next
      if (next === 'refuse') unlisten()
      else await listen()
      for (const direction of directions) direction.setHeld(next === 'cut')
    },
    async close() {
      unlisten()
      const ended = [...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve)))
      for (const socket of sockets) socket.destroy()
      await Promise.all(ended)
    }
  }
}
