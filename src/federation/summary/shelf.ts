import type { SummaryBody, SummaryRow } from '../../wire/summary-row.ts'
import { createTable, type Table } from './table.ts'

/** Newcomers fill a full table up to here only; what is in may stay up to the limit. So changes near the cut move one server, not many. */
const NEWCOMERS = 0.95

/** Keys whose row changed, each with the body that was shown before, if there was one: readers have that. */
export type Changes = ReadonlyMap<string, SummaryBody | undefined>

/** A table that shows at most so many tools: whole servers, the nearest first, then by key; and beside them those asked for. */
export interface Shelf {
  /** What is shown. */
  readonly table: Table
  /** The row in or behind the cut. */
  get(key: string): SummaryRow | undefined
  /** Undefined: there is none any more. */
  put(key: string, row: SummaryRow | undefined): void
  /** Keys that are shown whatever the cut says. */
  ask(keys: ReadonlySet<string>): void
  /** Another limit, from the next cut on. */
  setLimit(limit: number): void
  /** Makes the cut. Returns the keys whose shown row changed since the last time (a few more, if they changed back). @param cutAgain false: a full table is not cut anew; `waiting` says that it is to be */
  settle(cutAgain?: boolean): Changes
  /** Servers have come or gone since the last cut. */
  readonly waiting: boolean
  /** Servers behind the cut. */
  readonly hidden: number
}

/** @param first its limit, tools; Infinity for a table that is complete */
export function createShelf(first: number): Shelf {
  let limit = first
  const table = createTable()
  const hidden = new Map<string, SummaryRow>()
  let asked: ReadonlySet<string> = new Set()
  let changed = new Map<string, SummaryBody | undefined>()
  let recut = false
  /** Somebody waits for the next cut. */
  let now = false
  let fresh = true
  /** What all weigh, in and behind the cut. */
  let weight = 0

  function show(key: string, row: SummaryRow | undefined): void {
    const before = table.get(key)?.body
    if (table.set(key, row) && !changed.has(key)) changed.set(key, before)
  }

  function cut(): void {
    recut = now = false
    const all = [...table.rows.values(), ...hidden.values()].sort(nearestFirst)
    const newcomers = fresh ? limit : Math.floor(limit * NEWCOMERS)
    fresh = false
    let sum = 0
    for (const row of all) {
      const { key } = row.body
      const next = sum + weigh(row)
      const fits = next <= (table.get(key) === undefined ? newcomers : limit)
      if (fits) sum = next
      if (fits || asked.has(key)) {
        hidden.delete(key)
        show(key, row)
      } else {
        hidden.set(key, row)
        show(key, undefined)
      }
    }
  }

  return {
    table,
    get: (key) => table.get(key) ?? hidden.get(key),
    put(key, row) {
      const shown = table.get(key)
      const before = shown ?? hidden.get(key)
      if (before?.hash === row?.hash) return
      weight += (row === undefined ? 0 : weigh(row)) - (before === undefined ? 0 : weigh(before))
      // Whoever keeps place and size moves nobody: most changes are numbers of providers.
      const moves = before === undefined || row === undefined || before.hops !== row.hops || weigh(before) !== weigh(row)
      const full = weight > limit || hidden.size > 0
      if (moves && full) recut = true
      // When it is full, a new one waits behind the cut until the cut is made.
      if (shown === undefined && row !== undefined && (before !== undefined || full) && !asked.has(key)) hidden.set(key, row)
      else {
        hidden.delete(key)
        show(key, row)
      }
    },
    ask(keys) {
      if (keys.size === asked.size && [...keys].every((key) => asked.has(key))) return
      asked = keys
      if (hidden.size > 0 || weight > limit) recut = now = true
    },
    setLimit(next) {
      if (next === limit) return
      limit = next
      recut = now = true
    },
    settle(cutAgain = true) {
      if (recut && (cutAgain || now || fresh)) cut()
      const told = changed
      changed = new Map()
      if (table.rows.size > 0) fresh = false
      return told
    },
    get waiting() {
      return recut
    },
    get hidden() {
      return hidden.size
    }
  }
}

/** A server without tools has a place too. */
function weigh(row: SummaryRow): number {
  return Math.max(1, row.body.tools.length)
}

function nearestFirst(a: SummaryRow, b: SummaryRow): number {
  return a.hops - b.hops || (a.body.key < b.body.key ? -1 : 1)
}
