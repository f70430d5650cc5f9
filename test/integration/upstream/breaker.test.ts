import { afterEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { systemRandom } from '../../../src/base/random.ts'
import { createUpstreamConnector } from '../../../src/mcp-io/connect.ts'
import { createUpstreamHost, type UpstreamHost } from '../../../src/mcp/upstream/host.ts'
import type { ServerSpec } from '../../../src/mcp/upstream/spec.ts'
import { testGuards } from '../../support/guards.ts'
import { codeOf, recordingSink, serverSpec, toolCall } from '../../support/mcp-calls.ts'
import { waitUntil } from '../../support/wait-until.ts'

const MOODY = new URL('../../fixtures/moody-server.ts', import.meta.url).pathname
const COMPONENT = 'upstream:one'
const hosts: UpstreamHost[] = []
afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.stop({ grace: 300 })))
})

/** A real process, and our calls to its tools: how each ended, and after how many ms. */
async function attached(policy: Partial<ServerSpec> = {}) {
  const connector = createUpstreamConnector({ clock: systemClock, logger: silentLogger })
  const meter = createMeter()
  const guards = testGuards(systemClock, meter)
  const host = createUpstreamHost({ clock: systemClock, random: systemRandom, meter, logger: silentLogger, guards, connect: connector.connect }, { version: '0.1.0' })
  hosts.push(host)
  await host.apply({ one: serverSpec({ kind: 'stdio', command: process.execPath, args: [MOODY], env: {} }, policy) }, { wait: 20_000 })
  const call = async (tool: string, timeout = 10_000) => {
    const began = performance.now()
    const code = await codeOf(host.run(toolCall('one', tool, { timeout }), recordingSink()).outcome)
    return { code, ms: performance.now() - began }
  }
  const metric = (name: string, ...labels: string[]) =>
    meter.snapshot().find((family) => family.name === name)?.samples.find((sample) => [COMPONENT, ...labels].every((label) => sample.labels.includes(label)))?.value ?? 0
  const status = () => host.list()[0]
  return { host, call, metric, status, state: () => guards.guard(COMPONENT).state }
}

describe('a real server', () => {
  test('that dies call after call is left alone for a while, and used again when it has recovered', async () => {
    const { call, metric, status, state } = await attached()
    for (let death = 1; death <= 5; death++) {
      expect(await call('die')).toMatchObject({ code: 'SKEIN_OUTCOME_UNKNOWN' })
    }
    // Nothing waits for its restart.
    const refused = await Promise.all(Array.from({ length: 10 }, () => call('ok')))
    expect(refused.map(({ code }) => code)).toEqual(Array(10).fill('SKEIN_BREAKER_OPEN'))
    expect(Math.max(...refused.map(({ ms }) => ms))).toBeLessThan(100)
    expect(metric('circuit_breaker_state', 'open')).toBe(1)
    expect(metric('circuit_breaker_calls_failed')).toBe(5)
    await waitUntil('the server is there again', () => status()?.state === 'ready')
    expect(await call('ok')).toMatchObject({ code: 'resolved' })
    expect(state()).toBe('closed')
    expect(await Promise.all(Array.from({ length: 10 }, () => call('ok')))).toEqual(Array(10).fill(expect.objectContaining({ code: 'resolved' })))
    expect(metric('circuit_breaker_calls_success')).toBe(11)
  })

  test('that answers nothing is found out by five calls at once, and healed by the next that it answers', async () => {
    const { call, metric, state, status } = await attached({ timeout: 400 })
    const hanging = await Promise.all(Array.from({ length: 5 }, () => call('hang')))
    expect(hanging.map(({ code }) => code)).toEqual(Array(5).fill('SKEIN_DEADLINE'))
    const refused = await call('ok')
    expect(refused.code).toBe('SKEIN_BREAKER_OPEN')
    expect(refused.ms).toBeLessThan(100)
    await waitUntil('a call may try', () => state() === 'half-open')
    expect((await Promise.all(Array.from({ length: 20 }, () => call('hang')))).map(({ code }) => code).sort()).toEqual([...Array(19).fill('SKEIN_BREAKER_OPEN'), 'SKEIN_DEADLINE'])
    await waitUntil('a call may try again', () => state() === 'half-open')
    expect(await call('ok')).toMatchObject({ code: 'resolved' })
    expect(state()).toBe('closed')
    expect(metric('skein_guard_refused_total', 'open')).toBe(20)
    // It answered pings all the time: that was nobody's business but the breaker's.
    expect(status()?.restarts).toBe(0)
  })

  test('whose tools fail is in order', async () => {
    const { call, metric, state } = await attached()
    for (let index = 0; index < 30; index++) expect(await call('error')).toMatchObject({ code: 'resolved' })
    expect(state()).toBe('closed')
    expect(metric('circuit_breaker_calls_success')).toBe(30)
  })

  test('that runs two calls at a time is given two, the others wait for as long as they can', async () => {
    const { host, call } = await attached({ maxConcurrent: 2, maxWaiting: 3, timeout: 1_000 })
    const calls = [call('hang'), call('hang'), call('ok', 300), call('ok', 300), call('ok'), call('ok')]
    expect(host.load('one')).toEqual({ running: 2, waiting: 3 })
    expect(await calls[5]).toMatchObject({ code: 'SKEIN_BUSY' })
    // These cannot wait for so long.
    expect((await Promise.all(calls.slice(2, 4))).map(({ code }) => code)).toEqual(['SKEIN_BUSY', 'SKEIN_BUSY'])
    expect(host.load('one')).toEqual({ running: 2, waiting: 1 })
    expect((await Promise.all(calls.slice(0, 2))).map(({ code }) => code)).toEqual(['SKEIN_DEADLINE', 'SKEIN_DEADLINE'])
    expect(await call('ok')).toMatchObject({ code: 'resolved' })
  })
})
