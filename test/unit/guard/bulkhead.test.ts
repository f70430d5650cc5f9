import { describe, expect, test } from 'vitest'
import { callThrough, guardWorld } from './guarded-calls.ts'
import { flush } from '../../support/mcp-calls.ts'

const world = (maxConcurrent: number, maxWaiting?: number) => guardWorld({ maxConcurrent, ...(maxWaiting === undefined ? {} : { maxWaiting }) })
type Call = ReturnType<typeof callThrough>
const started = (calls: Call[]) => calls.map(({ seen }) => seen.started)

test('as many run as there are places, as many wait as there are seats, and the rest is refused at once', async () => {
  const { guard, call } = world(2, 3)
  const calls = Array.from({ length: 7 }, () => call())
  expect(started(calls)).toEqual([true, true, false, false, false, false, false])
  expect([guard.running, guard.waiting]).toEqual([2, 3])
  expect(await Promise.all(calls.slice(5).map(({ code }) => code))).toEqual(['SKEIN_BUSY', 'SKEIN_BUSY'])
  for (const one of calls) one.answer()
  expect(await Promise.all(calls.slice(0, 5).map(({ outcome }) => outcome))).toEqual(Array(5).fill('done'))
  expect([guard.running, guard.waiting]).toEqual([0, 0])
})

test('without seats nobody waits', async () => {
  const { guard, call } = world(1)
  call()
  expect(await call().code).toBe('SKEIN_BUSY')
  expect(guard.waiting).toBe(0)
})

test('without a bulkhead there is no bound', () => {
  const { guard, call } = guardWorld()
  const calls = Array.from({ length: 1_000 }, () => call())
  expect(started(calls).every(Boolean)).toBe(true)
  expect([guard.running, guard.waiting]).toEqual([0, 0])
})

test('first come, first served: newcomers do not overtake, whenever they come', async () => {
  const { guard } = world(1, 100)
  const order: number[] = []
  let next = 0
  const enter = () => {
    const index = next++
    return guard.run(() => {
      order.push(index)
      return { outcome: Promise.resolve(), cancel() {} }
    }).outcome
  }
  const ends: Promise<void>[] = []
  for (let round = 0; round < 20; round++) {
    ends.push(enter(), enter())
    // Some turn of the microtasks, to hit the moment in which a place changes hands.
    for (let turn = 0; turn < round % 7; turn++) await Promise.resolve()
  }
  await Promise.all(ends)
  expect(order).toEqual(Array.from({ length: 40 }, (_, index) => index))
})

describe('a call that waits', () => {
  test('and is cancelled leaves the line at once: its seat is free, and those behind move up', async () => {
    const { guard, call } = world(1, 2)
    const [first, second, third] = [call(), call(), call()]
    second.cancel('changed my mind')
    expect(guard.waiting).toBe(1)
    expect(await second.code).toBe('SKEIN_CANCELLED')
    const fourth = call()
    expect(guard.waiting).toBe(2)
    first.answer()
    await flush()
    expect(started([second, third, fourth])).toEqual([false, true, false])
    second.cancel('again')
    third.answer()
    await flush()
    expect(started([second, fourth])).toEqual([false, true])
    fourth.answer()
    await fourth.outcome
  })

  test('when all that wait are cancelled, the next call finds its place', async () => {
    const { call } = world(1, 5)
    const first = call()
    for (const one of [call(), call()]) one.cancel('gone')
    first.answer()
    await flush()
    expect(call().seen.started).toBe(true)
  })

  test('and gets its turn can be cancelled as any other', async () => {
    const { call } = world(1, 1)
    const [first, second] = [call(), call()]
    first.answer()
    await flush()
    second.cancel('no more')
    expect(second.seen.cancelled).toEqual(['no more'])
    expect(await second.code).toBe('SKEIN_CANCELLED')
  })

  test('has its time limit: then it was provably not run', async () => {
    const { clock, guard, call } = world(1, 2)
    const first = call()
    const second = call({ within: 500 })
    clock.advance(499)
    expect(guard.waiting).toBe(1)
    clock.advance(1)
    expect(await second.code).toBe('SKEIN_BUSY')
    expect(guard.waiting).toBe(0)
    first.answer()
    await flush()
    expect(second.seen.started).toBe(false)
    expect(clock.pending).toBe(0)
  })

  test('that is started has no time limit of ours any more', async () => {
    const { clock, call } = world(1, 1)
    const [first, second] = [call(), call({ within: 500 })]
    first.answer()
    await flush()
    clock.advance(10_000)
    second.answer('late')
    expect(await second.outcome).toBe('late')
  })

  test('is sent away when the breaker opens', async () => {
    const { guard, call } = world(5, 10)
    const running = Array.from({ length: 5 }, () => call())
    const waiting = Array.from({ length: 3 }, () => call())
    for (const one of running) one.fail()
    // Each failure made room for one that waits; they run or are sent away, and none is left behind.
    await flush()
    expect(guard.state).toBe('open')
    for (const one of waiting) if (one.seen.started) one.fail()
    await flush()
    for (const one of waiting) expect(await one.code).toMatch(/^SKEIN_(BREAKER_OPEN|DEADLINE)$/)
    expect([guard.running, guard.waiting]).toEqual([0, 0])
  })
})

test('places do not leak, however calls end', async () => {
  const { guard, call } = world(3, 50)
  for (let round = 0; round < 20; round++) {
    const calls = Array.from({ length: 12 }, () => call())
    for (const [index, one] of calls.entries()) {
      if (index % 3 === 0) one.cancel('x')
      else if (index % 3 === 1) one.answer()
      else one.fail('SKEIN_NOT_FOUND')
    }
    await Promise.all(calls.map(({ code }) => code))
  }
  await flush()
  expect([guard.running, guard.waiting]).toEqual([0, 0])
})
