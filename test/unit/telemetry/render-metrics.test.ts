import { Counter, Registry } from 'prom-client'
import { describe, expect, test } from 'vitest'
import { createMeter } from '../../../src/base/meter.ts'
import { renderMetrics } from '../../../src/telemetry/render-metrics.ts'
import { parseExposition } from '../../support/exposition.ts'

describe('renderMetrics', () => {
  test('counters and gauges keep name, type, help, labels and value', async () => {
    const meter = createMeter()
    const calls = meter.counter('mcp_requests_total', 'Requests.', ['method', 'status'])
    calls.with('tools/call', 'ok').inc(3)
    calls.with('tools/list', 'error').inc()
    meter.gauge('skein_rpc_sessions', 'Sessions.').with().set(2)
    const parsed = parseExposition(await renderMetrics(meter.snapshot()))
    expect(parsed.types.get('mcp_requests_total')).toBe('counter')
    expect(parsed.help.get('mcp_requests_total')).toBe('Requests.')
    expect(parsed.value('mcp_requests_total', { method: 'tools/call', status: 'ok' })).toBe(3)
    expect(parsed.value('mcp_requests_total', { method: 'tools/list', status: 'error' })).toBe(1)
    expect(parsed.types.get('skein_rpc_sessions')).toBe('gauge')
    expect(parsed.value('skein_rpc_sessions')).toBe(2)
  })

  test('histogram buckets are cumulative and closed by +Inf', async () => {
    const meter = createMeter()
    const histogram = meter.histogram('mcp_request_duration_seconds', 'Time.', [0.1, 1], ['method']).with('ping')
    for (const seconds of [0.05, 0.1, 0.5, 7, 9]) histogram.observe(seconds)
    const parsed = parseExposition(await renderMetrics(meter.snapshot()))
    const bucket = (le: string) => parsed.value('mcp_request_duration_seconds_bucket', { le, method: 'ping' })
    expect(parsed.types.get('mcp_request_duration_seconds')).toBe('histogram')
    expect([bucket('0.1'), bucket('1'), bucket('+Inf')]).toEqual([2, 3, 5])
    expect(parsed.value('mcp_request_duration_seconds_count', { method: 'ping' })).toBe(5)
    expect(parsed.value('mcp_request_duration_seconds_sum', { method: 'ping' })).toBeCloseTo(16.65)
  })

  test('label values are escaped', async () => {
    const meter = createMeter()
    const value = 'a "quoted"\nback\\slash'
    meter.counter('skein_x_total', 'X.', ['what']).with(value).inc()
    expect(parseExposition(await renderMetrics(meter.snapshot())).value('skein_x_total', { what: value })).toBe(1)
  })

  test('a family without samples still says that it exists', async () => {
    const meter = createMeter()
    meter.counter('skein_quiet_total', 'Quiet.', ['why'])
    expect(parseExposition(await renderMetrics(meter.snapshot())).types.get('skein_quiet_total')).toBe('counter')
  })

  test('other registries are merged; a name that clashes is ours and costs nothing else', async () => {
    const meter = createMeter()
    meter.counter('clash_total', 'Ours.').with().inc(7)
    const other = new Registry()
    new Counter({ name: 'clash_total', help: 'Theirs.', registers: [other] }).inc(1)
    new Counter({ name: 'libp2p_things_total', help: 'Things.', registers: [other] }).inc(4)
    const parsed = parseExposition(await renderMetrics(meter.snapshot(), [other]))
    expect(parsed.value('clash_total')).toBe(7)
    expect(parsed.samples.filter((sample) => sample.name === 'clash_total')).toHaveLength(1)
    expect(parsed.value('libp2p_things_total')).toBe(4)
  })
})
