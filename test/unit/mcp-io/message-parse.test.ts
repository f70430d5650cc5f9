import { describe, expect, test } from 'vitest'
import { randomInt, seededRandom, type Random } from '../../../src/base/random.ts'
import { parseMessages } from '../../../src/mcp-io/message-parse.ts'

test.each([
  ['{"jsonrpc":"2.0","id":1,"result":{}}', 1],
  ['{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"x"}}', 1],
  ['[{"jsonrpc":"2.0","method":"a"},{"jsonrpc":"2.0","method":"b"}]', 2],
  ['[{"jsonrpc":"2.0","method":"a"},7]', undefined],
  ['{"jsonrpc":"1.0","method":"a"}', undefined],
  ['{"jsonrpc":"2.0","id":1}', 1],
  ['{"jsonrpc":"2.0","id":null}', undefined],
  ['{"jsonrpc":"2.0"}', undefined],
  ['null', undefined],
  ['', undefined],
  ['Server started', undefined]
])('line %s holds %s messages', (line, count) => {
  expect(parseMessages(line)?.length).toBe(count)
})

describe('the text of a result', () => {
  test.each([
    '{"result":{"content":[{"type":"text","text":"}},\\"id\\":1}"}]},"jsonrpc":"2.0","id":7}',
    '{"jsonrpc":"2.0","id":7,"result":{"a":{"result":{"b":{}}}}}',
    '{"jsonrpc":"2.0","result":{"resultType":"complete","x":"\\n\\r"},"id":7}',
    '{"result":{},"jsonrpc":"2.0","id":0}',
    '{"jsonrpc":"2.0","id":999999999999999,"result":{"a" : 1 , "a" : 2}}'
  ])('is cut out of %s', (line) => {
    const whole = JSON.parse(line) as { id: number; result: object }
    const [parsed] = parseMessages(line) ?? []
    expect(parsed?.message).toEqual(whole)
    expect(JSON.parse(parsed?.resultText as string)).toEqual(whole.result)
    expect(line).toContain(parsed?.resultText as string)
  })

  test.each([
    ['another order', '{"id":7,"jsonrpc":"2.0","result":{}}'],
    ['another order', '{"result":{},"id":7,"jsonrpc":"2.0"}'],
    ['a further member', '{"jsonrpc":"2.0","id":7,"result":{},"_meta":{}}'],
    ['a further member', '{"result":{},"x":{},"jsonrpc":"2.0","id":7}'],
    ['a doubled result', '{"result":{"a":1},"result":{"b":2},"jsonrpc":"2.0","id":7}'],
    ['a doubled result', '{"jsonrpc":"2.0","id":7,"result":{"a":1},"result":{"b":2}}'],
    ['a doubled id', '{"jsonrpc":"2.0","id":8,"id":7,"result":{}}'],
    ['a doubled id', '{"jsonrpc":"2.0","result":{},"id":8,"id":7}'],
    ['an error beside it', '{"jsonrpc":"2.0","id":7,"result":{},"error":{}}'],
    ['an id that is a text', '{"jsonrpc":"2.0","id":"7","result":{}}'],
    ['an id with a fraction', '{"jsonrpc":"2.0","id":7.5,"result":{}}'],
    ['an id with zeros before it', '{"jsonrpc":"2.0","id":70e-1,"result":{}}'],
    ['an id too long to be exact', '{"jsonrpc":"2.0","id":12345678901234567890,"result":{}}'],
    ['blanks', '{"jsonrpc": "2.0","id":7,"result":{}}'],
    ['a line break', '{"jsonrpc":"2.0","id":7,"result":{"a":\n1}}'],
    ['a carriage return', '{"jsonrpc":"2.0","id":7,"result":{"a":\r1}}'],
    ['a result that is a list', '{"jsonrpc":"2.0","id":7,"result":[{}]}'],
    ['an error instead', '{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":"{}"}}'],
    ['a batch', '[{"jsonrpc":"2.0","id":7,"result":{}}]'],
    ['a notification', '{"jsonrpc":"2.0","method":"x","params":{"result":{}}}']
  ])('is not given for %s: %s', (_what, line) => {
    const messages = parseMessages(line)
    expect(messages?.map(({ message }) => message)).toEqual([JSON.parse(line)].flat())
    expect(messages?.some((message) => 'resultText' in message)).toBe(false)
  })

  test('is never anything but the result, whatever the line (2 000 lines, seed 11)', () => {
    const random = seededRandom(11)
    let cut = 0
    for (let round = 0; round < 2_000; round += 1) {
      const line = randomLine(random)
      const messages = parseMessages(line)
      let whole: unknown
      try {
        whole = JSON.parse(line)
      } catch {
        expect(messages, line).toBeUndefined()
        continue
      }
      if (messages === undefined) continue
      expect(messages.map(({ message }) => message), line).toEqual([whole].flat())
      const text = messages[0]?.resultText
      if (text === undefined) continue
      cut += 1
      expect(Object.keys(whole as object).sort(), line).toEqual(['id', 'jsonrpc', 'result'])
      // Each of the three stands there once: otherwise taking the text out and leaving the rest would not give two members.
      expect(Object.keys(JSON.parse(line.replace(text, () => '0')) as object), line).toHaveLength(3)
      expect(line.split(text).length, line).toBeGreaterThan(1)
      expect(JSON.parse(text), line).toEqual((whole as { result: unknown }).result)
      expect(text, line).not.toMatch(/[\n\r]/)
    }
    // A generator that never hits the shapes would show nothing.
    expect(cut).toBeGreaterThan(300)
  })
})

const PIECES = ['"result":{}', '"result":{"id":7}', '"jsonrpc":"2.0"', '"id":7', '"id":"7"', '"error":{"code":1,"message":"m"}', '"result":[]', '"x":{"result":{}}']

/** Members in random order, some doubled, some damaged, nested and escaped results among them. */
function randomLine(random: Random): string {
  const value = (depth: number): unknown => {
    const kind = randomInt(random, depth > 2 ? 3 : 5)
    if (kind === 0) return ['}}', '{"result":{}}', ',"jsonrpc":"2.0","id":1}', '\\', '"', '\n', '\u2028', '🙂'][randomInt(random, 8)]
    if (kind === 1) return randomInt(random, 1_000)
    if (kind === 2) return null
    if (kind === 3) return [value(depth + 1), value(depth + 1)]
    return { result: value(depth + 1), id: value(depth + 1), resultType: 'complete' }
  }
  const result = `"result":${JSON.stringify({ value: value(0) })}`
  const orders = [
    [result, '"jsonrpc":"2.0"', '"id":7'],
    ['"jsonrpc":"2.0"', '"id":7', result],
    ['"jsonrpc":"2.0"', result, '"id":7'],
    ['"id":7', result, '"jsonrpc":"2.0"']
  ]
  const members = [...(orders[randomInt(random, orders.length)] as string[])]
  if (random.float() < 0.4) members.splice(randomInt(random, members.length + 1), 0, PIECES[randomInt(random, PIECES.length)] as string)
  let line = `{${members.join(random.float() < 0.1 ? ' ,' : ',')}}`
  if (random.float() < 0.15) {
    const at = randomInt(random, line.length)
    line = line.slice(0, at) + ['', '}', '"', ',', '{'][randomInt(random, 5)] + line.slice(at + 1)
  }
  return line
}
