import { expect, test } from 'vitest'
import type { Logger } from '../../../src/base/logger.ts'
import { createStderrLog } from '../../../src/mcp-io/stderr-log.ts'
import { createManualClock } from '../../support/manual-clock.ts'

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

test('the last line is what a stack trace is about', () => {
  const logger: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger }
  const log = createStderrLog({ clock: createManualClock(), logger })
  log.feed(Buffer.from("starting\nError: Cannot find module 'x'\n    at load (node:internal/modules:1)\n  code: 'MODULE_NOT_FOUND'\n}\n\nNode.js v24.21.0\n"))
  expect(log.last()).toBe("Error: Cannot find module 'x'")
})
