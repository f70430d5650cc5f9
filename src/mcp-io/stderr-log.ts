import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import { createLineSplitter } from '../base/lines.ts'

/** Enough to read a stack trace as it happens; a server that floods its stderr must not flood our log. */
const LINES_PER_SECOND = 50
const MAX_LINE = 1_000
const MAX_LINE_BYTES = 64 * 1024

/** Lines of a stack trace, and what Node prints after one: they do not say why. */
const TRACE = /^(?:\s|[}\])]|Node\.js v\d)/

/** Writes a child's stderr to the log (debug), bounded, and remembers its last line, that of a stack trace excepted: it usually says why the child died. */
export function createStderrLog(deps: { clock: Clock; logger: Logger }): { feed(chunk: Buffer): void; end(): void; last(): string | undefined } {
  let last: string | undefined
  let windowStart = -Infinity
  let lines = 0
  let skipped = 0
  const make = () => createLineSplitter(MAX_LINE_BYTES, onLine)
  let splitter = make()

  function onLine(bytes: Buffer): void {
    const whole = bytes.toString()
    const line = whole.trim().slice(0, MAX_LINE)
    if (line === '') return
    if (last === undefined || !TRACE.test(whole)) last = line
    const now = deps.clock.now()
    if (now - windowStart >= 1000) {
      if (skipped > 0) deps.logger.debug('lines of stderr were skipped', { skipped })
      windowStart = now
      lines = 0
      skipped = 0
    }
    lines += 1
    if (lines <= LINES_PER_SECOND) deps.logger.debug('stderr', { line })
    else skipped += 1
  }

  return {
    feed(chunk) {
      // A line without an end is no error here: drop it and start afresh.
      if (!splitter.feed(chunk)) splitter = make()
    },
    end: () => splitter.end(),
    last: () => last
  }
}
