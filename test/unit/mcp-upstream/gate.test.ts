import { describe, expect, test } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import type { ServerSpec } from '../../../src/mcp/upstream/spec.ts'
import type { Json } from '../../../src/wire/json-rpc.ts'
import { codeOf, flush, recordingSink, serverSpec, toolCall, type CallOptions } from '../../support/mcp-calls.ts'
import type { MemoryServer } from '../../support/memory-upstream.ts'
import { upstreamWorld } from '../../support/upstream-world.ts'

const COMPONENT = 'upstream:one'

async function world(spec: Partial<ServerSpec> = {}, prepare?: (server: MemoryServer) => void) {
  const w = await upstreamWorld(spec, prepare)
  const state = () => (['closed', 'open', 'half_open'] as const).find((name) => w.metric('circuit_breaker_state', COMPONENT, name) === 1)
  /** Calls that the test answers. */
  const begin = async (count: number, options: CallOptions = {}) => {
    const calls = Array.from({ length: count }, () => w.call('slow', options))
    const codes = calls.map(({ outcome }) => codeOf(outcome))
    await flush()
    return codes
  }
  /** Time for the supervisor to start the server again. */
  const pass = async (ms: number) => {
    w.clock.advance(ms)
    await flush()
  }
  /** A call runs, and the server dies of it. */
  const dieOfACall = async (calls = 1) => {
    const codes = await begin(calls)
    w.server.last.die()
    await flush()
    return Promise.all(codes)
  }
  return { ...w, state, begin, pass, dieOfACall }
}

describe('what opens the breaker of a server', () => {
  test('five calls in a row that it never answers', async () => {
    // It hangs only as far as calls go: else the supervisor would start it again.
    const { begin, pass, state, server, call } = await world({}, (one) => (one.respond = ({ method }) => (method === 'ping' ? {} : undefined)))
    for (let index = 0; index < 5; index++) {
      expect(state()).toBe('closed')
      const [code] = await begin(1)
      await pass(10_000)
      expect(await code).toBe('SKEIN_DEADLINE')
    }
    expect(state()).toBe('open')
    const before = server.links.flatMap((link) => link.received).length
    expect(await codeOf(call('echo').outcome)).toBe('SKEIN_BREAKER_OPEN')
    await flush()
    expect(server.links.flatMap((link) => link.received)).toHaveLength(before)
  })

  test('five answers in a row that are none', async () => {
    const { begin, server, state } = await world()
    const codes = await begin(5)
    for (const { id } of server.last.open('tools/call')) server.last.answer(id, 'garbage' as unknown as Json)
    expect(await Promise.all(codes)).toEqual(Array(5).fill('SKEIN_UPSTREAM_INVALID'))
    expect(state()).toBe('open')
  })

  test('five deaths in a row, however many calls each takes', async () => {
    const { dieOfACall, state, pass } = await world()
    for (let death = 1; death <= 5; death++) {
      expect(state()).toBe('closed')
      expect(await dieOfACall(20)).toEqual(Array(20).fill('SKEIN_OUTCOME_UNKNOWN'))
      // After the last one the supervisor waits almost a second at least.
      if (death < 5) await pass(5_000)
    }
    expect(state()).toBe('open')
  })

  test('connections that it refuses while it is said to be there', async () => {
    const { call, server, state, clock } = await world()
    server.last.refuse = true
    for (let index = 0; index < 5; index++) {
      const code = codeOf(call('echo').outcome)
      for (let turn = 0; turn < 4; turn++) {
        clock.advance(250)
        await flush()
      }
      expect(await code).toBe('SKEIN_UPSTREAM_DOWN')
    }
    expect(state()).toBe('open')
  })
})

describe('what does not', () => {
  test('one crash that takes many calls with it: the next calls work', async () => {
    const { dieOfACall, echo, state, status } = await world()
    expect(await dieOfACall(50)).toEqual(Array(50).fill('SKEIN_OUTCOME_UNKNOWN'))
    expect(state()).toBe('closed')
    expect(status()?.restarts).toBe(1)
    expect(await Promise.all(Array.from({ length: 20 }, () => echo('session-1')))).toEqual(Array.from({ length: 20 }, () => ({ result: { content: [] } })))
  })

  test('errors of tools and of JSON-RPC', async () => {
    const { begin, server, state } = await world()
    const codes = await begin(40)
    for (const [index, { id }] of server.last.open('tools/call').entries()) {
      if (index % 2 === 0) server.last.answer(id, { isError: true, content: [] })
      else server.last.refuseRequest(id, -32_603)
    }
    expect(await Promise.all(codes)).toEqual(Array(40).fill('resolved'))
    expect(state()).toBe('closed')
  })

  test('callers that cancel, and callers in haste', async () => {
    const { begin, call, pass, state } = await world()
    const calls = Array.from({ length: 20 }, () => call('slow'))
    await flush()
    for (const one of calls) one.cancel('gone')
    for (const one of calls) expect(await codeOf(one.outcome)).toBe('SKEIN_CANCELLED')
    const hasty = await begin(20, { timeout: 4_000 })
    await pass(4_000)
    expect(await Promise.all(hasty)).toEqual(Array(20).fill('SKEIN_DEADLINE'))
    expect(state()).toBe('closed')
  })

  test('a server that is not there: that is the supervisor’s, and calls wait for it', async () => {
    const { begin, pass, server, state, echo } = await world()
    server.failStart = new SkeinError('SKEIN_UPSTREAM_DOWN', 'no such file')
    server.last.die()
    await flush()
    const codes = await begin(20)
    await pass(5_000)
    expect(await Promise.all(codes)).toEqual(Array(20).fill('SKEIN_UPSTREAM_DOWN'))
    expect(state()).toBe('closed')
    server.failStart = undefined
    await pass(30_000)
    expect(await echo('session-1')).toEqual({ result: { content: [] } })
  })

  test('listens, which hold no place either', async () => {
    const { listen, host, state, server, echo } = await world({ maxConcurrent: 1, maxWaiting: 0 })
    const listens = Array.from({ length: 10 }, (_, index) => listen({ session: `s${index}` }, [`x://${index}`]))
    await flush()
    expect(host.load('one')).toEqual({ running: 0, waiting: 0 })
    expect(await echo('session-1')).toEqual({ result: { content: [] } })
    for (const one of listens) one.cancel('enough')
    for (const one of listens) await codeOf(one.outcome)
    server.last.die()
    await flush()
    expect(state()).toBe('closed')
  })

  test('calls that ask a person: the wait holds no place, and its end is no failure', async () => {
    const { call, clock, host, server, state } = await world({ maxConcurrent: 1, maxWaiting: 0 })
    const capabilities = { elicitation: {} }
    for (let index = 0; index < 8; index++) {
      const asking = call('ask', { capabilities, session: `s${index}` })
      await flush()
      server.last.emit({ id: 7, method: 'elicitation/create', params: { message: 'name?' } })
      clock.advance(5)
      expect(await asking.outcome).toMatchObject({ result: { resultType: 'input_required' } })
      expect(host.load('one')).toEqual({ running: 0, waiting: 0 })
    }
    // Nobody ever answers.
    clock.advance(3_600_000)
    await flush()
    expect(state()).toBe('closed')
  })
})

test('answers to questions that died with those who asked are no failures of the server that is there now', async () => {
  const { call, clock, server, state } = await world()
  const capabilities = { elicitation: {} }
  const states: string[] = []
  for (let index = 0; index < 8; index++) {
    const asking = call('ask', { capabilities, session: `s${index}` })
    await flush()
    server.last.emit({ id: 7, method: 'elicitation/create', params: { message: 'name?' } })
    clock.advance(5)
    states.push(((await asking.outcome) as { result: { requestState: string } }).result.requestState)
  }
  for (const link of server.links) link.die()
  await flush()
  for (const [index, requestState] of states.entries()) {
    const retry = call('ask', { capabilities, session: `s${index}`, params: { requestState, inputResponses: {} } })
    expect(await codeOf(retry.outcome)).toMatch(/^SKEIN_(OUTCOME_UNKNOWN|BAD_REQUEST)$/)
  }
  expect(state()).toBe('closed')
})

describe('a server that is there anew', () => {
  test('is tried at once, by one call, however long the breaker would stay open', async () => {
    const { dieOfACall, pass, state, call, server, status } = await world()
    // Deaths of the deciding call make the open time grow beyond the supervisor’s wait.
    for (let death = 0; death < 5; death++) {
      await dieOfACall()
      if (death < 4) await pass(5_000)
    }
    expect(state()).toBe('open')
    for (let round = 0; round < 6; round++) {
      await pass(30_000)
      expect(status()?.state).toBe('ready')
      const calls = [call('slow'), call('slow')]
      const codes = calls.map(({ outcome }) => codeOf(outcome))
      await flush()
      expect(server.last.open('tools/call')).toHaveLength(1)
      server.last.die()
      await flush()
      expect(await Promise.all(codes)).toEqual(['SKEIN_OUTCOME_UNKNOWN', 'SKEIN_BREAKER_OPEN'])
    }
    // Now it would be open for about half a minute; the supervisor starts the server sooner, or at the same time.
    await pass(30_000)
    const good = call('slow')
    await flush()
    for (const { id } of server.last.open('tools/call')) server.last.answer(id, { content: [] })
    expect(await good.outcome).toEqual({ result: { content: [] } })
    expect(state()).toBe('closed')
  })

  test('and shows progress is trusted before its first call has ended', async () => {
    const { dieOfACall, pass, state, call, server } = await world()
    for (let death = 0; death < 5; death++) {
      await dieOfACall()
      if (death < 4) await pass(5_000)
    }
    await pass(30_000)
    const long = call('slow', { token: 'mine' })
    const code = codeOf(long.outcome)
    await flush()
    expect(state()).toBe('half_open')
    const token = (server.last.open('tools/call')[0]?.params?._meta as Json | undefined)?.progressToken
    server.last.emit({ method: 'notifications/progress', params: { progressToken: token, progress: 1 } })
    await flush()
    expect(state()).toBe('closed')
    long.cancel('enough')
    await code
  })
})

describe('places', () => {
  test('running and waiting are told, and a refused call is told what it was', async () => {
    const { begin, host, server, metric, call } = await world({ maxConcurrent: 2, maxWaiting: 3 })
    expect(host.load('none')).toBeUndefined()
    const codes = await begin(5)
    expect(host.load('one')).toEqual({ running: 2, waiting: 3 })
    const refused = await call('slow').outcome.catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'SKEIN_BUSY', message: expect.stringMatching(/2 calls and 3 wait.*not run/) })
    expect(server.last.open('tools/call')).toHaveLength(2)
    for (let round = 0; round < 3; round++) {
      for (const { id } of server.last.open('tools/call')) server.last.answer(id, { content: [] })
      await flush()
    }
    expect(await Promise.all(codes)).toEqual(Array(5).fill('resolved'))
    expect(host.load('one')).toEqual({ running: 0, waiting: 0 })
    expect(metric('skein_upstream_requests_total', 'busy')).toBe(1)
    expect(metric('skein_guard_refused_total', COMPONENT, 'full')).toBe(1)
  })

  test('a refused call may be looked at later', async () => {
    const { begin, call } = await world({ maxConcurrent: 1, maxWaiting: 0 })
    await begin(1)
    const refused = call('slow')
    await flush()
    await new Promise((resolve) => setImmediate(resolve))
    expect(await codeOf(refused.outcome)).toBe('SKEIN_BUSY')
  })

  test('the time that a call waits is part of its time', async () => {
    const { begin, pass, server, call } = await world({ maxConcurrent: 1, maxWaiting: 5, timeout: 10_000 })
    await begin(1, { timeout: 10_000 })
    const second = codeOf(call('slow', { timeout: 10_000 }).outcome)
    const third = codeOf(call('slow', { timeout: 3_000 }).outcome)
    await pass(3_000)
    expect(await third).toBe('SKEIN_BUSY')
    await pass(3_000)
    for (const { id } of server.last.open('tools/call')) server.last.answer(id, { content: [] })
    await flush()
    expect(server.last.open('tools/call')).toHaveLength(1)
    let ended: string | undefined
    void second.then((code) => (ended = code))
    await pass(3_999)
    expect(ended).toBeUndefined()
    await pass(1)
    expect(ended).toBe('SKEIN_DEADLINE')
  })

  test('other limits hold at once, and nothing is restarted', async () => {
    const { begin, host, server } = await world({ maxConcurrent: 1, maxWaiting: 0 })
    const codes = await begin(2)
    expect(await codes[1]).toBe('SKEIN_BUSY')
    expect(await host.apply({ one: serverSpec({}, { maxConcurrent: 3, maxWaiting: 0 }) })).toMatchObject({ updated: ['one'] })
    await begin(3)
    expect(server.links).toHaveLength(1)
    expect(server.last.open('tools/call')).toHaveLength(4)
    expect(host.load('one')).toEqual({ running: 3, waiting: 0 })
  })

  test('a tool that is hidden is refused before it takes a place', async () => {
    const { host, metric } = await world({ expose: { allow: ['*'], deny: ['secret'] } })
    expect(await codeOf(host.run(toolCall('one', 'secret'), recordingSink()).outcome)).toBe('SKEIN_NOT_FOUND')
    expect(metric('circuit_breaker_calls_total', COMPONENT)).toBe(0)
    expect(metric('skein_upstream_requests_total', 'unavailable')).toBe(1)
  })
})
