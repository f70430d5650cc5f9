import { describe, expect, test } from 'vitest'
import { codeOf, flush, recordingSink, serverSpec } from '../../support/mcp-calls.ts'
import type { MemoryLink, MemoryServer } from '../../support/memory-upstream.ts'
import { upstreamWorld } from '../../support/upstream-world.ts'

const ASKABLE = { capabilities: { sampling: {} } }
const resources = (server: MemoryServer) => (server.capabilities = { tools: {}, resources: { subscribe: true, listChanged: true }, logging: {} })
const subscribed = (link: MemoryLink) => {
  const uris = new Set<unknown>()
  for (const message of link.received) {
    if (!('method' in message)) continue
    if (message.method === 'resources/subscribe') uris.add(message.params?.uri)
    if (message.method === 'resources/unsubscribe') uris.delete(message.params?.uri)
  }
  return [...uris].toSorted()
}
const update = (link: MemoryLink, uri: string) => link.emit({ method: 'notifications/resources/updated', params: { uri } })
const uris = (heard: { params?: Record<string, unknown> }[]) => heard.map((message) => message.params?.uri)
const warnings = (heard: { method: string; params?: Record<string, unknown> }[]) => heard.filter((message) => message.method === 'notifications/message').map((message) => message.params?.data)

describe('the shared connection', () => {
  test('is subscribed to what all listeners want together; each hears of its own URIs only', async () => {
    const { server, listen, metric } = await upstreamWorld({}, resources)
    const a = listen({ session: 'a' }, ['test://1', 'test://2'])
    const b = listen({ session: null }, ['test://2', 'test://dir'])
    await flush()
    expect(server.links).toHaveLength(1)
    expect(subscribed(server.last)).toEqual(['test://1', 'test://2', 'test://dir'])
    expect(metric('skein_upstream_listeners')).toBe(2)
    for (const uri of ['test://1', 'test://2', 'test://dir/part', 'test://directory', 'test://3']) update(server.last, uri)
    expect(uris(a.heard)).toEqual(['test://1', 'test://2'])
    expect(uris(b.heard)).toEqual(['test://2', 'test://dir/part'])
    a.cancel('enough')
    expect(await codeOf(a.outcome)).toBe('SKEIN_CANCELLED')
    await flush()
    expect(subscribed(server.last)).toEqual(['test://2', 'test://dir'])
    update(server.last, 'test://1')
    expect(a.heard).toHaveLength(2)
    expect(metric('skein_upstream_listeners')).toBe(1)
  })

  test('is subscribed again after a restart, and listeners that came meanwhile too', async () => {
    const { clock, server, listen } = await upstreamWorld({}, resources)
    const a = listen({ session: 'a' }, ['test://1'])
    await flush()
    server.last.die()
    await flush()
    expect(server.links).toHaveLength(2)
    expect(subscribed(server.last)).toEqual(['test://1'])
    server.last.die()
    await flush()
    listen({ session: 'b' }, ['test://2'])
    await flush()
    clock.advance(1_000)
    await flush()
    expect(server.links).toHaveLength(3)
    expect(subscribed(server.last)).toEqual(['test://1', 'test://2'])
    update(server.last, 'test://1')
    expect(uris(a.heard)).toEqual(['test://1'])
  })

  test('a server of the 2026 era too', async () => {
    const { server, listen } = await upstreamWorld({}, (one) => {
      resources(one)
      one.era = '2026'
    })
    const a = listen({ session: 'a', ...ASKABLE }, ['test://1'])
    await flush()
    expect(server.links).toHaveLength(1)
    const open = server.last.open('subscriptions/listen').at(-1)
    expect(open?.params?.notifications).toMatchObject({ resourceSubscriptions: ['test://1'] })
    server.last.emit({ method: 'notifications/resources/updated', params: { uri: 'test://1', _meta: { 'io.modelcontextprotocol/subscriptionId': open?.id } } }, { related: open?.id as number })
    expect(uris(a.heard)).toEqual(['test://1'])
  })

  test('its log lines outside of calls are nobody’s', async () => {
    const { server, listen, echo } = await upstreamWorld({}, resources)
    const a = listen({ session: 'a' })
    await echo('a')
    server.last.emit({ method: 'notifications/message', params: { level: 'error', data: 'of somebody' } })
    expect(a.heard).toEqual([])
  })
})

describe('a child of one session', () => {
  test('what it says goes to that session’s listeners and nobody else', async () => {
    const { clock, server, listen, echo } = await upstreamWorld({}, resources)
    const a = listen({ session: 'a', ...ASKABLE })
    const b = listen({ session: 'b', ...ASKABLE })
    const plain = listen({ session: 'plain' })
    await flush()
    expect(server.links).toHaveLength(1)
    await echo('a', ASKABLE.capabilities)
    for (const method of ['notifications/tools/list_changed', 'notifications/message', 'notifications/elicitation/complete']) server.last.emit({ method, params: { level: 'info', data: 'x' } })
    update(server.last, 'test://1')
    const own = server.last
    expect(a.heard.map((message) => message.method)).toEqual(['notifications/tools/list_changed', 'notifications/message', 'notifications/elicitation/complete'])
    expect([b.heard, plain.heard]).toEqual([[], []])
    // What is still on the way when it was ended is nobody's.
    server.linger = true
    clock.advance(300_000)
    own.emit({ method: 'notifications/message', params: { level: 'info', data: 'late' } })
    expect(warnings(a.heard)).toEqual(['x', 'The server one was restarted; its state is gone.'])
    own.die()
  })

  test('starts when the session subscribes, stays as long, and starts again when it dies', async () => {
    const { clock, server, listen, alive } = await upstreamWorld({}, resources)
    const a = listen({ session: 'a', ...ASKABLE }, ['test://1'])
    const more = listen({ session: 'a', ...ASKABLE }, ['test://2'])
    await flush()
    expect(server.links).toHaveLength(2)
    const shared = server.links[0] as MemoryLink
    expect(subscribed(server.last)).toEqual(['test://1', 'test://2'])
    expect(subscribed(shared)).toEqual([])
    update(shared, 'test://1')
    update(server.last, 'test://1')
    expect(uris(a.heard)).toEqual(['test://1'])
    clock.advance(600_000)
    await flush()
    expect(alive()).toBe(2)
    more.cancel('enough')
    await flush()
    expect(subscribed(server.last)).toEqual(['test://1'])
    server.last.die()
    await flush()
    expect(warnings(a.heard)).toEqual(['The server one was restarted; its state is gone.'])
    clock.advance(1_000)
    await flush()
    expect(server.links).toHaveLength(3)
    expect(subscribed(server.last)).toEqual(['test://1'])
    a.cancel('enough')
    await flush()
    expect(subscribed(server.last)).toEqual([])
    clock.advance(300_000)
    await flush()
    expect(alive()).toBe(1)
  })

  test('the end of the session ends its listeners and its child for good', async () => {
    const { clock, host, server, listen, alive } = await upstreamWorld({}, resources)
    const a = listen({ session: 'a', ...ASKABLE }, ['test://1'])
    await flush()
    host.endSession('a')
    expect(await a.outcome).toEqual({ result: {} })
    await flush()
    clock.advance(120_000)
    await flush()
    expect(alive()).toBe(1)
    expect(server.links).toHaveLength(2)
    expect(a.heard).toEqual([])
  })
})

describe('lost state', () => {
  const TEXT = ['The server one was restarted; its state is gone.']

  test('sessions that do not listen are warned with their next call, also on a server that was configured anew', async () => {
    const { server, host, call } = await upstreamWorld()
    const next = async (client: Parameters<typeof call>[1]) => {
      const sink = recordingSink()
      await call('echo', client, sink).outcome
      return warnings(sink.notifications)
    }
    for (const session of ['a', 'b', 'quiet']) await next({ session })
    server.last.die()
    await flush()
    expect(await next({ session: 'a' })).toEqual(TEXT)
    expect(await next({ session: 'a' })).toEqual([])
    expect(await next({ session: 'new' })).toEqual([])
    expect(await next({ session: null })).toEqual([])
    expect(await next({ session: 'quiet', logLevel: 'error' })).toEqual([])
    await next({ session: 'own', ...ASKABLE })
    await host.apply({ one: serverSpec({ args: ['other'] }) })
    await flush()
    for (const client of [{ session: 'a' }, { session: 'b' }, { session: 'own', ...ASKABLE }]) expect(await next(client)).toEqual(TEXT)
    host.endSession('new')
    expect(await next({ session: 'new' })).toEqual([])
  })

  test('after a restart the sessions that had used the server are warned, through their listeners', async () => {
    const { clock, server, listen, echo } = await upstreamWorld()
    const used = listen({ session: 'used' })
    const idle = listen({ session: 'idle' })
    const quiet = listen({ session: 'used', logLevel: 'error' })
    await echo('used')
    server.last.die()
    await flush()
    expect(used.heard).toEqual([{ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'warning', logger: 'skein', data: TEXT[0] } }])
    expect([idle.heard, quiet.heard]).toEqual([[], []])
    server.last.die()
    await flush()
    clock.advance(1_000)
    await flush()
    expect(used.heard).toHaveLength(1)
    await echo('used')
    server.last.die()
    await flush()
    clock.advance(1_000)
    await flush()
    expect(warnings(used.heard)).toEqual([...TEXT, ...TEXT])
  })

  test.each([
    ['stateless', { stateless: true }, '2025'],
    ['of the 2026 era', {}, '2026']
  ] as const)('a server that is %s has nothing to lose', async (_, spec, era) => {
    const { server, listen, echo } = await upstreamWorld(spec, (one) => (one.era = era))
    const used = listen({ session: 'used' })
    await echo('used')
    server.last.die()
    await flush()
    expect(server.links).toHaveLength(2)
    expect(used.heard).toEqual([])
  })

  test('by a change of the configuration', async () => {
    const { host, listen, echo } = await upstreamWorld()
    const used = listen({ session: 'used' })
    const asks = listen({ session: 'asks', ...ASKABLE })
    const idle = listen({ session: 'idle' })
    await echo('used')
    await echo('asks', ASKABLE.capabilities)
    await host.apply({ one: serverSpec({ args: ['-v'] }) })
    expect([used, asks, idle].map(({ heard }) => warnings(heard))).toEqual([TEXT, TEXT, []])
    for (const { outcome } of [used, asks, idle]) expect(await outcome).toEqual({ result: {} })
  })

  test('of a session’s own child: when it died, idled too long or made room', async () => {
    const { clock, server, listen, echo, call } = await upstreamWorld({}, undefined, { maxChildren: 1 })
    const a = listen({ session: 'a', ...ASKABLE })
    await echo('a', ASKABLE.capabilities)
    const running = call('slow', { session: 'a', ...ASKABLE })
    await flush()
    server.last.die()
    expect(await codeOf(running.outcome)).toBe('SKEIN_OUTCOME_UNKNOWN')
    await flush()
    expect(warnings(a.heard)).toEqual(TEXT)
    await echo('a', ASKABLE.capabilities)
    expect(server.links).toHaveLength(3)
    clock.advance(300_000)
    await flush()
    expect(a.heard).toHaveLength(2)
    await echo('a', ASKABLE.capabilities)
    await echo('b', ASKABLE.capabilities)
    expect(a.heard).toHaveLength(3)
  })
})

describe('bounds', () => {
  test('a listener ends with its server, without a deadline before', async () => {
    const { clock, host, listen } = await upstreamWorld()
    const a = listen({ session: 'a', timeout: 100 })
    let over = false
    void a.outcome.then(() => (over = true))
    clock.advance(3_600_000)
    await flush()
    expect(over).toBe(false)
    await host.apply({})
    expect(await a.outcome).toEqual({ result: {} })
    expect(clock.pending).toBe(0)
  })

  test.each([['text'], [[7]], [['x'.repeat(8_193)]], [Array.from({ length: 1_001 }, (_, index) => `test://${index}`)]])('wrong URIs are refused', async (wrong) => {
    const { listen } = await upstreamWorld()
    expect(await listen({}, wrong).outcome).toMatchObject({ error: { code: -32602 } })
  })

  test('listeners and URIs of one server are bounded', async () => {
    const { listen, server } = await upstreamWorld({}, resources)
    const many = Array.from({ length: 1_000 }, (_, index) => `test://${index}`)
    const full = Array.from({ length: 10 }, (_, index) => listen({ session: `s${index}` }, many))
    expect(await codeOf(listen({ session: 'more' }, ['test://x']).outcome)).toBe('SKEIN_BUSY')
    full[0]?.cancel('room for another')
    listen({ session: 's0' }, many)
    for (let index = 10; index < 4_096; index += 1) listen({ session: `s${index}` })
    expect(await codeOf(listen({ session: 'more' }).outcome)).toBe('SKEIN_BUSY')
    await flush()
    expect(server.links).toHaveLength(1)
  })

  test('a server that is switched off has no listeners', async () => {
    const { listen } = await upstreamWorld({ enabled: false })
    expect(await codeOf(listen({}).outcome)).toBe('SKEIN_UPSTREAM_DOWN')
  })
})
