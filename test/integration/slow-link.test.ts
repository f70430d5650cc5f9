import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { slowLink, type SlowLink } from '../support/slow-link.ts'
import { waitUntil } from '../support/wait-until.ts'

/** What end-to-end tests measure over a link is worth as much as the link. */
describe('a link that takes its time', () => {
  const MS = 40
  let echo: Server
  let deaf: Server
  const links: SlowLink[] = []
  const sockets = new Set<Socket>()
  const listen = async (server: Server) => {
    server.on('connection', (socket) => sockets.add(socket.on('error', () => {})))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return server
  }
  const linkTo = async (server: Server, ms = MS) => {
    const link = await slowLink({ to: (server.address() as AddressInfo).port, ms })
    links.push(link)
    return link
  }
  const open = async ({ port }: SlowLink) => {
    const socket = connect(port, '127.0.0.1')
    sockets.add(socket)
    await once(socket, 'connect')
    return socket.on('error', () => {})
  }
  const closed = (socket: Socket) => new Promise<void>((resolve) => socket.once('close', () => resolve()))
  const says = async (socket: Socket, text: string) => {
    const began = performance.now()
    const heard = once(socket, 'data') as Promise<[Buffer]>
    socket.write(text)
    return { text: (await heard)[0].toString(), ms: performance.now() - began }
  }

  beforeAll(async () => {
    echo = await listen(createServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => {}).pipe(socket)))
    deaf = await listen(createServer((socket) => socket.on('error', () => {}).pause()))
  })
  afterAll(async () => {
    await Promise.all(links.map((link) => link.close()))
    for (const socket of sockets) socket.destroy()
    for (const server of [echo, deaf]) server.close()
  })

  test('adds its round trip, and keeps every byte in order up to the end', async () => {
    const socket = await open(await linkTo(echo))
    const { text, ms } = await says(socket, 'ping')
    expect(text).toBe('ping')
    expect(ms).toBeGreaterThanOrEqual(MS - 1)
    const sent = Buffer.from(Uint32Array.from({ length: 1_000_000 }, (_, n) => n).buffer)
    const heard: Buffer[] = []
    socket.on('data', (chunk: Buffer) => heard.push(chunk))
    socket.end(sent)
    await once(socket, 'end')
    expect(Buffer.concat(heard).equals(sent)).toBe(true)
  })

  test('takes no more than fits on it when nobody reads at the other end', async () => {
    const socket = await open(await linkTo(deaf, 2))
    const chunk = Buffer.alloc(1024 * 1024)
    for (let n = 0; n < 64; n++) socket.write(chunk)
    let left = Infinity
    await waitUntil('it takes nothing more', async () => {
      const before = socket.writableLength
      await new Promise((resolve) => setTimeout(resolve, 300))
      left = socket.writableLength
      return left === before
    })
    // The rest is in the buffers of the system and of the link.
    expect(left).toBeGreaterThan(32 * chunk.length)
    socket.resetAndDestroy()
  })

  test('cut: nothing gets through, nobody is told, and everything arrives when it is mended', async () => {
    const link = await linkTo(echo)
    const socket = await open(link)
    await says(socket, 'before')
    await link.become('cut')
    let heard = ''
    socket.on('data', (chunk: Buffer) => (heard += chunk.toString()))
    socket.write('during')
    await new Promise((resolve) => setTimeout(resolve, 4 * MS))
    expect({ heard, destroyed: socket.destroyed }).toEqual({ heard: '', destroyed: false })
    await link.become('pass')
    await waitUntil('it arrives', () => heard === 'during')
  })

  test('silent and refuse are about new connections; what stands goes on', async () => {
    const link = await linkTo(echo)
    const standing = await open(link)
    await link.become('silent')
    const unheard = await open(link)
    unheard.write('hello?')
    expect((await says(standing, 'still')).text).toBe('still')
    expect(link.seen.at(-1)).toMatchObject({ silent: true })
    expect(link.seen.at(-1)?.lasted).toBeUndefined()
    unheard.destroy()
    await waitUntil('the end is seen', () => link.seen.at(-1)?.lasted !== undefined)
    await link.become('refuse')
    await expect(open(link)).rejects.toThrow('ECONNREFUSED')
    expect((await says(standing, 'still')).text).toBe('still')
    await link.become('pass')
    expect((await says(await open(link), 'again')).text).toBe('again')
  })

  test('an end that breaks is broken at the other end', async () => {
    const link = await linkTo(echo)
    const socket = await open(link)
    await says(socket, 'hello')
    for (const one of sockets) if (one.localPort === (echo.address() as AddressInfo).port) one.resetAndDestroy()
    await closed(socket)
    const nobody = await slowLink({ to: 1, ms: 2 })
    links.push(nobody)
    const refused = await open(nobody)
    await closed(refused)
  })
})
