import type { Watcher } from '../world-types.ts'

/** All of them see everything. */
export function together(watchers: readonly Watcher[]): Watcher {
  return {
    stepped: (...step) => watchers.forEach((watcher) => watcher.stepped?.(...step)),
    effect: (...step) => watchers.forEach((watcher) => watcher.effect?.(...step))
  }
}
