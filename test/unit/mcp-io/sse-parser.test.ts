import { expect, test } from 'vitest'
import { randomInt, seededRandom } from '../../../src/base/random.ts'
import { createSseParser, type SseEvent } from '../../../src/mcp-io/sse-parser.ts'

function read(text: string, max = 1_000, cuts: () => number = () => text.length) {
  const events: SseEvent[] = []
  const retries: number[] = []
  const parser = createSseParser(max, { event: (event) => void events.push(event), retry: (ms) => void retries.push(ms) })
  let rest = Buffer.from(text)
  let whole = true
  while (rest.length > 0) {
    const cut = Math.max(1, cuts())
    whole = parser.feed(rest.subarray(0, cut)) && whole
    rest = rest.subarray(cut)
  }
  return { events, retries, whole }
}

const message = (data: string, id?: string) => ({ id, type: 'message', data })

test.each([
  ['data: a\n\n', [message('a')]],
  ['data:a\r\n\r\n', [message('a')]],
  ['data: a\ndata: b\ndata\n\n', [message('a\nb\n')]],
  ['data:  two blanks\n\n', [message(' two blanks')]],
  ['\uFEFFdata: a\n\n', [message('a')]],
  [': comment\n\n:\n\ndata: a\n\n', [message('a')]],
  ['id: 1\ndata: \n\n', [message('', '1')]],
  ['id: 1\n\n', [message('', '1')]],
  ['id\ndata: x\n\n', [message('x', '')]],
  ['id: 1\0\ndata: x\n\n', [message('x')]],
  ['event: ping\ndata: x\n\ndata: y\n\n', [{ id: undefined, type: 'ping', data: 'x' }, message('y')]],
  ['id: 9\ndata: cut off', []],
  ['id: 9\ndata: cut off\n', []],
  ['other: x\ndata: a\r\r\n', [message('a')]],
  ['\n\n\n', []]
])('%j gives %j', (text, expected) => {
  expect(read(text).events).toEqual(expected)
})

test('a delay is a number of milliseconds and nothing else', () => {
  expect(read('retry: 500\nretry: -1\nretry: 1e3\nretry: 9999999999\nretry:\n\n').retries).toEqual([500])
})

test('events come out whole however the bytes were cut', () => {
  const random = seededRandom(3)
  const text = 'id: 1\r\nretry: 5\r\ndata: zwölf €uro 🙂\r\n\r\n: c\nevent: message\ndata: {"a":1}\ndata: {"b":2}\n\n'
  for (let round = 0; round < 200; round += 1) {
    const { events, retries } = read(text, 1_000, () => randomInt(random, 9))
    expect(events).toEqual([message('zwölf €uro 🙂', '1'), message('{"a":1}\n{"b":2}')])
    expect(retries).toEqual([5])
  }
})

test('an event is bounded, in one line and over many, and the stream is not', () => {
  expect(read('data: 123\n\n'.repeat(50), 10)).toMatchObject({ whole: true, events: { length: 50 } })
  expect(read('data: 12345\n\n', 10)).toMatchObject({ whole: false, events: [] })
  expect(read(`${': ping\n'.repeat(500)}data: 1\n\n`, 100)).toMatchObject({ whole: true, events: { length: 1 } })
  expect(read('data:1\n'.repeat(50), 100)).toMatchObject({ whole: false, events: [] })
  expect(read('data: 1\n\ndata: 12345678\n\ndata: 2\n\n', 10, () => 3)).toMatchObject({ whole: false, events: [message('1')] })
})
