import { Readable } from 'node:stream'
import type { IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import type { HttpFailure } from '../../../src/mcp-io/http-errors.ts'
import type { HttpOutcome, HttpRequest } from '../../../src/mcp-io/http-client.ts'
import { createHttpSession } from '../../../src/mcp-io/rev2025/http-session.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { flush } from '../../support/mcp-calls.ts'

const answer = (status: number, body = '', type = 'text/event-stream'): HttpOutcome => ({ answer: { status, headers: { 'content-type': type }, body: Readable.from(body === '' ? [] : [Buffer.from(body)]) as unknown as IncomingMessage } })
const stream = (body = '') => answer(200, body)
const failure = (kind: 'lost' | 'unreachable'): HttpOutcome => ({ failure: { kind, cause: new Error(kind) } })

/** A session whose requests get the given outcomes, the last one again and again. */
function setup(...outcomes: (() => HttpOutcome)[]) {
  const clock = createManualClock()
  const start = clock.now()
  const seen: (HttpRequest & { at: number })[] = []
  const data: string[] = []
  const noise: string[] = []
  const lost: HttpFailure[] = []
  const session = createHttpSession({
    clock,
    client: {
      async send(request) {
        seen.push({ ...request, at: clock.now() - start })
        return (outcomes[Math.min(seen.length, outcomes.length) - 1] as () => HttpOutcome)()
      }
    },
    headers: { authorization: 'x' },
    maxMessageBytes: 6_000,
    onData: (text) => void data.push(text),
    onNoise: (text) => void noise.push(text),
    onLost: (why) => void lost.push(why)
  })
  session.opened({ 'mcp-session-id': 's1' })
  session.negotiated('2025-06-18')
  const stop = new AbortController()
  /** Streams in memory end over several turns of the event loop, which are no time. */
  const pass = async (ms: number) => {
    for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    clock.advance(ms)
    for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  }
  const times = () => seen.map(({ at }) => at)
  return { session, clock, seen, data, noise, lost, stop, pass, times }
}

test('every request says which session and version, and what the configuration says', async () => {
  const { session, seen, stop } = setup(() => answer(405))
  expect(session.headers()).toEqual({ authorization: 'x', 'mcp-session-id': 's1', 'mcp-protocol-version': '2025-06-18' })
  await session.listen(stop.signal, () => {})
  expect(seen[0]).toMatchObject({ method: 'GET', headers: { authorization: 'x', 'mcp-session-id': 's1', accept: 'text/event-stream' } })
  await session.terminate(stop.signal)
  expect(seen[1]).toMatchObject({ method: 'DELETE', headers: { 'mcp-session-id': 's1' } })
  await session.terminate(stop.signal)
  expect(seen).toHaveLength(2)
})

test('a stream that ends is opened again where it ended, after longer and longer pauses', async () => {
  const { session, seen, data, stop, pass, times } = setup(() => stream('id: 7\ndata: {}\n\n'), () => stream())
  let tried = 0
  const over = session.listen(stop.signal, () => (tried += 1))
  for (const ms of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) await pass(ms)
  expect(times()).toEqual([0, 1_000, 3_000, 7_000, 15_000, 31_000, 61_000, 91_000])
  expect(seen.map(({ headers }) => headers['last-event-id'])).toEqual([undefined, ...Array.from({ length: 7 }, () => '7')])
  expect(data).toEqual(['{}'])
  expect(tried).toBeGreaterThan(0)
  stop.abort()
  await over
})

test.each([
  ['zwölf €', Buffer.from('zwölf €').toString('latin1')],
  ['\x01', undefined],
  ['', undefined],
  ['x'.repeat(5_000), undefined]
])('an id that is %j is asked for as bytes, or not at all', async (id, header) => {
  const { session, seen, stop, pass } = setup(() => stream(`id: ${id}\ndata: {}\n\n`), () => stream())
  void session.listen(stop.signal, () => {})
  await pass(1_000)
  expect(seen[1]?.headers['last-event-id']).toBe(header)
  stop.abort()
})

test('a server that says when to come back is asked then, but never in a busy loop', async () => {
  const { session, stop, pass, times } = setup(() => stream('retry: 500\n\n'), () => stream('retry: 0\n\n'))
  void session.listen(stop.signal, () => {})
  for (const ms of [499, 1, 99, 1]) await pass(ms)
  expect(times()).toEqual([0, 500, 600])
  stop.abort()
})

test.each<[string, HttpOutcome, number]>([
  ['no stream at all', answer(405), 0],
  ['no such route', answer(404), 1],
  ['a refusal', answer(403), 1],
  ['something else', answer(200, '{}', 'application/json'), 1]
])('%s is not asked for again', async (_what, outcome, noises) => {
  const { session, seen, noise, lost, stop, pass } = setup(() => outcome)
  await session.listen(stop.signal, () => {})
  await pass(100_000)
  expect(seen).toHaveLength(1)
  expect(noise).toHaveLength(noises)
  expect(lost).toEqual([])
})

test('what may pass is tried again: a broken server, a broken connection', async () => {
  const { session, stop, pass, times } = setup(() => answer(503), () => failure('lost'), () => answer(429), () => stream())
  void session.listen(stop.signal, () => {})
  for (const ms of [1_000, 2_000, 4_000]) await pass(ms)
  expect(times()).toEqual([0, 1_000, 3_000, 7_000])
  stop.abort()
})

test.each<[string, HttpOutcome]>([
  ['the server is gone', failure('unreachable')],
  ['it forgot the session', answer(404)]
])('%s: the link is lost, as soon as the stream is opened again', async (_what, second) => {
  const { session, lost, stop, pass } = setup(() => stream(), () => second)
  const over = session.listen(stop.signal, () => {})
  await pass(1_000)
  await over
  expect(lost).toHaveLength(1)
})

test('an event over the limit is dropped with its stream, not the link', async () => {
  const { session, noise, lost, stop, pass } = setup(() => stream(`data: ${'x'.repeat(7_000)}\n\n`), () => stream())
  void session.listen(stop.signal, () => {})
  await pass(1_000)
  expect(noise.join()).toContain('over 6000 bytes')
  expect(lost).toEqual([])
  stop.abort()
})

test('the stream of a request is taken up five times at most, and not where the server says no', async () => {
  const cursor = { lastId: 'a', retry: undefined }
  const broken = setup(() => failure('lost'))
  const gaveUp = broken.session.resume(cursor, async () => {}, broken.stop.signal)
  for (const ms of [1_000, 2_000, 4_000, 8_000, 16_000]) await broken.pass(ms)
  expect(await gaveUp).toBe(false)
  expect(broken.times()).toEqual([1_000, 3_000, 7_000, 15_000, 31_000])

  const refusing = setup(() => answer(400))
  const refused = refusing.session.resume({ ...cursor, retry: 200 }, async () => {}, refusing.stop.signal)
  await refusing.pass(200)
  expect(await refused).toBe(false)
  expect(refusing.times()).toEqual([200])
})

test('taking up ends when nobody waits for it any more', async () => {
  const { session, seen, stop } = setup(() => stream())
  const over = session.resume({ lastId: 'a', retry: undefined }, async () => {}, stop.signal)
  stop.abort(new Error('cancelled'))
  await expect(over).rejects.toThrow('cancelled')
  await flush()
  expect(seen).toEqual([])
})

test('which refusals mean that the session is gone', () => {
  const { session } = setup(() => stream())
  expect([session.isGone(404, ''), session.isGone(400, 'Bad Request: No valid session ID'), session.isGone(400, 'bad arguments'), session.isGone(403, 'session')]).toEqual([true, true, false, false])
  session.opened({})
  expect([session.isGone(404, ''), session.isGone(400, 'session')]).toEqual([false, false])
})
