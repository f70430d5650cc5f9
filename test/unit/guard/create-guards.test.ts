import { expect, test } from 'vitest'
import { createGuards, MAX_GUARDS } from '../../../src/guard/create-guards.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { renderMetrics } from '../../../src/telemetry/render-metrics.ts'
import { parseExposition } from '../../support/exposition.ts'
import { BREAKER, testGuards } from '../../support/guards.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { callThrough, guardWorld } from './guarded-calls.ts'

const BREAKER_METRICS = ['circuit_breaker_calls_total', 'circuit_breaker_calls_success', 'circuit_breaker_calls_failed', 'circuit_breaker_failure_rate', 'circuit_breaker_latency_seconds', 'circuit_breaker_state']

test('a component has one guard, whoever asks', () => {
  const guards = testGuards(createManualClock())
  const guard = guards.guard('upstream:a', { maxConcurrent: 2 })
  expect(guards.guard('upstream:a')).toBe(guard)
  expect(guards.guard('upstream:a', { maxConcurrent: 2 })).toBe(guard)
  expect(guards.guard('upstream:b')).not.toBe(guard)
})

test('with other limits it is made anew; what runs or waits ends in the old one', async () => {
  const guards = testGuards(createManualClock())
  const old = guards.guard('upstream:a', { maxConcurrent: 1, maxWaiting: 1 })
  const [first, second] = [callThrough(old), callThrough(old)]
  const guard = guards.guard('upstream:a', { maxConcurrent: 4 })
  expect(guard).not.toBe(old)
  expect(callThrough(guard).seen.started).toBe(true)
  first.answer()
  await first.outcome
  second.answer()
  expect(await second.outcome).toBe('done')
})

test('the failures of one component are not those of another', async () => {
  const { guards, failing } = guardWorld({}, 'provider:files@one')
  await failing(5)
  expect(guards.guard('provider:files@one').state).toBe('open')
  expect(guards.guard('provider:files@two').state).toBe('closed')
  expect(guards.guard('upstream:files').state).toBe('closed')
})

test('the providers used last are kept, and servers of this node however many there are', () => {
  const guards = testGuards(createManualClock())
  const own = guards.guard('upstream:own', { maxConcurrent: 1 })
  const kept = guards.guard('provider:files@kept')
  const first = guards.guard('provider:files@0')
  for (let index = 1; index < 2 * MAX_GUARDS; index++) {
    guards.guard(`provider:files@${index}`)
    expect(guards.guard('provider:files@kept')).toBe(kept)
  }
  expect(guards.guard('upstream:own')).toBe(own)
  expect(guards.guard('provider:files@0')).not.toBe(first)
})

test('what is known of a member that is gone is forgotten, of all its servers and no others', async () => {
  const { guards } = guardWorld()
  const names = ['provider:a@gone', 'provider:b@gone', 'provider:a@stays']
  const before = names.map((name) => guards.guard(name))
  guards.dropPeer('gone')
  expect(names.map((name, index) => guards.guard(name) === before[index])).toEqual([false, false, true])
  guards.drop('provider:a@stays')
  expect(guards.guard('provider:a@stays')).not.toBe(before[2])
})

test('the metrics have the promised names, and what an alert rule asks for', async () => {
  const { guards, guard, meter, clock, failing, working, call } = guardWorld({ maxConcurrent: 8, maxWaiting: 1 })
  await working(3)
  const slow = call()
  clock.advance(700)
  slow.answer()
  await slow.outcome
  await failing(1)
  await failing(1, 'SKEIN_CANCELLED')
  guards.guard('provider:files@12D3Koo')
  const scraped = parseExposition(await renderMetrics(meter.snapshot()))
  for (const name of BREAKER_METRICS) expect(scraped.types.has(name), name).toBe(true)
  const component = 'upstream:files'
  expect(scraped.value('circuit_breaker_calls_total', { component })).toBe(6)
  expect(scraped.value('circuit_breaker_calls_success', { component })).toBe(4)
  expect(scraped.value('circuit_breaker_calls_failed', { component })).toBe(1)
  expect(scraped.value('circuit_breaker_failure_rate', { component })).toBe(0.2)
  expect(scraped.types.get('circuit_breaker_latency_seconds')).toBe('histogram')
  // The rules people write: histogram_quantile over le, and a bound of one second.
  expect(scraped.value('circuit_breaker_latency_seconds_bucket', { component, le: '0.5' })).toBe(4)
  expect(scraped.value('circuit_breaker_latency_seconds_bucket', { component, le: '1' })).toBe(5)
  expect(scraped.value('circuit_breaker_latency_seconds_bucket', { component, le: '+Inf' })).toBe(5)
  expect(scraped.value('circuit_breaker_latency_seconds_count', { component })).toBe(5)
  expect(scraped.value('circuit_breaker_latency_seconds_sum', { component })).toBeCloseTo(0.7)
  expect(scraped.value('skein_guard_running', { component })).toBe(0)
  const states = async () => {
    const now = parseExposition(await renderMetrics(meter.snapshot()))
    return ['closed', 'open', 'half_open'].map((state) => now.value('circuit_breaker_state', { component, state }))
  }
  expect(await states()).toEqual([1, 0, 0])
  await failing(4)
  expect(await states()).toEqual([0, 1, 0])
  clock.advance(1_000)
  const deciding = callThrough(guard)
  expect(await states()).toEqual([0, 0, 1])
  deciding.answer()
  await deciding.outcome
  expect(await states()).toEqual([1, 0, 0])
})

test('a component that is gone is in no state', () => {
  const { guards, meter } = guardWorld()
  guards.drop('upstream:files')
  const samples = meter.snapshot().find(({ name }) => name === 'circuit_breaker_state')?.samples
  expect(samples?.map(({ value }) => value)).toEqual([0, 0, 0])
})

test('however many components come, labels are bounded and a scrape works', async () => {
  const clock = createManualClock()
  const meter = createMeter()
  const guards = createGuards({ clock, meter, logger: silentLogger }, BREAKER)
  for (let index = 0; index < 3_000; index++) {
    const call = callThrough(guards.guard(`provider:s${index}@peer`))
    call.answer()
    await call.outcome
    if (index < 256) guards.guard(`upstream:s${index}`, { maxConcurrent: 1 })
  }
  const scraped = parseExposition(await renderMetrics(meter.snapshot()))
  const labels = new Set(scraped.samples.filter(({ name }) => name === 'circuit_breaker_calls_total').map(({ labels: { component } }) => component))
  expect(labels.size).toBe(302)
  expect(scraped.value('circuit_breaker_calls_total', { component: 'provider:other' })).toBe(2_800)
  expect(scraped.value('circuit_breaker_state', { component: 'upstream:other', state: 'closed' })).toBe(156)
})
