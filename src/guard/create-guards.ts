import type { Clock } from '../base/clock.ts'
import type { Guard, GuardOptions, Guards } from '../base/guard.ts'
import type { Logger } from '../base/logger.ts'
import type { Meter } from '../base/meter.ts'
import { systemRandom, type Random } from '../base/random.ts'
import { createGuard, type WatchedGuard } from './guard.ts'
import { createGuardMetrics, type GuardReading } from './metrics.ts'

/**
 * Guards without a bulkhead: one for each server of each node that calls went to. A hundred nodes with ten servers each; some 7 KiB
 * apiece, 7 MiB in all. One that is made anew has only forgotten failures.
 */
export const MAX_GUARDS = 1_024

export interface GuardsDeps {
  clock: Clock
  meter: Meter
  logger: Logger
  /** @default the operating system's */
  random?: Random
}

interface Kept {
  guard: WatchedGuard
  options: GuardOptions
}

export function createGuards({ clock, meter, logger, random = systemRandom }: GuardsDeps, defaults: GuardOptions): Guards {
  /** With a bulkhead: whoever made it drops it. */
  const owned = new Map<string, Kept>()
  /** The others, the one used last at the end. */
  const recent = new Map<string, Kept>()
  const metrics = createGuardMetrics(meter, readings)

  function* readings(): Generator<GuardReading> {
    for (const kept of [owned, recent]) {
      for (const [component, { guard }] of kept) {
        const { state, failureRate, running, waiting } = guard
        yield { component, state, failureRate, running, waiting }
      }
    }
  }

  function make(component: string, options: GuardOptions): Guard {
    const guard = createGuard({ clock, random, logger, metrics: metrics.forComponent(component) }, component, options)
    drop(component)
    if (options.maxConcurrent !== undefined) owned.set(component, { guard, options })
    else {
      recent.set(component, { guard, options })
      const oldest = recent.keys().next().value
      if (recent.size > MAX_GUARDS && oldest !== undefined) recent.delete(oldest)
    }
    return guard
  }

  function drop(component: string): void {
    owned.delete(component)
    recent.delete(component)
  }

  return {
    guard(component, options) {
      const known = recent.get(component) ?? owned.get(component)
      if (known === undefined) return make(component, { ...defaults, ...options })
      if (recent.delete(component)) recent.set(component, known)
      if (options === undefined) return known.guard
      const wanted = { ...defaults, ...options }
      return same(known.options, wanted) ? known.guard : make(component, wanted)
    },
    drop,
    dropPeer(peer) {
      for (const component of recent.keys()) if (component.endsWith(`@${peer}`)) recent.delete(component)
    }
  }
}

function same(a: GuardOptions, b: GuardOptions): boolean {
  return (['failures', 'failureRate', 'window', 'openFor', 'openAtMost', 'maxConcurrent', 'maxWaiting'] as const).every((name) => a[name] === b[name])
}
