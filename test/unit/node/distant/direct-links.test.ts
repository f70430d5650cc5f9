import { expect, test } from 'vitest'
import { silentLogger } from '../../../../src/base/logger.ts'
import { createMeter } from '../../../../src/base/meter.ts'
import { MAX_LINKS, createDirectLinks } from '../../../../src/node/distant/direct-links.ts'
import { createDirectLinkMetrics } from '../../../../src/node/distant/metrics.ts'
import { createManualClock } from '../../../support/manual-clock.ts'
import { flush } from '../../../support/mcp-calls.ts'

const ADDRESSES = ['/ip4/10.0.0.1/tcp/1']

function world() {
  const clock = createManualClock()
  const meter = createMeter()
  const dials: { peer: string; signal: AbortSignal; end(error?: Error): Promise<void> }[] = []
  const closed: string[] = []
  const sessions = new Map<string, { inFlight: number; inService: number }>()
  const members = new Set<string>()
  const links = createDirectLinks({
    clock, logger: silentLogger, metrics: createDirectLinkMetrics(meter),
    connect(peer, addresses, { signal }) {
      expect(addresses).toEqual(ADDRESSES)
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      signal.addEventListener('abort', () => reject(new Error('aborted')))
      dials.push({
        peer, signal,
        end(error) {
          if (error === undefined) sessions.set(peer, { inFlight: 0, inService: 0 })
          if (error === undefined) resolve()
          else reject(error)
          return flush()
        }
      })
      return promise
    },
    disconnect(peer) {
      closed.push(peer)
      return Promise.resolve()
    },
    session: (peer) => sessions.get(peer),
    isMember: (peer) => members.has(peer)
  })
  const call = (peer: string, times = 3) => {
    for (let n = 0; n < times; n++) links.called(peer, ADDRESSES)
  }
  const linked = () => meter.snapshot().find(({ name }) => name === 'skein_calls_direct_links')?.samples[0]?.value ?? 0
  return { clock, dials, closed, sessions, members, links, call, linked }
}

test('the third call within half a minute makes a connection, one without addresses none', () => {
  const w = world()
  w.call('P-a', 2)
  w.clock.advance(30_001)
  w.call('P-a', 2)
  expect(w.dials).toEqual([])
  w.call('P-a', 1)
  w.call('P-a', 5)
  expect(w.dials.map(({ peer }) => peer)).toEqual(['P-a'])
  expect([w.links.keeps('P-a'), w.links.keeps('P-b')]).toEqual([true, false])
  for (let n = 0; n < 3; n++) w.links.called('P-b', [])
  expect(w.dials).toHaveLength(1)
})

test('a connection over which calls run is kept when no pool has the peer any more, and closed like the others', () => {
  const w = world()
  w.sessions.set('P-a', { inFlight: 0, inService: 1 })
  w.sessions.set('P-b', { inFlight: 0, inService: 0 })
  expect(['P-a', 'P-b', 'P-c'].map((peer) => w.links.keeps(peer))).toEqual([true, false, false])
  expect(w.linked()).toBe(1)
  w.clock.advance(400_000)
  expect(w.closed).toEqual([])
  Object.assign(w.sessions.get('P-a') ?? {}, { inService: 0 })
  expect(w.links.keeps('P-a')).toBe(true)
  w.clock.advance(31_000)
  expect(w.closed).toEqual(['P-a'])
})

test('it is closed after five minutes without a call, unless something runs or a pool has the peer by now', async () => {
  const w = world()
  for (const peer of ['P-a', 'P-b', 'P-c']) {
    w.call(peer)
    await w.dials.at(-1)?.end()
  }
  expect(w.linked()).toBe(3)
  w.clock.advance(200_000)
  w.call('P-a', 1)
  Object.assign(w.sessions.get('P-b') ?? {}, { inFlight: 1 })
  w.members.add('P-c')
  w.clock.advance(200_000)
  expect(w.closed).toEqual([])
  expect(w.linked()).toBe(2)
  Object.assign(w.sessions.get('P-b') ?? {}, { inFlight: 0 })
  w.clock.advance(130_000)
  expect(w.closed.sort()).toEqual(['P-a', 'P-b'])
  expect(w.linked()).toBe(0)
  expect(w.clock.pending).toBe(0)
})

test('a dial that fails or takes too long is not tried again for five minutes', async () => {
  const w = world()
  w.call('P-a')
  await w.dials[0]?.end(new Error('refused'))
  w.call('P-a')
  expect(w.dials).toHaveLength(1)
  w.clock.advance(300_001)
  w.call('P-a')
  expect(w.dials).toHaveLength(2)
  w.clock.advance(5_000)
  await flush()
  expect(w.dials[1]?.signal.aborted).toBe(true)
  w.call('P-a')
  expect(w.dials).toHaveLength(2)
  expect(w.linked()).toBe(0)
})

test('a connection that was lost is made again when calls go on', async () => {
  const w = world()
  w.call('P-a')
  await w.dials[0]?.end()
  w.sessions.clear()
  w.clock.advance(30_000)
  expect(w.linked()).toBe(0)
  w.call('P-a')
  expect(w.dials).toHaveLength(2)
})

test('one is made at once where somebody waits for it, or what is there becomes one', async () => {
  const w = world()
  const signal = new AbortController().signal
  const made = w.links.connect('P-a', ADDRESSES, { signal })
  expect(w.links.keeps('P-a')).toBe(true)
  await w.dials[0]?.end()
  expect(await made).toBe(true)
  expect(await w.links.connect('P-a', ADDRESSES, { signal })).toBe(true)
  w.sessions.set('P-b', { inFlight: 0, inService: 0 })
  expect(w.links.keeps('P-b')).toBe(false)
  expect(await w.links.connect('P-b', [], { signal })).toBe(true)
  expect(w.dials).toHaveLength(1)
  expect(w.links.keeps('P-b')).toBe(true)
  expect(w.linked()).toBe(2)

  const failing = w.links.connect('P-c', ADDRESSES, { signal })
  await w.dials[1]?.end(new Error('refused'))
  const gives = new AbortController()
  const given = w.links.connect('P-d', ADDRESSES, { signal: gives.signal })
  gives.abort(new Error('too long'))
  expect([await failing, await given]).toEqual([false, false])
  expect(w.dials[2]?.signal.aborted).toBe(true)
  expect(await w.links.connect('P-e', [], { signal })).toBe(false)
  expect(await w.links.connect('P-e', ADDRESSES, { signal: gives.signal })).toBe(false)
  w.clock.advance(400_000)
  expect(w.closed.sort()).toEqual(['P-a', 'P-b'])
})

test('there are never more than so many, four dials at a time', async () => {
  const w = world()
  for (let n = 0; n < 5; n++) w.call(`P-${n}`)
  expect(w.dials).toHaveLength(4)
  for (let n = 0; n < 40; n++) {
    for (const dial of w.dials.slice()) await dial.end()
    w.call(`P-${n}`)
  }
  expect(w.dials).toHaveLength(MAX_LINKS)
  w.links.stop()
  w.sessions.clear()
  w.call('P-0')
  expect(w.dials).toHaveLength(MAX_LINKS)
})
