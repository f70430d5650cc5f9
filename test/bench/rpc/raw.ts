import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { createCoalescer } from './coalesce.ts'
import type { Client, Server } from './protocol.ts'

const HEAD = 8

/** Cuts `u32 length | u32 id | body` frames. */
function reader(onFrame: (id: number, body: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer | undefined
  return (chunk) => {
    const bytes = rest === undefined ? chunk : Buffer.concat([rest, chunk])
    let at = 0
    while (bytes.length - at >= HEAD) {
      const end = at + HEAD + bytes.readUInt32BE(at)
      if (end > bytes.length) break
      onFrame(bytes.readUInt32BE(at + 4), bytes.subarray(at + HEAD, end))
      at = end
    }
    rest = at === bytes.length ? undefined : bytes.subarray(at)
  }
}

function frame(id: number, body: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(HEAD + body.length)
  out.writeUInt32BE(body.length, 0)
  out.writeUInt32BE(id, 4)
  out.set(body, HEAD)
  return out
}

/** The ceiling: an echo over plain TCP with nothing around it but frames and their coalescing. */
export async function rawServer(): Promise<Server> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => {})
    const write = createCoalescer(socket)
    socket.on('data', reader((id, body) => write(frame(id, body))))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: String((server.address() as AddressInfo).port),
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
    }
  }
}

export async function rawClient(address: string): Promise<Client> {
  const socket = connect(Number(address), '127.0.0.1')
  await once(socket, 'connect')
  socket.setNoDelay(true)
  const write = createCoalescer(socket)
  const pending = new Map<number, (length: number) => void>()
  let last = 0
  socket.on('data', reader((id, body) => {
    pending.get(id)?.(body.length)
    pending.delete(id)
  }))
  return {
    echo: (body) =>
      new Promise((resolve) => {
        last = (last + 1) >>> 0
        pending.set(last, resolve)
        write(frame(last, body))
      }),
    async close() {
      socket.destroy()
    }
  }
}
