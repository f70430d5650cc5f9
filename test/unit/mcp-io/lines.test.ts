import { expect, test } from 'vitest'
import type { Logger } from '../../../src/base/logger.ts'
import { seededRandom, randomInt } from '../../../src/base/random.ts'
import { createLineSplitter } from '../../../src/mcp-io/line-splitter.ts'
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
