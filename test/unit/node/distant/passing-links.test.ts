import { expect, test } from 'vitest'
import { silentLogger } from '../../../../src/base/logger.ts'
import { createMeter } from '../../../../src/base/meter.ts'
import { createPassingMetrics } from '../../../../src/node/distant/metrics.ts'
import { createPassingLinks, MAX_PASSING, MAX_PER_MINUTE } from '../../../../src/node/distant/passing-links.ts'
import { createManualClock } from '../../../support/manual-clock.ts'
import { flush } from '../../../support/mcp-calls.ts'

const ADDRESSES = ['/ip4/10.0.0.1/tcp/1']

function world() {
  const clock = createManualClock()
  const meter = createMeter()
  const dialled: string[] = []
  const closed: string[] = []
  const needed = new Set<string>()
  /** Ends the dials; undefined: at once. */
  const hold: { until?: Promise<void> } = {}
  const links = createPassingLinks({
    clock, logger: silentLogger, metrics: createPassingMetrics(meter),
    async connect(peer, _addresses, { signal }) {
      dialled.push(peer)
      const aborted = Promise.withResolvers<void>()
      signal.addEventListener('abort', () => aborted.reject(signal.reason as Error))
      await Promise.race([hold.until, aborted.promise])
    },
    async disconnect(peer) {
      closed.push(peer)
    },
    isNeeded: (peer) => needed.has(peer)
  })
  const meet = (peer: string, addresses = ADDRESSES) => links.meet(peer, addresses, { signal: new AbortController().signal }).then(() => 'ok', (error: Error) => error.message)
  const dials = (result: string) => meter.snapshot().find(({ name }) => name === 'skein_calls_dht_dials_total')?.samples.find(({ labels }) => labels[0] === result)?.value ?? 0
  return { clock, dialled, closed, needed, hold, links, meet, dials }
}

test('a connection is closed after ten seconds, unless somebody uses it by then', async () => {
  const w = world()
  expect(await w.meet('P-a')).toBe('ok')
  w.clock.advance(5_000)
  expect(await w.meet('P-b')).toBe('ok')
  w.needed.add('P-b')
  w.clock.advance(5_000)
  expect(w.closed).toEqual(['P-a'])
  w.clock.advance(5_000)
  expect(w.closed).toEqual(['P-a'])
  expect(w.clock.pending).toBe(0)
})

test('the oldest gives way when there are too many, but not to the same lookup', async () => {
  const w = world()
  for (let n = 0; n < MAX_PASSING; n++) expect(await w.meet(`P-${n}`)).toBe('ok')
  expect(await w.meet('P-x')).toContain('this node dials enough others for the DHT')
  w.clock.advance(2_000)
  expect(await w.meet('P-y')).toBe('ok')
  expect(w.closed).toEqual(['P-0'])
  expect(w.dials('refused')).toBe(1)
})

test('answers that name ever new nodes make no more than 60 dials a minute, six at a time', async () => {
  const w = world()
  const held = Promise.withResolvers<void>()
  w.hold.until = held.promise
  for (let n = 0; n < 20; n++) void w.meet(`P-${n}`)
  await flush()
  expect(w.dialled).toHaveLength(6)
  held.resolve()
  await flush()
  delete w.hold.until
  for (let n = 0; n < 200; n++) {
    w.clock.advance(200)
    await w.meet(`Q-${n}`)
  }
  expect(w.dialled).toHaveLength(MAX_PER_MINUTE)
  w.clock.advance(60_000)
  expect(await w.meet('P-last')).toBe('ok')
})

test('a lookup that ends does not end the dial: others may be waiting for the same connection', async () => {
  const w = world()
  const held = Promise.withResolvers<void>()
  w.hold.until = held.promise
  const over = new AbortController()
  const given = w.links.meet('P-a', ADDRESSES, { signal: over.signal }).then(() => 'ok', (error: Error) => error.message)
  const other = w.meet('P-a')
  over.abort(new Error('the lookup is over'))
  expect(await given).toBe('the lookup is over')
  held.resolve()
  expect(await other).toBe('ok')
  w.clock.advance(10_000)
  expect(w.closed).toEqual(['P-a'])
})

test('who asks for the same one waits for the same dial; one that takes too long fails', async () => {
  const w = world()
  w.hold.until = new Promise(() => {})
  const both = [w.meet('P-a'), w.meet('P-a')]
  await flush()
  expect(w.dialled).toEqual(['P-a'])
  w.clock.advance(2_000)
  expect(await Promise.all(both)).toEqual(['the dial took too long', 'the dial took too long'])
  expect(await w.meet('P-b', [])).toContain('nobody says where it listens')
  expect([w.dials('failed'), w.dials('refused')]).toEqual([1, 1])
  const last = w.meet('P-c')
  w.links.stop()
  expect(await last).toBe('the node stops')
  expect(await w.meet('P-d')).toContain('is not asked')
})
