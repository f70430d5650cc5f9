import { expect, test } from 'vitest'
import { randomHex, systemRandom } from '../../../src/base/random.ts'

test('bytes from the shared pool never come twice and are never left zero', () => {
  const seen = new Set(Array.from({ length: 20_000 }, () => randomHex(systemRandom, 16)))
  expect(seen.size).toBe(20_000)
  expect(seen.has('0'.repeat(32))).toBe(false)
})

test.each([0, 1, 63, 64, 65, 10_000])('%i bytes are as many', (n) => {
  expect(systemRandom.bytes(n).length).toBe(n)
})

test('what is changed by its owner changes nobody else’s bytes', () => {
  const first = systemRandom.bytes(8)
  const copy = first.slice()
  systemRandom.bytes(8).fill(0)
  expect(first).toEqual(copy)
})

test('bits are even', () => {
  let ones = 0
  for (let index = 0; index < 20_000; index++) for (const byte of systemRandom.bytes(8)) ones += byte.toString(2).replaceAll('0', '').length
  // 1.28 million coin throws: 640 000 expected, 566 one standard deviation.
  expect(Math.abs(ones - 640_000)).toBeLessThan(6_000)
})
