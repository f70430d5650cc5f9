import { createServer, type AddressInfo, type Server } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { knock } from '../../../src/net/knock.ts'
import { silentAddress } from './silent-address.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

const never = () => ({ timeout: 1_000, signal: new AbortController().signal })

async function listen(): Promise<{ server: Server; address: string; port: number; connects: () => number }> {
  let connects = 0
  const server = createServer((socket) => {
    connects++
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => server.close())
  const { port } = server.address() as AddressInfo
  return { server, port, address: `/ip4/127.0.0.1/tcp/${port}`, connects: () => connects }
}

/** An address at which somebody listened a moment ago. */
async function closedAddress(): Promise<string> {
  const { server, address } = await listen()
  await new Promise((resolve) => server.close(resolve))
  return address
}

/** A connect to it fails at once, and not by refusal. */
const UNREACHABLE = '/ip4/255.255.255.255/tcp/4001'

describe('knock', () => {
  test('an address where nobody listens refuses, with and without a peer id', async () => {
    const address = await closedAddress()
    expect(await knock([address], never())).toBe('refused')
    expect(await knock([`${address}/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN`], never())).toBe('refused')
  })

  test('an address where somebody listens is open, and the connection ends at once', async () => {
    const { address, server } = await listen()
    const ended = new Promise((resolve) => server.once('connection', (socket) => socket.resume().once('close', resolve)))
    expect(await knock([address], never())).toBe('open')
    await ended
  })

  test('one open address of several is enough, whatever the others do', async () => {
    const { address } = await listen()
    const silent = await silentAddress(closers)
    const began = performance.now()
    expect(await knock([silent, await closedAddress(), address, UNREACHABLE], { ...never(), timeout: 30_000 })).toBe('open')
    expect(performance.now() - began).toBeLessThan(5_000)
  })

  test('a refusal does not count when another address is silent', async () => {
    expect(await knock([await closedAddress(), await silentAddress(closers)], { ...never(), timeout: 200 })).toBe('silent')
    expect(await knock([await closedAddress(), UNREACHABLE], never())).toBe('silent')
  })

  test('names are resolved', async () => {
    const { port } = await listen()
    expect(await knock([`/dns4/localhost/tcp/${port}`], never())).toBe('open')
    const closed = Number(/(\d+)$/.exec(await closedAddress())?.[1])
    expect(await knock([`/dns/localhost/tcp/${closed}`], never())).toBe('refused')
  })

  test('an abort ends it at once, and before it begins nothing is tried', async () => {
    const controller = new AbortController()
    const silent = await silentAddress(closers)
    const began = performance.now()
    setTimeout(() => controller.abort(), 50)
    expect(await knock([silent], { timeout: 30_000, signal: controller.signal })).toBe('silent')
    expect(performance.now() - began).toBeLessThan(5_000)
    const { address, connects } = await listen()
    expect(await knock([address], { timeout: 1_000, signal: controller.signal })).toBe('silent')
    expect(connects()).toBe(0)
  })

  test('addresses of other forms and nonsense are left out; with nothing else there is no answer', async () => {
    const { port, address } = await listen()
    const odd = [`/ip4/127.0.0.1/udp/${port}/quic-v1`, `/ip4/127.0.0.1/tcp/${port}/ws`, '/unix/tmp/x', 'nonsense', '', `/ip4/127.0.0.1/tcp/${port}/p2p-circuit`, '/ip4/127.0.0.1/tcp/0']
    expect(await knock(odd, never())).toBe('silent')
    expect(await knock([], never())).toBe('silent')
    expect(await knock([...odd, await closedAddress()], never())).toBe('refused')
    expect(await knock([...odd, address], never())).toBe('open')
  })
})
