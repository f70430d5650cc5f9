import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createCoalescer } from './coalesce.ts'
import type { Client, Server } from './protocol.ts'

/**
 * The client side of the NATS text protocol that request/reply needs (docs.nats.io, "Client Protocol"): CONNECT, PING, PONG, SUB,
 * PUB, MSG. Written for speed and coalescing per tick, so that NATS is compared with its broker and not with a slow client.
 */
const CRLF = Buffer.from('\r\n')
const SPACE = 0x20
const SUBJECT = 'echo'

interface NatsLink {
  socket: Socket
  publish(subject: string, reply: string, body: Uint8Array): void
  subscribe(subject: string): void
  /** Resolves when the broker has handled everything before. */
  flush(): Promise<void>
}

/** @param onMessage subject, reply subject ('' if none) and body */
async function openLink(address: string, onMessage: (subject: string, reply: string, body: Buffer) => void): Promise<NatsLink> {
  const socket = connect(Number(address), '127.0.0.1')
  await once(socket, 'connect')
  socket.setNoDelay(true)
  const write = createCoalescer(socket)
  const text = (line: string) => write(Buffer.from(line, 'latin1'))
  const flushes: (() => void)[] = []
  let rest: Buffer | undefined
  let sids = 0

  /** One MSG at `at`; returns where it ends, or -1 if it is not all there. */
  function message(bytes: Buffer, at: number, lineEnd: number): number {
    const line = bytes.toString('latin1', at + 4, lineEnd)
    const words = line.split(' ')
    const length = Number(words.at(-1))
    const start = lineEnd + 2
    const end = start + length
    if (end + 2 > bytes.length) return -1
    onMessage(words[0] as string, words.length === 4 ? (words[2] as string) : '', bytes.subarray(start, end))
    return end + 2
  }

  function control(line: string): void {
    if (line === 'PING') text('PONG\r\n')
    else if (line === 'PONG') flushes.shift()?.()
    else if (line.startsWith('-ERR')) throw new Error(`nats-server says: ${line}`)
  }

  socket.on('data', (chunk) => {
    const bytes = rest === undefined ? chunk : Buffer.concat([rest, chunk])
    let at = 0
    while (at < bytes.length) {
      const lineEnd = bytes.indexOf(CRLF, at)
      if (lineEnd < 0) break
      // 'MSG ' is the only verb with an M.
      if (bytes[at] === 0x4d && bytes[at + 3] === SPACE) {
        const next = message(bytes, at, lineEnd)
        if (next < 0) break
        at = next
      } else {
        control(bytes.toString('latin1', at, lineEnd))
        at = lineEnd + 2
      }
    }
    rest = at === bytes.length ? undefined : bytes.subarray(at)
  })
  text('CONNECT {"verbose":false,"pedantic":false,"tls_required":false,"lang":"skein-bench","version":"1","protocol":1}\r\n')
  return {
    socket,
    publish(subject, reply, body) {
      const head = reply === '' ? `PUB ${subject} ${body.length}\r\n` : `PUB ${subject} ${reply} ${body.length}\r\n`
      const out = Buffer.allocUnsafe(head.length + body.length + 2)
      out.write(head, 0, 'latin1')
      out.set(body, head.length)
      out[out.length - 2] = 0x0d
      out[out.length - 1] = 0x0a
      write(out)
    },
    subscribe: (subject) => text(`SUB ${subject} ${++sids}\r\n`),
    flush: () =>
      new Promise((resolve) => {
        flushes.push(resolve)
        text('PING\r\n')
      })
  }
}

/** A responder at the broker. */
export async function natsServer(address: string): Promise<Server> {
  const link = await openLink(address, (_subject, reply, body) => link.publish(reply, '', body))
  link.subscribe(SUBJECT)
  await link.flush()
  return { address, close: async () => void link.socket.destroy() }
}

/** Requests as the official clients make them: one wildcard subscription, a token per request in the reply subject. */
export async function natsClient(address: string): Promise<Client> {
  const inbox = `_INBOX.${Math.random().toString(36).slice(2)}.`
  const pending = new Map<string, (length: number) => void>()
  let last = 0
  const link = await openLink(address, (subject, _reply, body) => {
    const token = subject.slice(inbox.length)
    pending.get(token)?.(body.length)
    pending.delete(token)
  })
  link.subscribe(`${inbox}*`)
  await link.flush()
  return {
    echo: (body) =>
      new Promise((resolve) => {
        const token = String(++last)
        pending.set(token, resolve)
        link.publish(SUBJECT, inbox + token, body)
      }),
    close: async () => void link.socket.destroy()
  }
}
