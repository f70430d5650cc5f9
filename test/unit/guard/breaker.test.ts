import { afterEach, describe, expect, test, vi } from 'vitest'
import type { ErrorCode } from '../../../src/base/error-codes.ts'
import { DECIDED_AFTER } from '../../../src/guard/breaker.ts'
import { flush } from '../../support/mcp-calls.ts'
import { guardWorld } from './guarded-calls.ts'

const OPEN = 'SKEIN_BREAKER_OPEN'
const FAILURES: ErrorCode[] = ['SKEIN_SESSION_CLOSED', 'SKEIN_OUTCOME_UNKNOWN', 'SKEIN_UNDELIVERED', 'SKEIN_DEADLINE', 'SKEIN_UPSTREAM_DOWN', 'SKEIN_UPSTREAM_INVALID', 'SKEIN_DIAL_FAILED', 'SKEIN_PROTOCOL']
const NEITHER: ErrorCode[] = ['SKEIN_CANCELLED', 'SKEIN_BUSY', 'SKEIN_GOAWAY', 'SKEIN_NOT_FOUND', 'SKEIN_BAD_REQUEST', 'SKEIN_INTERNAL']

/** Open, for half a second to one. */
async function opened() {
  const world = guardWorld()
  await world.failing(5)
  expect(world.guard.state).toBe('open')
  /** Until a call may try. */
  const untilDue = () => {
    let passed = 0
    for (; world.guard.state === 'open'; passed++) world.clock.advance(1)
    return passed
  }
  return { ...world, untilDue }
}

afterEach(() => {
  vi.useRealTimers()
})

describe('failures in a row', () => {
  test.each(FAILURES)('the fifth %s opens it, and the sixth call is not run', async (code) => {
    const { call, failing, guard } = guardWorld()
    expect(await failing(4, code)).toEqual(Array(4).fill(code))
    expect(guard.state).toBe('closed')
    await failing(1, code)
    expect(guard.state).toBe('open')
    expect(guard.refusing).toBe(true)
    const sixth = call()
    expect(await sixth.code).toBe(OPEN)
    expect(sixth.seen.started).toBe(false)
  })

  test('what counts is how a call ends, not how it begins: failures that come late count', async () => {
    const { call, clock, guard } = guardWorld()
    const running = Array.from({ length: 5 }, () => call())
    await flush()
    clock.advance(60_000)
    expect(guard.state).toBe('closed')
    for (const one of running) one.fail('SKEIN_DEADLINE')
    await flush()
    expect(guard.state).toBe('open')
  })

  test('an answer between them starts the count anew', async () => {
    const { failing, working, guard } = guardWorld()
    // Eight calls are too few for a share.
    await failing(4)
    await working(1)
    await failing(3)
    expect(guard.state).toBe('closed')
  })

  test.each([
    ['a result', { result: {} }],
    ['isError', { result: { isError: true, content: [] } }],
    ['a JSON-RPC error', { error: { code: -32_603, message: 'no' } }]
  ])('%s is an answer', async (_, value) => {
    const { call, guard, failing } = guardWorld()
    await failing(4)
    for (let index = 0; index < 30; index++) {
      const one = call()
      one.answer(value)
      expect(await one.outcome).toBe(value)
    }
    await failing(4)
    expect(guard.state).toBe('closed')
  })

  test.each(NEITHER)('%s neither counts nor starts the count anew', async (code) => {
    const { failing, guard } = guardWorld()
    await failing(50, code)
    await failing(4)
    await failing(20, code)
    expect(guard.state).toBe('closed')
    await failing(1)
    expect(guard.state).toBe('open')
  })

  test.each(['SKEIN_OUTCOME_UNKNOWN', 'SKEIN_SESSION_CLOSED', 'SKEIN_UNDELIVERED'] as const)('what is lost together with %s is one failure; five losses are five', async (code) => {
    const { call, guard, meter } = guardWorld()
    for (let loss = 1; loss <= 5; loss++) {
      expect(guard.state).toBe('closed')
      const together = Array.from({ length: 20 }, () => call())
      for (const one of together) one.fail(code)
      expect(await Promise.all(together.map((one) => one.code))).toEqual(Array(20).fill(code))
    }
    expect(guard.state).toBe('open')
    const failed = meter.snapshot().find(({ name }) => name === 'circuit_breaker_calls_failed')?.samples[0]?.value
    expect(failed).toBe(100)
  })

  test('one that its caller excuses does not count', async () => {
    const { call, guard, failing } = guardWorld()
    await failing(4)
    for (let index = 0; index < 20; index++) {
      const one = call({ counts: (error) => error.code !== 'SKEIN_UPSTREAM_DOWN' })
      one.fail('SKEIN_UPSTREAM_DOWN')
      expect(await one.code).toBe('SKEIN_UPSTREAM_DOWN')
    }
    expect(guard.state).toBe('closed')
    const last = call({ counts: (error) => error.code !== 'SKEIN_UPSTREAM_DOWN' })
    last.fail('SKEIN_DEADLINE')
    await last.code
    expect(guard.state).toBe('open')
  })
})

describe('the share of failures', () => {
  test('half of ten opens it, whatever their order', async () => {
    const { failing, working, guard } = guardWorld()
    for (let round = 0; round < 4; round++) {
      await working(1)
      await failing(1)
    }
    await working(1)
    expect(guard.state).toBe('closed')
    await failing(1)
    expect(guard.state).toBe('open')
  })

  test('of nine calls is chance', async () => {
    const { failing, working, guard } = guardWorld()
    await failing(4)
    await working(1)
    await failing(4)
    expect(guard.state).toBe('closed')
  })

  test('one that fails every third call stays closed', async () => {
    const { failing, working, guard } = guardWorld()
    for (let round = 0; round < 100; round++) {
      await working(2)
      await failing(1)
    }
    expect(guard.state).toBe('closed')
  })

  test.each([
    [8_000, 'open'],
    [10_000, 'closed'],
    [13_000, 'closed']
  ])('is of the last ten seconds only: after %d ms it is %s', async (pause, state) => {
    const { clock, failing, working, guard } = guardWorld()
    await failing(4)
    await working(1)
    clock.advance(pause)
    await failing(4)
    await working(1)
    await failing(1)
    expect(guard.state).toBe(state)
  })

  test('after a night asleep nothing of the evening counts', async () => {
    const { clock, failing, working, guard } = guardWorld()
    await failing(4)
    await working(1)
    await failing(4)
    clock.advance(8 * 3_600_000 + 5_000)
    await working(1)
    await failing(2)
    expect(guard.state).toBe('closed')
  })
})

describe('half-open', () => {
  test('of twenty callers at once exactly one goes through', async () => {
    const { call, untilDue, guard } = await opened()
    untilDue()
    const callers = Array.from({ length: 20 }, () => call())
    await flush()
    expect(callers.filter(({ seen }) => seen.started)).toHaveLength(1)
    expect(await Promise.all(callers.slice(1).map(({ code }) => code))).toEqual(Array(19).fill(OPEN))
    expect(guard.state).toBe('half-open')
    expect(guard.refusing).toBe(true)
    callers[0]?.answer()
    expect(await callers[0]?.outcome).toBe('done')
    expect(guard.state).toBe('closed')
    const again = Array.from({ length: 20 }, () => call())
    expect(again.every(({ seen }) => seen.started)).toBe(true)
    for (const one of again) one.answer()
  })

  test('of calls that come before and after it is due, none slips through early', async () => {
    const { call, clock, untilDue } = await opened()
    expect(call().seen.started).toBe(false)
    const due = untilDue()
    expect(due).toBeGreaterThanOrEqual(500)
    expect(due).toBeLessThanOrEqual(1_000)
    clock.advance(3_600_000)
    const first = call()
    expect(first.seen.started).toBe(true)
    expect(call().seen.started).toBe(false)
    first.answer()
  })

  test('while it fails the open time doubles, up to a minute; one success and it begins anew', async () => {
    const { failing, working, untilDue, guard } = await opened()
    const times: number[] = []
    for (let round = 0; round < 10; round++) {
      times.push(untilDue())
      await failing(1)
      expect(guard.state).toBe('open')
    }
    for (const [round, time] of times.entries()) {
      const most = Math.min(60_000, 1_000 * 2 ** round)
      expect(time, `round ${round}`).toBeGreaterThanOrEqual(most / 2)
      expect(time, `round ${round}`).toBeLessThanOrEqual(most + 1)
    }
    expect(new Set(times.slice(-3)).size).toBe(3)
    untilDue()
    await working(1)
    expect(guard.state).toBe('closed')
    await failing(4)
    expect(guard.state).toBe('closed')
    await failing(1)
    expect(untilDue()).toBeLessThanOrEqual(1_000)
  })

  test('a deciding call that is cancelled decides nothing: the next may try at once, and nothing grows', async () => {
    const { call, untilDue, guard, failing } = await opened()
    untilDue()
    for (let round = 0; round < 5; round++) {
      const one = call()
      expect(one.seen.started).toBe(true)
      one.cancel('the client is gone')
      expect(await one.code).toBe('SKEIN_CANCELLED')
      expect(guard.state).toBe('half-open')
      expect(guard.refusing).toBe(false)
    }
    await failing(1)
    expect(untilDue()).toBeLessThanOrEqual(2_000)
  })

  test('busy is no proof that it works again', async () => {
    const { untilDue, guard, failing } = await opened()
    untilDue()
    await failing(3, 'SKEIN_BUSY')
    expect(guard.state).toBe('half-open')
  })

  test('a sign of life closes it before the call has ended', async () => {
    const { call, untilDue, guard } = await opened()
    untilDue()
    const one = call()
    expect(call().seen.started).toBe(false)
    one.seen.alive?.()
    await flush()
    expect(guard.state).toBe('closed')
    expect(call().seen.started).toBe(true)
    one.fail('SKEIN_DEADLINE')
    expect(await one.code).toBe('SKEIN_DEADLINE')
    expect(guard.state).toBe('closed')
  })

  test('a call that runs for half a minute does not keep the others out', async () => {
    const { call, clock, untilDue, guard } = await opened()
    untilDue()
    const one = call()
    clock.advance(DECIDED_AFTER - 1)
    await flush()
    expect(guard.refusing).toBe(true)
    clock.advance(1)
    await flush()
    expect(guard.state).toBe('closed')
    one.answer('at last')
    expect(await one.outcome).toBe('at last')
    expect(clock.pending).toBe(0)
  })

  test('what began before it opened and ends now decides nothing', async () => {
    const { call, failing, guard, clock } = guardWorld()
    const old = Array.from({ length: 20 }, () => call())
    await failing(5)
    for (const one of old.slice(0, 10)) one.fail()
    await flush()
    clock.advance(1_000)
    const deciding = call()
    expect(deciding.seen.started).toBe(true)
    for (const one of old.slice(10, 15)) one.fail()
    for (const one of old.slice(15)) one.answer()
    await flush()
    expect(guard.state).toBe('half-open')
    deciding.answer()
    await flush()
    expect(guard.state).toBe('closed')
  })

  test('what was repaired is tried at once', async () => {
    const { call, guard, failing } = await opened()
    guard.tryNow()
    expect(guard.state).toBe('half-open')
    expect(call().seen.started).toBe(true)
    const closed = guardWorld()
    closed.guard.tryNow()
    await failing(0)
    expect(closed.guard.state).toBe('closed')
  })
})

describe('clocks', () => {
  test.each([
    ['back', -3_600_000],
    ['ahead', 3_600_000]
  ])('a wall clock that is set %s neither holds it open nor opens it early', async (_, jump) => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const { clock, guard, call, failing } = guardWorld()
    await failing(5)
    vi.setSystemTime(Date.now() + jump)
    clock.advance(400)
    expect(guard.state).toBe('open')
    expect(await call().code).toBe(OPEN)
    clock.advance(600)
    expect(call().seen.started).toBe(true)
  })

  test('a breaker has no timer but that of its deciding call', async () => {
    const { clock, failing, call } = guardWorld()
    await failing(5)
    expect(clock.pending).toBe(0)
    clock.advance(1_000)
    const one = call()
    expect(clock.pending).toBe(1)
    one.answer()
    await one.code
    await flush()
    expect(clock.pending).toBe(0)
  })
})

test('a start that throws fails its call, and the next one runs', async () => {
  const { guard, call } = guardWorld()
  const { outcome } = guard.run(() => {
    throw new Error('a mistake of ours')
  })
  await expect(outcome).rejects.toThrow('a mistake of ours')
  expect(guard.state).toBe('closed')
  expect(call().seen.started).toBe(true)
})

test('each change is logged with what to do, and counted', async () => {
  const { lines, meter, clock, failing, working } = guardWorld({}, 'provider:files@12D3KooWabcdefgh')
  await failing(5)
  clock.advance(1_000)
  await failing(1)
  clock.advance(2_000)
  await working(1)
  const component = 'provider:files@12D3KooWabcdefgh'
  // A label holds no peer id.
  const label = 'provider:files@abcdefgh'
  expect(lines.map(([level, message]) => `${level}: ${message}`)).toEqual([
    'warn: calls are refused for a while, too many have failed: see why the last one did',
    'debug: one call is let through to see whether it works again',
    'warn: calls are refused for a while, too many have failed: see why the last one did',
    'debug: one call is let through to see whether it works again',
    'info: calls are let through again: one has worked'
  ])
  expect(lines[0]?.[2]).toMatchObject({ component, code: 'SKEIN_DEADLINE', error: 'as the test wants' })
  const counted = meter.snapshot().find(({ name }) => name === 'skein_guard_transitions_total')?.samples.map(({ labels, value }) => [...labels, value])
  expect(counted).toEqual(expect.arrayContaining([[label, 'open', 2], [label, 'half_open', 2], [label, 'closed', 1]]))
})
