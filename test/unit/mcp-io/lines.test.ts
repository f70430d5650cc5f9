import { expect, test } from 'vitest'
import type { Logger } from '../../../src/base/logger.ts'
import { seededRandom, randomInt } from '../../../src/base/random.ts'
import { boundBody } from '../../../src/mcp-io/bounded-body.ts'
import { neverSent, sendError } from '../../../src/mcp-io/http-errors.ts'
import { createLineSplitter } from '../../../src/mcp-io/line-splitter.ts'
import { parseMessages } from '../../../src/mcp-io/message-parse.ts'
import { createStderrLog } from '../../../src/mcp-io/stderr-log.ts'
import { createManualClock } from '../../support/manual-clock.ts'

test('lines come out whole however the bytes were cut, characters of several bytes included', () => {
  const random = seededRandom(7)
  const text = 'first\r\n\n  \nzwölf ünd €uro 🙂\n{"a":1}\nlast without end'
  for (let round = 0; round < 200; round += 1) {
    const lines: string[] = []
    const splitter = createLineSplitter(1000, (line) => lines.push(line))
    let rest = Buffer.from(text)
    while (rest.length > 0) {
      const cut = 1 + randomInt(random, rest.length)
      expect(splitter.feed(rest.subarray(0, cut))).toBe(true)
      rest = rest.subarray(cut)
    }
    splitter.end()
    expect(lines).toEqual(['first', 'zwölf ünd €uro 🙂', '{"a":1}', 'last without end'])
  }
})

test('a line over the limit stops everything, one at the limit does not', () => {
  const lines: string[] = []
  const splitter = createLineSplitter(5, (line) => lines.push(line))
  expect(splitter.feed(Buffer.from('12345\n123'))).toBe(true)
  expect(splitter.feed(Buffer.from('45'))).toBe(true)
  expect(splitter.feed(Buffer.from('6\nok\n'))).toBe(false)
  expect(splitter.feed(Buffer.from('ok\n'))).toBe(false)
  expect(lines).toEqual(['12345'])
})

test.each([
  ['{"jsonrpc":"2.0","id":1,"result":{}}', 1],
  ['{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"x"}}', 1],
  ['[{"jsonrpc":"2.0","method":"a"},{"jsonrpc":"2.0","method":"b"}]', 2],
  ['[{"jsonrpc":"2.0","method":"a"},7]', undefined],
  ['{"jsonrpc":"1.0","method":"a"}', undefined],
  ['{"jsonrpc":"2.0"}', undefined],
  ['null', undefined],
  ['Server started', undefined]
])('line %s holds %s messages', (line, count) => {
  expect(parseMessages(line)?.length).toBe(count)
})

test('stderr is logged within bounds and its last line kept', () => {
  const clock = createManualClock()
  const logged: unknown[] = []
  const logger: Logger = { debug: (message, fields) => void logged.push([message, fields]), info() {}, warn() {}, error() {}, child: () => logger }
  const log = createStderrLog({ clock, logger })
  for (let line = 0; line < 120; line += 1) log.feed(Buffer.from(`line ${line}\n`))
  expect(logged).toHaveLength(50)
  clock.advance(1_000)
  log.feed(Buffer.from(`${'y'.repeat(5_000)}\n`))
  expect(logged[50]).toEqual(['lines of stderr were skipped', { skipped: 70 }])
  expect(log.last()).toHaveLength(1_000)
  log.feed(Buffer.alloc(100_000, 'z'))
  log.feed(Buffer.from('after the flood\n'))
  expect(log.last()).toBe('after the flood')
})

test('a body is bounded whole for JSON and per line for event streams', async () => {
  const make = (type: string, chunks: string[]) => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(Buffer.from(chunk))
        controller.close()
      }
    })
    return new Response(body, { headers: { 'content-type': type } })
  }
  let over = 0
  const read = (type: string, chunks: string[]) => boundBody(make(type, chunks), 10, () => (over += 1)).text()
  expect(await read('application/json', ['12345', '67890'])).toBe('1234567890')
  await expect(read('application/json', ['12345', '67890', '1'])).rejects.toThrow('over 10 bytes')
  expect(await read('text/event-stream', ['12345\n', '67890\n', '12345', '678\n'])).toHaveLength(21)
  await expect(read('text/event-stream', ['1234\n12345', '678901'])).rejects.toThrow('over 10 bytes')
  expect(over).toBe(2)
})

test('a failed POST is told apart: never sent, refused, in doubt', () => {
  const refused = Object.assign(new TypeError('fetch failed'), { cause: { code: 'ECONNREFUSED' } })
  const happy = Object.assign(new TypeError('fetch failed'), { cause: { errors: [{ code: 'ECONNREFUSED' }, { code: 'ECONNREFUSED' }] } })
  const reset = Object.assign(new TypeError('fetch failed'), { cause: { code: 'ECONNRESET' } })
  expect([neverSent(refused), neverSent(happy), neverSent(reset), neverSent(new Error('x'))]).toEqual([true, true, false, false])
  expect(sendError('x', 'http://y', refused)).toMatchObject({ code: 'SKEIN_UPSTREAM_DOWN' })
  expect(sendError('x', 'http://y', { status: 401 }).message).toContain('Authorization')
  expect(sendError('x', 'http://y', { status: 401 }).code).toBe('SKEIN_UPSTREAM_DOWN')
  expect(sendError('x', 'http://y', { status: 502 }).code).toBe('SKEIN_OUTCOME_UNKNOWN')
  expect(sendError('x', 'http://y', reset).code).toBe('SKEIN_OUTCOME_UNKNOWN')
})
