import type { Clock } from '../../src/base/clock.ts'
import type { GuardOptions, Guards } from '../../src/base/guard.ts'
import { silentLogger, type Logger } from '../../src/base/logger.ts'
import { createMeter, type Meter } from '../../src/base/meter.ts'
import { seededRandom } from '../../src/base/random.ts'
import { createGuards } from '../../src/guard/create-guards.ts'

/** The defaults of the configuration. */
export const BREAKER: GuardOptions = { failures: 5, failureRate: 0.5, window: 10_000, openFor: 1_000, openAtMost: 60_000 }

export function testGuards(clock: Clock, meter: Meter = createMeter(), logger: Logger = silentLogger): Guards {
  return createGuards({ clock, meter, logger, random: seededRandom(1) }, BREAKER)
}
