import { describe, expect, test } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { codeOf, flush } from '../../support/mcp-calls.ts'
import type { MemoryLink, MemoryServer } from '../../support/memory-upstream.ts'
import { upstreamWorld } from '../../support/upstream-world.ts'

const ASKABLE = { sampling: {} }
const firstMethods = (server: MemoryServer) => server.links.map((link) => methodOf(link))
const methodOf = (link: MemoryLink) => link.received.map((message) => ('method' in message ? message.method : ''))[0]

/** Time for the waits between starts. */
async function wait(clock: { advance(ms: number): void }, ms = 1_000) {
  clock.advance(ms)
  await flush()
}

describe('what a server speaks', () => {
  test.each([
    ['2025', '2025', 'initialize'],
    ['2026', '2026', 'server/discover'],
    ['both', '2026', 'server/discover']
  ] as const)('is found out once: a server of %s is one of %s, for its restarts and children too', async (era, protocol, first) => {
    const { server, status, echo } = await upstreamWorld({ isolation: 'session' }, (one) => (one.era = era))
    expect(status()).toMatchObject({ state: 'ready', protocol })
    await echo('a', ASKABLE)
    server.links[0]?.die()
    await flush()
    expect(firstMethods(server)).toEqual(['server/discover', first, first])
  })

  test.each([
    ['2025', 'both', 'initialize'],
    ['2026', 'both', 'server/discover']
  ] as const)('is %s if the configuration says so, without a question', async (protocol, era, first) => {
    const { server, status } = await upstreamWorld({ protocol }, (one) => (one.era = era))
    expect(status()).toMatchObject({ state: 'ready', protocol })
    expect(firstMethods(server)).toEqual([first])
  })

  test('a server that is not what the configuration says does not start, and says why', async () => {
    const { clock, server, status } = await upstreamWorld({ protocol: '2026' })
    expect(status()).toMatchObject({ state: 'backoff', protocol: '2026' })
    expect(status()?.error).toContain('mcp.servers.<name>.protocol')
    await wait(clock)
    expect(firstMethods(server)).toEqual(['server/discover', 'server/discover'])
  })

  test('one that dies of the question is started again at once, without it', async () => {
    const { server, status, echo } = await upstreamWorld({}, (one) => {
      one.respond = ({ method }, link) => {
        if (method === 'server/discover') link.die()
        return method === 'tools/call' ? { content: [] } : undefined
      }
    })
    expect(status()).toMatchObject({ state: 'ready', protocol: '2025', restarts: 0 })
    await echo('a', ASKABLE)
    expect(firstMethods(server)).toEqual(['server/discover', 'initialize', 'initialize'])
  })

  test('one that always dies costs two processes the first time only', async () => {
    const { clock, server, status } = await upstreamWorld({}, (one) => {
      one.respond = (_, link) => {
        link.die()
        return undefined
      }
    })
    expect(status()?.state).toBe('backoff')
    expect(firstMethods(server)).toEqual(['server/discover', 'initialize'])
    for (let round = 0; round < 3; round += 1) await wait(clock)
    expect(firstMethods(server)).toEqual(['server/discover', 'initialize', 'server/discover', 'initialize', 'server/discover'])
  })

  test('is asked for again after a start in the remembered era failed: the server may be another one now', async () => {
    const { clock, server, status } = await upstreamWorld()
    server.era = '2026'
    server.last.die()
    await flush()
    expect(status()?.state).toBe('backoff')
    await wait(clock)
    expect(status()).toMatchObject({ state: 'ready', protocol: '2026' })
    expect(firstMethods(server)).toEqual(['server/discover', 'initialize', 'server/discover'])
  })

  test('a child that is ended while it starts says nothing about the server', async () => {
    const { server, host, call, echo } = await upstreamWorld()
    server.greet = false
    const asks = call('echo', { session: 'a', capabilities: ASKABLE })
    asks.outcome.catch(() => {})
    await flush()
    host.endSession('a')
    await flush()
    server.greet = true
    await echo('b', ASKABLE)
    expect(firstMethods(server)).toEqual(['server/discover', 'initialize', 'initialize'])
  })

  test('a server that cannot be started at all is not asked anything', async () => {
    const { clock, server, status } = await upstreamWorld({}, (one) => (one.failStart = new SkeinError('SKEIN_UPSTREAM_DOWN', 'broken')))
    expect(status()).toMatchObject({ state: 'backoff' })
    expect(status()?.protocol).toBeUndefined()
    server.failStart = undefined
    await wait(clock)
    expect(status()).toMatchObject({ state: 'ready', protocol: '2025' })
  })
})

describe('requestState', () => {
  test('of a server of the 2026 era is its own and passes', async () => {
    const { server, call } = await upstreamWorld({}, (one) => {
      one.era = '2026'
      one.respond = ({ method }) => (method === 'tools/call' ? { resultType: 'input_required', inputRequests: {}, requestState: 'theirs' } : undefined)
    })
    const params = { requestState: 'theirs', inputResponses: { q: {} } }
    expect(await call('slow', { session: null, params }).outcome).toMatchObject({ result: { resultType: 'input_required', requestState: 'theirs' } })
    expect(server.last.sent('tools/call')[0]?.params).toMatchObject(params)
  })

  test('of such a server waits for its restart like any call', async () => {
    const { clock, server, call } = await upstreamWorld({}, (one) => (one.era = '2026'))
    server.last.die()
    await flush()
    server.greet = false
    server.last.die()
    await flush()
    await wait(clock, 200)
    const waiting = call('echo', { session: null, params: { requestState: 'theirs' } })
    await flush()
    server.greet = true
    server.last.answer(server.last.open('server/discover')[0]?.id as number, { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: { tools: {} } })
    expect(await waiting.outcome).toMatchObject({ result: { content: [] } })
  })

  test('that names nothing parked is refused, and the tool is not run', async () => {
    const { server, call } = await upstreamWorld()
    for (const requestState of ['0'.repeat(32), '', 7]) {
      expect(await codeOf(call('echo', { session: null, params: { requestState } }).outcome)).toBe('SKEIN_BAD_REQUEST')
    }
    expect(server.last.sent('tools/call')).toEqual([])
  })
})
