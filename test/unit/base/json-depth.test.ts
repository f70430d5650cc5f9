import { expect, test } from 'vitest'
import { isTooDeep, MAX_JSON_DEPTH } from '../../../src/base/json-depth.ts'

const nested = (levels: number, inner = '1') => '{"a":'.repeat(levels) + inner + '}'.repeat(levels)

test('counts levels of objects and lists, not what stands in strings', () => {
  expect(isTooDeep(nested(3), 3)).toBe(false)
  expect(isTooDeep(nested(4), 3)).toBe(true)
  expect(isTooDeep('[[[[]]]]', 3)).toBe(true)
  expect(isTooDeep('[[],[],[],[],[],[]]', 2)).toBe(false)
  expect(isTooDeep(JSON.stringify(['[[[[[[[[[[', '{"a":{"b":{'.repeat(9), '\\', '"[[[[[', '\\"[[[[[[[', '[[[[[[[\\']), 2)).toBe(false)
  expect(isTooDeep(`["\\\\",[[]]]`, 2)).toBe(true)
  expect(isTooDeep(`["\\\\\\"[[[[[[[[[[[[",[]]`, 2)).toBe(false)
})

test('what passes can be written again, and a string that never ends is no trouble', () => {
  expect(isTooDeep(nested(MAX_JSON_DEPTH))).toBe(false)
  expect(JSON.stringify(JSON.parse(nested(MAX_JSON_DEPTH)))).toBe(nested(MAX_JSON_DEPTH))
  expect(isTooDeep(nested(MAX_JSON_DEPTH + 1))).toBe(true)
  expect(isTooDeep(`["${'\\"'.repeat(1_000_000)}`)).toBe(false)
  expect(isTooDeep(`["${'\\'.repeat(2_000_000)}`)).toBe(false)
})

test('takes milliseconds for megabytes', () => {
  const text = JSON.stringify(Array.from({ length: 100_000 }, (_, index) => ({ index, text: 'some "quoted" words \\ of a text' })))
  const from = performance.now()
  expect(isTooDeep(text)).toBe(false)
  // 7 MB; 15 ms on the machine this was written on.
  expect(performance.now() - from).toBeLessThan(500)
})
