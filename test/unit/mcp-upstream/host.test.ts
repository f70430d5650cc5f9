import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { seededRandom } from '../../../src/base/random.ts'
import type { JsonRpcRequest } from '../../../src/wire/json-rpc.ts'
import { createUpstreamHost, type UpstreamHostOptions } from '../../../src/mcp/upstream/host.ts'
import type { ServerSpec } from '../../../src/mcp/upstream/spec.ts'
import { testGuards } from '../../support/guards.ts'
import { codeOf, flush, recordingSink, serverSpec, toolCall } from '../../support/mcp-calls.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { createMemoryServer, type MemoryServer } from '../../support/memory-upstream.ts'

function world(options: Partial<UpstreamHostOptions> = {}) {
  const clock = createManualClock()
  const meter = createMeter()
  const servers: Record<string, MemoryServer> = { one: createMemoryServer(), two: createMemoryServer() }
  const connect = (_spec: ServerSpec, name: string) => {
    const server = servers[name]
    if (server === undefined) throw new SkeinError('SKEIN_CONFIG', `no server ${name}`)
    return server.connect()
  }
  const host = createUpstreamHost({ clock, random: seededRandom(1), meter, logger: silentLogger, guards: testGuards(clock, meter), connect }, { version: '1', ...options })
  const one = servers.one as MemoryServer
  one.respond = (request) => (request.method === 'tools/call' && request.params?.name === 'echo' ? { content: [] } : undefined)
  const status = (name = 'one') => host.list().find((entry) => entry.name === name)
  const metric = (name: string, ...labels: string[]) =>
    meter.snapshot().find((family) => family.name === name)?.samples.find((sample) => labels.every((label) => sample.labels.includes(label)))?.value
  return { clock, host, servers, one, status, metric }
}

async function attached(spec: Partial<ServerSpec> = {}, options: Partial<UpstreamHostOptions> = {}) {
  const w = world(options)
  await w.host.apply({ one: serverSpec({}, spec) })
  await flush()
  return w
}

describe('apply', () => {
  test('attaches, leaves alone, updates, restarts and detaches', async () => {
    const { host, one, servers, status } = world()
    expect(await host.apply({ one: serverSpec(), two: serverSpec() })).toEqual({ attached: ['one', 'two'], detached: [], restarted: [], updated: [], unchanged: [] })
    await flush()
    expect(await host.apply({ one: serverSpec({}, { timeout: 5 }), two: serverSpec() })).toMatchObject({ updated: ['one'], unchanged: ['two'] })
    expect(one.links).toHaveLength(1)
    expect(await host.apply({ one: serverSpec({ args: ['-v'] }, { timeout: 5 }), two: serverSpec() })).toMatchObject({ restarted: ['one'], unchanged: ['two'] })
    expect(one.links.map((link) => link.closed)).toEqual([true, false])
    expect(await host.apply({ one: serverSpec({ args: ['-v'] }, { timeout: 5 }) })).toMatchObject({ detached: ['two'], unchanged: ['one'] })
    expect(servers.two?.last.closed).toBe(true)
    expect(status('two')).toBeUndefined()
    expect(host.tools('two')).toBeUndefined()
  })

  test('a disabled server is listed as stopped and not started', async () => {
    const { one, status } = await attached({ enabled: false })
    expect(status()).toMatchObject({ state: 'stopped', tools: 0 })
    expect(one.links).toHaveLength(0)
  })

  test('a server that cannot start is failed, says why, does not disturb others, and is tried again by the next apply', async () => {
    const { host, one, status, clock } = world()
    one.failStart = new SkeinError('SKEIN_CONFIG', 'mcp.servers.one.command: not found')
    await host.apply({ one: serverSpec(), two: serverSpec() })
    await flush()
    expect(status()).toMatchObject({ state: 'failed', error: 'mcp.servers.one.command: not found' })
    expect(status('two')).toMatchObject({ state: 'ready', tools: 1 })
    expect(await codeOf(host.run(toolCall('one', 'echo'), recordingSink()).outcome)).toBe('SKEIN_UPSTREAM_DOWN')
    clock.advance(600_000)
    expect(one.links).toHaveLength(1)
    one.failStart = undefined
    expect(await host.apply({ one: serverSpec(), two: serverSpec() })).toMatchObject({ restarted: ['one'], unchanged: ['two'] })
    await flush()
    expect(status()?.state).toBe('ready')
  })

  test('waits for a slow server no longer than told', async () => {
    const { clock, host, one } = world()
    one.greet = false
    let done = false
    const applying = host.apply({ one: serverSpec() }, { wait: 3_000 }).then(() => (done = true))
    await flush()
    expect(done).toBe(false)
    clock.advance(3_000)
    await applying
    expect(host.list()).toMatchObject([{ state: 'starting' }])
    await host.stop()
    expect(host.list()).toMatchObject([{ state: 'stopped' }])
    expect(clock.pending).toBe(0)
  })
})

describe('restarts', () => {
  test('the first death is followed by a start at once, further ones by growing waits, health resets', async () => {
    const { clock, one, status, metric } = await attached()
    one.last.die()
    await flush()
    expect(one.links).toHaveLength(2)
    expect(status()).toMatchObject({ state: 'ready', restarts: 1 })
    const waits: number[] = []
    for (let death = 0; death < 3; death += 1) {
      const before = one.links.length
      one.last.die()
      await flush()
      expect(status()?.state).toBe('backoff')
      const from = clock.now()
      while (one.links.length === before) {
        clock.advance(10)
        await flush()
      }
      waits.push(clock.now() - from)
    }
    expect(waits[0]).toBeLessThanOrEqual(200)
    expect(waits[2]).toBeGreaterThanOrEqual(400)
    expect(waits[2]).toBeLessThanOrEqual(800)
    clock.advance(30_000)
    one.last.die()
    await flush()
    expect(status()).toMatchObject({ state: 'ready', restarts: 5 })
    expect(metric('skein_upstream_restarts_total', 'one')).toBe(5)
    expect(metric('skein_upstream_state', 'one')).toBe(2)
  })

  test.each([
    [{ kind: 'http', url: 'http://127.0.0.1/mcp', headers: {} }, 5_000],
    [{}, 30_000]
  ] as const)('after many deaths in a row %o is tried again within %i ms', async (spec, cap) => {
    const { clock, one } = await attached(spec as Partial<ServerSpec>)
    let longest = 0
    for (let death = 0; death < 16; death += 1) {
      const before = one.links.length
      one.last.die()
      await flush()
      const from = clock.now()
      while (one.links.length === before) {
        clock.advance(100)
        await flush()
      }
      longest = Math.max(longest, clock.now() - from)
    }
    expect(longest).toBeLessThanOrEqual(cap)
    expect(longest).toBeGreaterThan(cap / 2)
  })

  test('calls wait for a restart, but not for ever', async () => {
    const { clock, host, one } = await attached()
    one.last.die()
    await flush()
    one.greet = false
    one.last.die()
    await flush()
    const waiting = host.run(toolCall('one', 'echo'), recordingSink())
    const short = host.run(toolCall('one', 'echo', { timeout: 50 }), recordingSink())
    const given = host.run(toolCall('one', 'echo'), recordingSink())
    given.cancel('no longer wanted')
    expect(await codeOf(given.outcome)).toBe('SKEIN_CANCELLED')
    clock.advance(50)
    expect(await codeOf(short.outcome)).toBe('SKEIN_UPSTREAM_DOWN')
    clock.advance(4_900)
    await flush()
    one.greet = true
    one.last.answer((one.last.received[0] as JsonRpcRequest).id, { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: {} })
    expect(await waiting.outcome).toEqual({ result: { content: [] } })
    await host.stop()
    expect(clock.pending).toBe(0)
  })

  test('a request the dying link did not take runs on the next one; one it took never runs twice', async () => {
    const { host, one } = await attached()
    const first = one.last
    const taken = host.run(toolCall('one', 'slow'), recordingSink())
    await flush()
    first.refuse = true
    const refused = host.run(toolCall('one', 'echo'), recordingSink())
    await flush()
    first.die()
    expect(await refused.outcome).toEqual({ result: { content: [] } })
    expect(await codeOf(taken.outcome)).toBe('SKEIN_OUTCOME_UNKNOWN')
    const calls = one.last.received.filter((message) => 'method' in message && message.method === 'tools/call')
    expect(calls).toHaveLength(1)
  })

  test('a request is tried again once: two dying links are enough', async () => {
    const { host, one } = await attached()
    const first = one.last
    first.refuse = true
    one.respond = (request, link) => {
      if (request.method === 'tools/list') queueMicrotask(() => (link.refuse = true))
      return undefined
    }
    const refused = host.run(toolCall('one', 'echo'), recordingSink())
    await flush()
    first.die()
    expect(await codeOf(refused.outcome)).toBe('SKEIN_UPSTREAM_DOWN')
    expect(one.links).toHaveLength(2)
  })

  test('a request refused by a link that lives on is not tried again', async () => {
    const { clock, host, one } = await attached()
    one.last.refuse = true
    const refused = host.run(toolCall('one', 'echo'), recordingSink())
    await flush()
    clock.advance(250)
    expect(await codeOf(refused.outcome)).toBe('SKEIN_UPSTREAM_DOWN')
    expect(one.links).toHaveLength(1)
  })

  test('tools stay listed through a restart as the same object, and go when it keeps failing', async () => {
    const { clock, host, one } = await attached()
    const before = host.tools('one')
    one.last.die()
    await flush()
    expect(host.tools('one')).toBe(before)
    one.failStart = new Error('broken')
    one.last.die()
    for (let round = 0; round < 5; round += 1) {
      await flush()
      clock.advance(5_000)
    }
    await flush()
    expect(host.tools('one')?.definitions).toEqual([])
    one.failStart = undefined
    clock.advance(60_000)
    await flush()
    expect(host.tools('one')?.definitions).toHaveLength(1)
  })
})

describe('tools', () => {
  test('expose hides from the list, from tools/list and from calls', async () => {
    const w = world()
    w.one.tools = ['read_file', 'write_file', 'echo'].map((name) => ({ name }))
    await w.host.apply({ one: serverSpec({}, { expose: { allow: ['*_file', 'echo'], deny: ['write*'] } }) })
    await flush()
    expect(w.host.tools('one')?.definitions.map((tool) => tool.name)).toEqual(['read_file', 'echo'])
    expect(await codeOf(w.host.run(toolCall('one', 'write_file'), recordingSink()).outcome)).toBe('SKEIN_NOT_FOUND')
    const listed = await w.host.run({ ...toolCall('one', ''), method: 'tools/list', params: {} }, recordingSink()).outcome
    expect(listed).toMatchObject({ result: { tools: [{ name: 'read_file' }, { name: 'echo' }] } })
    expect(w.one.last.open('tools/call')).toEqual([])
    await w.host.apply({ one: serverSpec() })
    expect(w.host.tools('one')?.definitions).toHaveLength(3)
    expect(await codeOf(w.host.run(toolCall('three', 'x'), recordingSink()).outcome)).toBe('SKEIN_NOT_FOUND')
  })

  test('repeatable: by pattern, by annotations only of a trusted server', async () => {
    const { host, one } = world()
    one.tools = [{ name: 'get_a' }, { name: 'safe', annotations: { readOnlyHint: true } }, { name: 'again', annotations: { idempotentHint: true } }, { name: 'write' }]
    await host.apply({ one: serverSpec({}, { repeatable: ['get_*'] }) })
    await flush()
    expect([...(host.tools('one')?.repeatable ?? [])]).toEqual(['get_a'])
    await host.apply({ one: serverSpec({}, { trustAnnotations: true }) })
    expect([...(host.tools('one')?.repeatable ?? [])]).toEqual(['safe', 'again'])
  })

  test('list_changed storms are read once more, not once each, and listeners hear of it', async () => {
    const { host, one } = await attached()
    let heard = 0
    const off = host.onChange(() => (heard += 1))
    one.tools = [{ name: 'echo' }, { name: 'extra' }]
    const lists = () => one.last.received.filter((message) => 'method' in message && message.method === 'tools/list').length
    const before = lists()
    for (let index = 0; index < 10; index += 1) one.last.emit({ method: 'notifications/tools/list_changed' })
    await flush()
    expect(lists() - before).toBe(2)
    expect(host.tools('one')?.definitions).toHaveLength(2)
    expect(heard).toBe(1)
    off()
    one.tools = []
    one.last.emit({ method: 'notifications/tools/list_changed' })
    await flush()
    expect(heard).toBe(1)
    expect(host.tools('one')?.definitions).toEqual([])
  })
})

describe('limits', () => {
  test('running calls are bounded and counted by how they ended', async () => {
    const { host, one, metric } = await attached({ maxConcurrent: 2, maxWaiting: 0 })
    const calls = [1, 2, 3].map(() => host.run(toolCall('one', 'slow'), recordingSink()))
    expect(await codeOf(calls[2]!.outcome)).toBe('SKEIN_BUSY')
    await flush()
    for (const request of one.last.open('tools/call')) one.last.answer(request.id, { content: [] })
    await Promise.all([calls[0]?.outcome, calls[1]?.outcome])
    expect(await host.run(toolCall('one', 'echo'), recordingSink()).outcome).toEqual({ result: { content: [] } })
    expect(metric('skein_upstream_requests_total', 'ok')).toBe(3)
    expect(metric('skein_upstream_requests_total', 'busy')).toBe(1)
  })

  test('the server’s timeout bounds the time a call brought', async () => {
    const { clock, host } = await attached({ timeout: 100 })
    const call = host.run(toolCall('one', 'slow', { timeout: 60_000 }), recordingSink())
    await flush()
    clock.advance(100)
    expect(await codeOf(call.outcome)).toBe('SKEIN_DEADLINE')
  })
})
