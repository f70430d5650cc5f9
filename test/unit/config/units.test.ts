import { describe, expect, test } from 'vitest'
import { formatDuration, formatSize, parseDuration, parseSize } from '../../../src/config/units.ts'

describe('durations', () => {
  test.each([
    [1, 1_000],
    [0.5, 500],
    ['500ms', 500],
    ['20s', 20_000],
    ['1.5s', 1_500],
    ['30m', 1_800_000],
    ['1h', 3_600_000],
    ['2d', 172_800_000],
    ['45', 45_000],
    [' 3s ', 3_000]
  ])('%j is %d ms', (value, ms) => expect(parseDuration(value)).toBe(ms))

  test.each(['', 's', '-1s', '1 s', '1w', '1e3s', '0x10', '1h30m', -1, Number.NaN, Number.POSITIVE_INFINITY])('%j is none', (value) =>
    expect(parseDuration(value)).toBeUndefined()
  )

  test.each([0, 1, 999, 1_000, 1_500, 60_000, 90_000, 3_600_000, 86_400_000, 172_800_000, 604_800_000])('%d ms is read back as written', (ms) =>
    expect(parseDuration(formatDuration(ms))).toBe(ms)
  )

  test('the largest fitting unit is used', () => {
    expect([500, 20_000, 1_800_000, 86_400_000, 604_800_000].map(formatDuration)).toEqual(['500ms', '20s', '30m', '24h', '7d'])
  })
})

describe('sizes', () => {
  test.each([
    [65_536, 65_536],
    ['64KiB', 65_536],
    ['16MiB', 16_777_216],
    ['0.5KiB', 512],
    ['10B', 10],
    ['1GiB', 1_073_741_824],
    ['7', 7]
  ])('%j is %d bytes', (value, bytes) => expect(parseSize(value)).toBe(bytes))

  test.each(['', '64KB', '64k', '-1', '0.3B', 1.5, -1, Number.NaN])('%j is none', (value) => expect(parseSize(value)).toBeUndefined())

  test.each([0, 1, 1_023, 1_024, 65_536, 1_048_577, 16_777_216])('%d bytes are read back as written', (bytes) => expect(parseSize(formatSize(bytes))).toBe(bytes))
})
