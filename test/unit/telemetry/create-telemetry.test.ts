import { describe, expect, test } from 'vitest'
import { createTelemetry } from '../../../src/telemetry/create-telemetry.ts'
import { parseExposition } from '../../support/exposition.ts'

function lines() {
  const written: string[] = []
  return { destination: { write: (line: string) => void written.push(line) }, written, parsed: () => written.map((line) => JSON.parse(line) as Record<string, unknown>) }
}

describe('createTelemetry', () => {
  test('a scrape holds our metrics, the process and the event loop, each once', async () => {
    const telemetry = await createTelemetry({ destination: lines().destination })
    try {
      telemetry.meter.counter('skein_test_total', 'Test.').with().inc()
      const parsed = parseExposition(await telemetry.metricsText())
      expect(parsed.value('skein_test_total')).toBe(1)
      expect(parsed.value('process_resident_memory_bytes')).toBeGreaterThan(1e6)
      for (const quantile of ['p50', 'p99', 'max']) expect(parsed.value('skein_event_loop_lag_seconds', { quantile })).toBeGreaterThanOrEqual(0)
      expect(parsed.samples.filter((sample) => sample.name.startsWith('nodejs_eventloop_lag'))).toEqual([])
      expect(telemetry.contentType).toContain('version=0.0.4')
    } finally {
      telemetry.stop()
    }
  })

  test('two in one process do not disturb each other', async () => {
    const one = await createTelemetry({ destination: lines().destination, processMetrics: false })
    const two = await createTelemetry({ destination: lines().destination, processMetrics: false })
    one.meter.counter('skein_test_total', 'Test.').with().inc(5)
    two.meter.counter('skein_test_total', 'Test.').with().inc(6)
    expect(parseExposition(await one.metricsText()).value('skein_test_total')).toBe(5)
    expect(parseExposition(await two.metricsText()).value('skein_test_total')).toBe(6)
  })

  test('log lines are JSON with level, time, message and fields, children included', async () => {
    const log = lines()
    const { logger } = await createTelemetry({ destination: log.destination, processMetrics: false })
    logger.child({ area: 'rpc' }).child({ correlation: 'c1' }).warn('a frame was refused', { bytes: 3 })
    const [line] = log.parsed()
    expect(line).toMatchObject({ level: 'warn', msg: 'a frame was refused', area: 'rpc', correlation: 'c1', bytes: 3 })
    expect(Number.isNaN(Date.parse(line?.time as string))).toBe(false)
  })

  test('the level holds, and changes live in children that exist already', async () => {
    const log = lines()
    const { logger, setLogLevel } = await createTelemetry({ destination: log.destination, processMetrics: false, level: 'warn' })
    const child = logger.child({ area: 'x' })
    child.info('quiet')
    setLogLevel('debug')
    child.debug('loud')
    setLogLevel('error')
    logger.warn('quiet again')
    expect(log.parsed().map((line) => line.msg)).toEqual(['loud'])
  })

  test('secrets never reach the log', async () => {
    const log = lines()
    const { logger } = await createTelemetry({ destination: log.destination, processMetrics: false })
    logger.info('attach', {
      token: 's3cret',
      authorization: 's3cret',
      env: { API_KEY: 's3cret' },
      server: { env: { KEY: 's3cret' }, headers: { 'x-key': 's3cret' }, token: 's3cret' },
      request: { headers: { authorization: 's3cret' } }
    })
    logger.child({ token: 's3cret' }).info('child')
    expect(log.written).toHaveLength(2)
    expect(log.written.join('')).not.toContain('s3cret')
    expect(log.written.join('')).toContain('[redacted]')
  })

  test('pretty lines are for people', async () => {
    const log: string[] = []
    const { Writable } = await import('node:stream')
    const destination = new Writable({
      write(chunk, _encoding, done) {
        log.push(String(chunk))
        done()
      }
    })
    const { logger } = await createTelemetry({ destination, format: 'pretty', processMetrics: false })
    const written = new Promise((resolve) => destination.once('drain', resolve).once('finish', resolve))
    logger.info('hello there', { peers: 2 })
    await Promise.race([written, new Promise((resolve) => setImmediate(() => setImmediate(resolve)))])
    expect(log.join('')).toMatch(/INFO.*hello there/)
  })
})
