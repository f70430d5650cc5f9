import type { SummaryBody, SummaryRow } from '../../wire/summary-row.ts'
import type { Table } from './table.ts'
import { inTurns, weigh, type Line } from './turns.ts'

/** Newcomers fill a full table up to here only; what is in may stay up to the limit. So changes near the cut move one server, not many. */
const NEWCOMERS = 0.95

/** Keys whose row changed, each with the body that was shown before, if there was one: readers have that. */
export type Changes = ReadonlyMap<string, SummaryBody | undefined>

export interface CutDeps {
  /** What is shown. */
  table: Table
  /** All that could be. */
  rows(): Iterable<SummaryRow>
  /** Of those who tell of them. */
  lines(): readonly Line[]
  /** Not all of it can be shown, or is. */
  full(): boolean
  /** Where the cut has put it. */
  placed?(row: SummaryRow, shown: boolean): void
}

/** Which of its rows a shelf shows: whole servers, in turns of those who tell of them, and beside them those asked for. */
export interface ShelfCut {
  readonly limit: number
  show(key: string, row: SummaryRow | undefined): void
  asked(key: string): boolean
  ask(keys: ReadonlySet<string>): void
  setLimit(limit: number): void
  /** It is to be made anew. */
  again(): void
  settle(cutAgain: boolean): Changes
  readonly waiting: boolean
}

export function createShelfCut({ table, rows, lines, full, placed }: CutDeps, first: number): ShelfCut {
  let limit = first
  let asked: ReadonlySet<string> = new Set()
  let changed = new Map<string, SummaryBody | undefined>()
  let recut = false
  /** Somebody waits for the next cut. */
  let now = false
  let fresh = true

  function show(key: string, row: SummaryRow | undefined): void {
    const before = table.get(key)?.body
    if (table.set(key, row) && !changed.has(key)) changed.set(key, before)
  }

  function cut(): void {
    recut = now = false
    const newcomers = fresh ? limit : Math.floor(limit * NEWCOMERS)
    fresh = false
    let sum = 0
    inTurns(rows(), lines(), (row) => {
      const { key } = row.body
      const next = sum + weigh(row)
      const fits = next <= (table.get(key) === undefined ? newcomers : limit)
      if (fits) sum = next
      const shown = fits || asked.has(key)
      placed?.(row, shown)
      show(key, shown ? row : undefined)
      return fits
    })
  }

  return {
    get limit() {
      return limit
    },
    show,
    asked: (key) => asked.has(key),
    ask(keys) {
      if (keys.size === asked.size && [...keys].every((key) => asked.has(key))) return
      asked = keys
      if (full()) recut = now = true
    },
    setLimit(next) {
      if (next === limit) return
      limit = next
      recut = now = true
    },
    again() {
      recut = true
    },
    settle(cutAgain) {
      if (recut && (cutAgain || now || fresh)) cut()
      const told = changed
      changed = new Map()
      if (table.rows.size > 0) fresh = false
      return told
    },
    get waiting() {
      return recut
    }
  }
}
