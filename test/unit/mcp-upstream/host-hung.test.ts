import { expect, test } from 'vitest'
import { codeOf, flush, type CallOptions } from '../../support/mcp-calls.ts'
import type { MemoryLink, MemoryServer } from '../../support/memory-upstream.ts'
import { upstreamWorld } from '../../support/upstream-world.ts'

/** Of the spec, and by chance of the question for a sign of life too. */
const TIMEOUT = 10_000
const ASKABLE = { capabilities: { sampling: {} } }

async function world(prepare?: (server: MemoryServer) => void) {
  const w = await upstreamWorld({ timeout: TIMEOUT }, prepare)
  const pass = async (ms: number) => {
    w.clock.advance(ms)
    await flush()
  }
  // Idle for long: that alone is no reason for anything.
  await pass(60_000)
  /** A call that gets no answer. */
  const lateCall = async (options: CallOptions = {}) => {
    const call = w.call('slow', options)
    await flush()
    await pass(options.timeout ?? TIMEOUT)
    expect(await codeOf(call.outcome)).toBe('SKEIN_DEADLINE')
  }
  return { ...w, link: w.server.links[0] as MemoryLink, pass, lateCall }
}
const asked = (link: MemoryLink, method = 'ping') => link.sent(method).length

test.each([
  ['2025', 'ping', 0],
  ['2026', 'server/discover', 1]
] as const)('a server of %s that is silent through a whole timeout, and then to %s, is started again', async (era, method, before) => {
  const { server, link, pass, lateCall, status, call } = await world((one) => (one.era = era))
  server.greet = false
  await lateCall()
  expect(asked(link, method)).toBe(before + 1)
  const running = call('slow', { timeout: 60_000 })
  await pass(TIMEOUT - 1)
  expect(link.closed).toBe(false)
  await pass(1)
  expect(link.closed).toBe(true)
  expect(server.links).toHaveLength(2)
  expect(await codeOf(running.outcome)).toMatch(/SKEIN_(OUTCOME_UNKNOWN|DEADLINE)/)
  expect(status()).toMatchObject({ state: 'starting', restarts: 1, error: 'The server hangs: nothing came from it for 20 s, not even an answer to a sign-of-life request.' })
})

test.each([
  ['an answer', (link: MemoryLink) => link.answer(link.open('ping')[0]?.id as number, {})],
  ['an error', (link: MemoryLink) => link.refuseRequest(link.open('ping')[0]?.id as number, -32601)],
  ['an error without an id', (link: MemoryLink) => link.emit({ id: null, error: { code: -32601, message: 'what?' } })],
  ['a notification', (link: MemoryLink) => link.emit({ method: 'notifications/message', params: { level: 'info', data: 'busy' } })],
  ['noise', (link: MemoryLink) => link.transport.onNoise('still computing')]
])('%s is a sign of life', async (_, live) => {
  const { link, pass, lateCall, status } = await world()
  await lateCall()
  await pass(5_000)
  live(link)
  await pass(60_000)
  expect(link.closed).toBe(false)
  expect(status()?.restarts).toBe(0)
  await lateCall()
  expect(asked(link)).toBe(2)
})

test('a server that said anything while the call ran is not asked', async () => {
  const { call, link, pass } = await world()
  const slow = call('slow')
  await pass(1)
  link.emit({ method: 'notifications/message', params: { level: 'info', data: 'working' } })
  await pass(TIMEOUT)
  expect(await codeOf(slow.outcome)).toBe('SKEIN_DEADLINE')
  await pass(60_000)
  expect(asked(link)).toBe(0)
})

test('a call that brought less time is no proof: the rest of the timeout must pass in silence too', async () => {
  const { link, pass, lateCall } = await world()
  await lateCall({ timeout: 100 })
  await pass(TIMEOUT - 101)
  expect(asked(link)).toBe(0)
  await pass(1)
  expect(asked(link)).toBe(1)
})

test('many late calls ask once, and a server that dies meanwhile is asked no more', async () => {
  const { clock, host, link, pass, lateCall } = await world()
  await Promise.all([lateCall({ timeout: 100 }), lateCall({ timeout: 100 }), lateCall({ timeout: 100 })])
  await pass(TIMEOUT)
  expect(asked(link)).toBe(1)
  link.die()
  await flush()
  await host.stop()
  expect(clock.pending).toBe(0)
})

test('calls wait for the next connection while the hanging one is still being ended', async () => {
  const { server, link, pass, lateCall, call, status } = await world()
  await lateCall()
  server.linger = true
  await pass(TIMEOUT)
  expect(status()?.state).toBe('backoff')
  const waiting = call('echo')
  await flush()
  expect(link.sent('tools/call')).toHaveLength(1)
  link.die()
  expect(await waiting.outcome).toMatchObject({ result: { content: [] } })
  server.linger = false
})

test('a child of one session that hangs is ended, its session is warned, and its next call gets another one', async () => {
  const { server, listen, pass, lateCall, echo } = await world()
  const heard = listen(ASKABLE).heard
  await lateCall(ASKABLE)
  const own = server.last
  expect(own).not.toBe(server.links[0])
  expect(asked(own)).toBe(1)
  await pass(TIMEOUT)
  expect([own.closed, server.links[0]?.closed]).toEqual([true, false])
  expect(heard.map((message) => message.params?.data)).toEqual(['The server one was restarted; its state is gone.'])
  expect(await echo('session-1', ASKABLE.capabilities)).toMatchObject({ result: { content: [] } })
})
