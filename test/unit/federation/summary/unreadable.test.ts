import { expect, test } from 'vitest'
import { silentLogger, type Logger } from '../../../../src/base/logger.ts'
import { createMeter } from '../../../../src/base/meter.ts'
import { seededRandom } from '../../../../src/base/random.ts'
import { createSummary } from '../../../../src/federation/summary/driver.ts'
import { METHOD } from '../../../../src/wire/protocols.ts'
import { decodeSyncRequest, encodeChanged, encodeSyncAnswer, type SyncAnswer } from '../../../../src/wire/summary.ts'
import { BUCKETS } from '../../../../src/wire/summary-row.ts'
import { signer } from '../../../support/catalog-fixtures.ts'
import { createManualClock } from '../../../support/manual-clock.ts'
import { flush } from '../../../support/mcp-calls.ts'
import { rowOf } from '../../../support/summary-vectors.ts'

const [hub, liar, successor] = [signer(1).peer, signer(2).peer, signer(3).peer]
const one = rowOf({ name: 'x', claimed: 1, providers: 1, hops: 1, tools: [] })
const buckets = Array.from({ length: BUCKETS }, () => 1)

/** What the liar says to a comparison, and to the question for rows. */
type Lie = [SyncAnswer, SyncAnswer] | 'junk'
const LIES: [string, Lie][] = [
  ['whose hash never fits', [{ state: 'buckets', hash: 5, buckets }, { state: 'rows', hash: 5, rows: [one] }]],
  ['that has no end', [{ state: 'buckets', hash: 5, buckets }, { state: 'rows', hash: 5, rows: [one], next: 'x' }]],
  ['that has no rows', [{ state: 'buckets', hash: 5, buckets }, { state: 'later', hash: 5 }]],
  ['that nobody understands', 'junk']
]

/** A hub of the top with a child hub that lies; beside it, when `up`, the liar is the hub above. */
function setup(lie: Lie, up = false) {
  const clock = createManualClock()
  const warned: unknown[] = []
  const logger: Logger = { ...silentLogger, warn: (_message: string, fields: unknown) => void warned.push(fields), child: () => logger }
  let honest = false
  const asked: { peer: string; at: number }[] = []
  const summary = createSummary(
    {
      clock, random: seededRandom(1), meter: createMeter(), logger, records: () => [], rtt: () => 1,
      call(peer, method, body) {
        if (method !== METHOD.SUMMARY_SYNC) return Promise.reject(new Error('nobody'))
        const request = decodeSyncRequest(body)
        if (request.want === undefined) asked.push({ peer, at: clock.now() })
        if (peer !== liar || honest) {
          const full = Array.from({ length: BUCKETS }, (_, bucket) => (bucket === one.body.bucket ? one.hash : 0))
          return Promise.resolve(encodeSyncAnswer(request.want !== undefined ? { state: 'rows', hash: one.hash, rows: [one] } : request.hash === one.hash ? { state: 'same', hash: one.hash } : { state: 'buckets', hash: one.hash, buckets: full }))
        }
        return Promise.resolve(lie === 'junk' ? new Uint8Array([0xff]) : encodeSyncAnswer(request.want === undefined ? lie[0] : lie[1]))
      }
    },
    { self: 'self', maxTools: 10 }
  )
  const leads = (peer: string, token: number) =>
    summary.setEdges(up ? { up: { peer, token, pool: 'p' }, hubOf: [] } : { up: undefined, hubOf: [{ pool: 'root', token: 1, children: [{ peer, hub: { pool: 'p', token } }] }] })
  async function run(seconds: number) {
    for (let step = 0; step < seconds * 4; step++) {
      // Each page is a question more.
      for (let turn = 0; turn < (step % 8 === 0 ? 250 : 4); turn++) await flush()
      clock.advance(250)
    }
  }
  const partial = async () => (await summary.search('x', { limit: 5, signal: new AbortController().signal, timeout: 1_000 })).partial
  summary.start()
  leads(liar, 1)
  return { clock, summary, leads, run, partial, warned, asked, tellTruth: () => void (honest = true) }
}

test.each(LIES)('a table %s is asked for every minute, and searches are whole without it', async (_, lie) => {
  const { run, partial, warned, asked, summary, tellTruth } = setup(lie)
  await run(2)
  expect(await partial()).toBe(true)
  await run(60)
  expect(await partial()).toBe(false)
  const before = asked.length
  // Whatever it tells meanwhile.
  for (let minute = 0; minute < 5; minute++) {
    await summary.answer(METHOD.SUMMARY_CHANGED, encodeChanged({ direction: 'up', pool: 'p', token: 1, before: 7, after: 8, rows: [], removed: [], numbers: [] }), liar)
    await run(60)
  }
  expect(asked.length - before).toBeGreaterThanOrEqual(4)
  expect(asked.length - before).toBeLessThanOrEqual(7 * 3)
  expect(warned).toEqual([{ peer: liar, pool: 'p' }])
  tellTruth()
  await run(80)
  const sound = asked.length
  expect(await partial()).toBe(false)
  await summary.answer(METHOD.SUMMARY_CHANGED, encodeChanged({ direction: 'up', pool: 'p', token: 1, before: 7, after: 8, rows: [], removed: [], numbers: [] }), liar)
  await run(1)
  expect(asked.length).toBe(sound + 1)
  summary.stop()
})

test('another hub of that pool is asked at once', async () => {
  const { run, partial, leads, asked, summary } = setup(LIES[0]?.[1] as Lie)
  await run(62)
  leads(successor, 2)
  expect(await partial()).toBe(true)
  await run(1)
  expect([asked.filter(({ peer }) => peer === successor).length, await partial()]).toEqual([1, false])
  summary.stop()
})

test('who waits for the table of a hub above that cannot be read does not wait for ever', async () => {
  const { run, summary, leads } = setup(LIES[0]?.[1] as Lie, true)
  await run(2)
  expect(summary.complete('p')).toBe(false)
  await run(60)
  expect(summary.complete('p')).toBe(true)
  leads(hub, 2)
  expect(summary.complete('p')).toBe(false)
  await run(1)
  expect(summary.complete('p')).toBe(true)
  summary.stop()
})
