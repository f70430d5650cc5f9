import type { Clock, Timer } from '../../base/clock.ts'
import type { SuggestedRelayWay, Target } from './target.ts'

/** Ways to nodes of other pools that are kept: as many as one edge calls at a time, eight providers for each of a hundred servers. */
export const MAX_SUGGESTED = 1_024
/** Without a call for so long one is forgotten, ms: hubs may have changed, and asking anew takes two round trips. */
export const SUGGESTED_FOR = 60_000

/** Ways to nodes of other pools, which nobody here can check; least recently used ones go first. */
export interface Suggestions {
  keep(target: Target, way: SuggestedRelayWay): void
  /** A call took it. */
  used(target: Target): void
  drop(target: Target): void
  stop(): void
}

/** @param gone the target has no suggested way any more, and nobody asked for that */
export function createSuggestions(clock: Clock, gone: (target: Target) => void): Suggestions {
  /** When it was used last, ms; the least recently used one first. */
  const kept = new Map<Target, number>()
  let timer: Timer | undefined

  function drop(target: Target): void {
    kept.delete(target)
    target.suggested = undefined
  }

  function touch(target: Target): void {
    kept.delete(target)
    kept.set(target, clock.now())
  }

  /** Usually the oldest was used meanwhile: then it only waits on. */
  function arm(): void {
    const [oldest] = kept.values()
    if (timer !== undefined || oldest === undefined) return
    timer = clock.after(Math.max(0, oldest + SUGGESTED_FOR - clock.now()), () => {
      timer = undefined
      for (const [target, at] of kept) {
        if (clock.now() - at < SUGGESTED_FOR) break
        drop(target)
        gone(target)
      }
      arm()
    })
  }

  return {
    keep(target, way) {
      target.suggested = way
      touch(target)
      const [oldest] = kept.keys()
      if (kept.size > MAX_SUGGESTED && oldest !== undefined) {
        drop(oldest)
        gone(oldest)
      }
      arm()
    },
    used(target) {
      if (kept.has(target)) touch(target)
    },
    drop,
    stop() {
      timer?.cancel()
      timer = undefined
      kept.clear()
    }
  }
}
