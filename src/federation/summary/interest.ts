import type { Clock } from '../../base/clock.ts'
import { MAX_INTEREST } from '../../wire/summary.ts'

/** A server that was asked for stays in the tables so long after, ms. */
export const INTEREST_FOR = 600_000
/** What a child is interested in counts so long after it said so; it says so every 30 s, ms. */
export const CHILD_INTEREST_FOR = 120_000
/** Of own clients; a client that calls more distant servers than that in ten minutes pays a question for some. */
const MAX_OWN = MAX_INTEREST

/** Servers behind a cut that are in use all the same, here or below. */
export interface Interest {
  /** True if it is news. */
  add(key: string): boolean
  own(): ReadonlySet<string>
  /** Replaces what a child wants. True if it changed. */
  ofChild(peer: string, keys: readonly string[]): boolean
  child(peer: string): ReadonlySet<string>
  /** To ask for above: own ones first, at most MAX_INTEREST. */
  all(): string[]
  /** Forgets children that are none any more, and what was not renewed. Returns the children that changed by it. */
  tidy(children: ReadonlySet<string>): string[]
}

export function createInterest(clock: Clock): Interest {
  /** Until when, monotonic ms; the oldest first. */
  const own = new Map<string, number>()
  /** Bounded by the children, and MAX_INTEREST each. */
  const children = new Map<string, { keys: ReadonlySet<string>; until: number }>()
  const NONE: ReadonlySet<string> = new Set()

  function prune(): void {
    const now = clock.now()
    for (const [key, until] of own) if (until <= now) own.delete(key)
  }

  return {
    add(key) {
      prune()
      const news = !own.delete(key)
      own.set(key, clock.now() + INTEREST_FOR)
      if (own.size > MAX_OWN) own.delete(own.keys().next().value as string)
      return news
    },
    own() {
      prune()
      return new Set(own.keys())
    },
    ofChild(peer, keys) {
      const before = children.get(peer)?.keys ?? NONE
      if (keys.length === 0) return children.delete(peer)
      const now = new Set(keys.slice(0, MAX_INTEREST))
      children.set(peer, { keys: now, until: clock.now() + CHILD_INTEREST_FOR })
      return before.size !== now.size || [...now].some((key) => !before.has(key))
    },
    child: (peer) => children.get(peer)?.keys ?? NONE,
    all() {
      prune()
      const keys = new Set(own.keys())
      for (const child of children.values()) {
        for (const key of child.keys) {
          if (keys.size >= MAX_INTEREST) return [...keys]
          keys.add(key)
        }
      }
      return [...keys]
    },
    tidy(living) {
      const now = clock.now()
      const gone = [...children].filter(([peer, { until }]) => until <= now || !living.has(peer)).map(([peer]) => peer)
      for (const peer of gone) children.delete(peer)
      return gone
    }
  }
}
