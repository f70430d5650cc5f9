import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import type { Host } from '../../../src/net/host.ts'
import { secretRules, startHost } from '../../support/hosts.ts'
import { waitUntil } from '../../support/wait-until.ts'

const addressOf = (host: Host) => `${host.addresses()[0]}/p2p/${host.self}`
const within = (ms: number) => ({ signal: AbortSignal.timeout(ms) })

const closers: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

type Seen = { type: 'up'; peer: string; address: string; dialled: boolean } | { type: 'down'; peer: string; expected: boolean; at: number }

async function watched(seed: number): Promise<{ host: Host; seen: Seen[] }> {
  const seen: Seen[] = []
  const host = await startHost({
    seed,
    rules: secretRules('s'),
    events: {
      peerUp: (peer, at) => seen.push({ type: 'up', peer, ...at }),
      peerDown: (peer, why) => seen.push({ type: 'down', peer, ...why, at: performance.now() })
    }
  })
  closers.push(() => host.stop())
  return { host, seen }
}

async function startChild(seed: number): Promise<{ child: ChildProcess; address: string; self: string }> {
  const child = fork(fileURLToPath(new URL('host-child.ts', import.meta.url)), [String(seed)], { execArgv: [] })
  closers.push(() => void child.kill('SIGKILL'))
  const [message] = (await once(child, 'message')) as [{ address: string; self: string }]
  return { child, ...message }
}

describe('what the host says of its peers', () => {
  test('where a peer is and who dialled, and whose doing its end was', async () => {
    const a = await watched(51)
    const b = await watched(52)
    await a.host.connect([addressOf(b.host)], within(5_000))
    await waitUntil('both know', () => a.seen.length === 1 && b.seen.length === 1)
    expect(a.seen[0]).toEqual({ type: 'up', peer: b.host.self, address: addressOf(b.host), dialled: true })
    expect(b.seen[0]).toMatchObject({ type: 'up', peer: a.host.self, dialled: false })
    expect((b.seen[0] as { address: string }).address).toMatch(/^\/ip4\/127\.0\.0\.1\/tcp\/\d+/)
    await a.host.disconnect(b.host.self)
    await waitUntil('both know of the end', () => a.seen.length === 2 && b.seen.length === 2)
    expect(a.seen[1]).toMatchObject({ type: 'down', expected: true })
    expect(b.seen[1]).toMatchObject({ type: 'down', expected: false })
    await a.host.connect([addressOf(b.host)], within(5_000))
    await waitUntil('both know', () => a.seen.length === 3 && b.seen.length === 3)
    await a.host.stop()
    await waitUntil('both know of the end', () => a.seen.length === 4 && b.seen.length === 4)
    expect(a.seen[3]).toMatchObject({ type: 'down', expected: true })
    expect(b.seen[3]).toMatchObject({ type: 'down', expected: false })
  })

  for (const dialler of ['we', 'the other side'] as const) {
    test(`a killed process is told at once when ${dialler} dialled`, async () => {
      const { host, seen } = await watched(53)
      const { child, address, self } = await startChild(54)
      if (dialler === 'we') await host.connect([address], within(5_000))
      else child.send({ dial: addressOf(host) })
      await waitUntil('it is up', () => seen.length === 1)
      const exited = once(child, 'exit')
      const began = performance.now()
      child.kill('SIGKILL')
      await waitUntil('it is down', () => seen.length === 2, { every: 1 })
      await exited
      const down = seen[1] as Extract<Seen, { type: 'down' }>
      console.log(`a killed peer was down after ${(down.at - began).toFixed(1)} ms (${dialler} dialled)`)
      expect(down).toMatchObject({ peer: self, expected: false })
      // The kernel takes a process apart before it closes its sockets: some ms on an idle machine.
      expect(down.at - began).toBeLessThan(500)
    })
  }

  test('a stopped process is gone at once for us when it is abandoned', async () => {
    const { host, seen } = await watched(55)
    const { child, address, self } = await startChild(56)
    await host.connect([address], within(5_000))
    process.kill(child.pid as number, 'SIGSTOP')
    closers.push(() => void process.kill(child.pid as number, 'SIGCONT'))
    host.abandon(self)
    expect(host.peers()).toEqual([])
    expect(host.addressesOf(self)).toEqual([])
    expect(seen[1]).toMatchObject({ type: 'down', peer: self, expected: true })
  })

  test('a connection that is abandoned in the moment in which streams are opened ends nothing else', async () => {
    const { host } = await watched(57)
    const other = await watched(58)
    for (let round = 0; round < 5; round++) {
      await host.connect([addressOf(other.host)], within(5_000))
      const opening = [host.open(other.host.self, within(1_000)), host.swim.open(other.host.self, within(1_000))]
      host.abandon(other.host.self)
      expect((await Promise.allSettled(opening)).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
      await waitUntil('the other side knows', () => other.host.peers().length === 0)
    }
    await host.connect([addressOf(other.host)], within(5_000))
    expect(host.peers()).toEqual([other.host.self])
  })
})
