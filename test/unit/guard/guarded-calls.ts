import { SkeinError } from '../../../src/base/errors.ts'
import type { ErrorCode } from '../../../src/base/error-codes.ts'
import type { Guard, GuardOptions, RunOptions } from '../../../src/base/guard.ts'
import type { Logger } from '../../../src/base/logger.ts'
import { createMeter } from '../../../src/base/meter.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { createGuards } from '../../../src/guard/create-guards.ts'
import { BREAKER } from '../../support/guards.ts'
import { createManualClock } from '../../support/manual-clock.ts'
import { codeOf, flush } from '../../support/mcp-calls.ts'

export type Line = [level: string, message: string, fields: Record<string, unknown> | undefined]

/** One guard on virtual time, and calls through it that end when the test says. */
export function guardWorld(options: Partial<GuardOptions> = {}, component = 'upstream:files') {
  const clock = createManualClock()
  const meter = createMeter()
  const lines: Line[] = []
  const note = (level: string) => (message: string, fields?: Record<string, unknown>) => void lines.push([level, message, fields])
  const logger: Logger = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error'), child: () => logger }
  const guards = createGuards({ clock, meter, logger, random: seededRandom(1) }, BREAKER)
  const guard = guards.guard(component, options)

  return { clock, meter, lines, guards, guard, call: (how?: RunOptions) => callThrough(guard, how), ...endings(guard) }
}

/** A call that runs until the test ends it. */
export function callThrough(guard: Guard, how?: RunOptions) {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  const seen: { started: boolean; alive: (() => void) | undefined; cancelled: string[] } = { started: false, alive: undefined, cancelled: [] }
  const { outcome, cancel } = guard.run((alive) => {
    seen.started = true
    seen.alive = alive
    return {
      outcome: promise,
      cancel(reason) {
        seen.cancelled.push(reason)
        reject(new SkeinError('SKEIN_CANCELLED', reason))
      }
    }
  }, how)
  const code = codeOf(outcome)
  return { seen, outcome, cancel, code, answer: (value: unknown = 'done') => resolve(value), fail: (error: ErrorCode = 'SKEIN_DEADLINE') => reject(new SkeinError(error, 'as the test wants')) }
}

function endings(guard: Guard) {
  /** Whole calls, one after the other; the codes with which they ended. */
  async function calls(count: number, end: (call: ReturnType<typeof callThrough>) => void): Promise<string[]> {
    const codes: string[] = []
    for (let index = 0; index < count; index++) {
      const call = callThrough(guard)
      await flush()
      end(call)
      codes.push(await call.code)
    }
    return codes
  }
  return {
    failing: (count: number, code: ErrorCode = 'SKEIN_DEADLINE') => calls(count, (call) => call.fail(code)),
    working: (count: number) => calls(count, (call) => call.answer())
  }
}
