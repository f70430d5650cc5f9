import { describe, expect, test } from 'vitest'
import { silentLogger, type Logger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { ANNOUNCE_WITHIN, createDrain, WELCOME_WITHIN } from '../../../src/node/drain.ts'
import { createDrainMetrics } from '../../../src/node/metrics.ts'
import { createManualClock } from '../../support/manual-clock.ts'

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

function setup({ running = 0, within = 30_000 } = {}) {
  const clock = createManualClock()
  const meter = createMeter()
  const did: string[] = []
  const lines: string[] = []
  const logger: Logger = { ...silentLogger, info: (line) => void lines.push(line), warn: (line) => void lines.push(line), child: () => logger }
  const world = { running, welcoming: true, announce: async (_within: number) => ({ told: 3, missed: 0 }) }
  let waiting: (() => void)[] = []
  const drain = createDrain(
    {
      clock, logger, metrics: createDrainMetrics(meter),
      parts: {
        mark: (draining) => void did.push(`mark ${draining}`),
        announce(limit) {
          did.push(`announce ${limit}`)
          return world.announce(limit)
        },
        refuse: () => void did.push('refuse'),
        accept: () => void did.push('accept'),
        welcoming: () => world.welcoming,
        running: () => world.running,
        idle: () => (world.running === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve)))
      }
    },
    { within }
  )
  const finishCalls = async () => {
    world.running = 0
    for (const resolve of waiting.splice(0)) resolve()
    waiting = []
    await settle()
  }
  const observed = () => meter.snapshot().find(({ name }) => name === 'skein_drain_seconds')?.samples[0]?.histogram
  return { clock, did, lines, world, drain, finishCalls, observed }
}

/** What became of a promise so far. */
function follow<T>(promise: Promise<T>): { value?: T; error?: { code?: string } } {
  const seen: { value?: T; error?: { code?: string } } = {}
  promise.then((value) => (seen.value = value), (error: { code?: string }) => (seen.error = error))
  return seen
}

describe('draining', () => {
  test('the members are told before anything is refused, and it is over when nothing runs', async () => {
    const { drain, did, clock, finishCalls, observed, world } = setup({ running: 2 })
    const { promise, resolve: told } = Promise.withResolvers<{ told: number; missed: number }>()
    world.announce = () => promise
    const ended = follow(drain.drain())
    expect(drain.status()).toEqual({ state: 'draining', running: 2, since: clock.wall() })
    await settle()
    expect(did).toEqual(['mark true', `announce ${ANNOUNCE_WITHIN}`])
    told({ told: 3, missed: 1 })
    await settle()
    expect(did.at(-1)).toBe('refuse')
    expect(ended).toEqual({})
    clock.advance(1_500)
    await finishCalls()
    expect(ended.value).toEqual({ state: 'drained', running: 0, since: clock.wall() - 1_500 })
    expect(observed()?.sum).toBe(1.5)
  })

  test('time for running calls begins with the first refusal; when it is over, what still runs is said', async () => {
    const { drain, clock, lines, world } = setup({ running: 2, within: 1_000 })
    const { promise, resolve: told } = Promise.withResolvers<{ told: number; missed: number }>()
    world.announce = () => promise
    const ended = follow(drain.drain())
    clock.advance(ANNOUNCE_WITHIN)
    told({ told: 0, missed: 3 })
    await settle()
    clock.advance(999)
    await settle()
    expect(ended).toEqual({})
    clock.advance(1)
    await settle()
    expect(ended.value).toMatchObject({ state: 'drained', running: 2 })
    expect(lines).toContain('calls still run although the time of the drain is over')
  })

  test('asked again it does nothing twice, but waits again', async () => {
    const { drain, did, clock, finishCalls, observed } = setup({ running: 1 })
    const first = follow(drain.drain({ within: 100 }))
    await settle()
    const second = follow(drain.drain({ within: 5_000 }))
    await settle()
    clock.advance(100)
    await settle()
    expect(first.value).toMatchObject({ state: 'drained', running: 1 })
    expect(second).toEqual({})
    await finishCalls()
    expect(second.value).toMatchObject({ state: 'drained', running: 0 })
    expect(did.filter((one) => one === 'refuse')).toHaveLength(1)
    expect(observed()?.counts.reduce((sum, count) => sum + count, 0)).toBe(1)
  })

  test('asked again when its time is over it is draining again', async () => {
    const { drain, clock, finishCalls, observed } = setup({ running: 1 })
    const first = follow(drain.drain({ within: 100 }))
    await settle()
    clock.advance(100)
    await settle()
    expect(first.value).toMatchObject({ state: 'drained', running: 1 })
    const second = follow(drain.drain({ within: 100 }))
    expect(drain.status()).toMatchObject({ state: 'draining', running: 1 })
    await settle()
    await finishCalls()
    expect(second.value).toMatchObject({ state: 'drained', running: 0 })
    expect(observed()?.sum).toBe(0.1)
  })

  test('members that cannot be told do not hold it up', async () => {
    const { drain, did, world, lines } = setup()
    world.announce = () => Promise.reject(new Error('no network'))
    expect(await drain.drain()).toMatchObject({ state: 'drained', running: 0 })
    expect(did.at(-1)).toBe('refuse')
    expect(lines).toContain('the members could not be told')
  })

  test('no timer stays behind', async () => {
    const { drain, clock } = setup()
    await drain.drain()
    expect(clock.pending).toBe(0)
  })
})

describe('undoing a drain', () => {
  test('the way in is open before the members are told', async () => {
    const { drain, did, world, clock } = setup()
    await drain.drain()
    did.length = 0
    world.welcoming = false
    const undone = follow(drain.undrain())
    await settle()
    expect(drain.status()).toEqual({ state: 'serving', running: 0 })
    expect(did).toEqual(['accept'])
    world.welcoming = true
    clock.advance(10)
    await settle()
    expect(did).toEqual(['accept', 'mark false', `announce ${ANNOUNCE_WITHIN}`])
    expect(undone.value).toEqual({ state: 'serving', running: 0 })
  })

  test('a member that cannot be reached does not hold it up for long', async () => {
    const { drain, did, world, clock } = setup()
    await drain.drain()
    world.welcoming = false
    const undone = follow(drain.undrain())
    for (let ms = 0; ms < WELCOME_WITHIN; ms += 10) {
      await settle()
      clock.advance(10)
    }
    await settle()
    expect(did.slice(-2)).toEqual(['mark false', `announce ${ANNOUNCE_WITHIN}`])
    expect(undone.value).toMatchObject({ state: 'serving' })
  })

  test('whoever waits for the drain hears of it, and the calls that run may end whenever they do', async () => {
    const { drain, finishCalls } = setup({ running: 1 })
    const waiting = follow(drain.drain())
    await settle()
    await drain.undrain()
    await settle()
    expect(waiting.error).toMatchObject({ code: 'SKEIN_CANCELLED' })
    await finishCalls()
    expect(drain.status()).toEqual({ state: 'serving', running: 0 })
  })

  test('while the members are told: nothing is refused after it', async () => {
    const { drain, did, world } = setup()
    const answers: ((how: { told: number; missed: number }) => void)[] = []
    world.announce = () => new Promise((resolve) => void answers.push(resolve))
    const waiting = follow(drain.drain())
    const undone = follow(drain.undrain())
    expect(answers).toHaveLength(2)
    for (const answer of answers) answer({ told: 1, missed: 0 })
    await settle()
    expect(waiting.error).toMatchObject({ code: 'SKEIN_CANCELLED' })
    expect(undone.value).toMatchObject({ state: 'serving' })
    expect(did).not.toContain('refuse')
  })

  test('a drain that begins meanwhile has the last word', async () => {
    const { drain, did, world, clock } = setup()
    await drain.drain()
    world.welcoming = false
    const undone = follow(drain.undrain())
    await settle()
    did.length = 0
    const again = follow(drain.drain())
    await settle()
    clock.advance(20)
    await settle()
    expect(again.value).toMatchObject({ state: 'drained' })
    expect(undone.value).toMatchObject({ state: 'drained' })
    expect(did).toEqual(['mark true', `announce ${ANNOUNCE_WITHIN}`, 'refuse'])
  })

  test('a node that serves has nothing to undo; one that stops does not come back', async () => {
    const { drain, did } = setup()
    expect(await drain.undrain()).toEqual({ state: 'serving', running: 0 })
    expect(did).toEqual([])
    await drain.drain({ final: true })
    await expect(drain.undrain()).rejects.toMatchObject({ code: 'SKEIN_BAD_REQUEST' })
    expect(drain.status().state).toBe('drained')
  })
})
