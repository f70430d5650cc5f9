import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { readCallArguments } from '../../../src/cli/call-arguments.ts'
import { formatSeconds, parseDuration, parseWhole } from '../../../src/cli/duration.ts'

const usage = expect.objectContaining({ code: 'SKEIN_USAGE' })

describe('durations', () => {
  test.each([
    ['500ms', 500],
    ['20s', 20_000],
    ['20', 20_000],
    ['1.5h', 5_400_000],
    ['30m', 1_800_000],
    ['7d', 604_800_000]
  ])('%s', (text, ms) => expect(parseDuration(text, '--timeout')).toBe(ms))

  test.each(['', '0', '-1s', '1w', '1h30m', 'soon', 'Infinity', '1e3'])('%j is refused with the name of the option', (text) => {
    expect(() => parseDuration(text, '--expires')).toThrow(usage)
    expect(() => parseDuration(text, '--expires')).toThrow(/--expires/)
  })

  test.each([
    [0, '0s'],
    [40, '40s'],
    [3725, '1h 2m'],
    [86_400, '1d'],
    [-5, '0s']
  ])('%s seconds read as %s', (seconds, text) => expect(formatSeconds(seconds)).toBe(text))
})

describe('whole numbers', () => {
  test('in the range', () => expect(parseWhole('8080', '--http-port', 0, 65_535)).toBe(8080))
  test.each(['65536', '-1', '1.5', 'x', '', '0x10', ' 1'])('%j is refused', (text) => {
    expect(() => parseWhole(text, '--http-port', 0, 65_535)).toThrow(usage)
  })
})

describe('arguments of a call', () => {
  const io = (input = '') => ({ stdin: Readable.from([input]), cwd: import.meta.dirname })

  test('none are an empty object', async () => expect(await readCallArguments(undefined, io())).toEqual({}))
  test('JSON on the command line', async () => expect(await readCallArguments('{"a":[1]}', io())).toEqual({ a: [1] }))
  test('standard input', async () => expect(await readCallArguments('-', io('{"b":2}'))).toEqual({ b: 2 }))

  test.each([
    ['{"a":', /The argument is not JSON/],
    ['[1]', /must be a JSON object/],
    ['null', /must be a JSON object/],
    ['@missing.json', /The file missing\.json cannot be read/]
  ])('%s is refused with the reason', async (text, message) => {
    await expect(readCallArguments(text, io())).rejects.toMatchObject({ code: 'SKEIN_USAGE', message: expect.stringMatching(message) })
  })

  test('standard input is bounded', async () => {
    const endless = Readable.from(
      (function* () {
        for (;;) yield Buffer.alloc(64 * 1024, 32)
      })()
    )
    await expect(readCallArguments('-', { stdin: endless, cwd: '/' })).rejects.toMatchObject({ code: 'SKEIN_USAGE', message: expect.stringMatching(/larger/) })
  })
})
