import type { Outcome } from './events.ts'

/** Forwarded changes that are remembered, with their outcome. */
const MAX_OPS_KEPT = 1_024

/** Changes that others had this voter make, by their op id. */
export interface Ops {
  /** True: it runs, or ended, already; `heard` is told its outcome. False: it is new, and `heard` waits for `ended`. */
  join(op: string, heard: (outcome: Outcome) => void): boolean
  ended(op: string, outcome: Outcome): void
}

export function createOps(): Ops {
  const kept = new Map<string, { outcome: Outcome | undefined; waiting: ((outcome: Outcome) => void)[] }>()

  /** Running ones are bounded by the proposals of a node. */
  function bound(): void {
    for (const [op, { outcome }] of kept) {
      if (kept.size <= MAX_OPS_KEPT) return
      if (outcome !== undefined) kept.delete(op)
    }
  }

  return {
    join(op, heard) {
      const found = kept.get(op)
      if (found === undefined) {
        kept.set(op, { outcome: undefined, waiting: [heard] })
        bound()
        return false
      }
      if (found.outcome === undefined) found.waiting.push(heard)
      else heard(found.outcome)
      return true
    },
    ended(op, outcome) {
      const waiting = kept.get(op)?.waiting ?? []
      kept.set(op, { outcome, waiting: [] })
      for (const each of waiting) each(outcome)
    }
  }
}
