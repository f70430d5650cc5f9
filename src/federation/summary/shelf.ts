import type { SummaryRow } from '../../wire/summary-row.ts'
import { createShelfCut, type Changes } from './shelf-cut.ts'
import { createTable, type Table } from './table.ts'
import { weigh, type Line } from './turns.ts'

/** A table that shows at most so many tools: whole servers, the nearest sources first, and equally near ones in turns; and beside them those asked for. */
export interface Shelf {
  /** What is shown. */
  readonly table: Table
  /** The row in or behind the cut. */
  get(key: string): SummaryRow | undefined
  /** Everything in and behind the cut. */
  all(): Iterable<SummaryRow>
  /** How many that are, and what they weigh. */
  size(): { count: number; weight: number }
  /** Undefined: there is none any more. @param below what the shelf below, if this one stands on another, had before its own change */
  put(key: string, row: SummaryRow | undefined, below?: SummaryRow): void
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

/**
 * @param first its limit, tools; Infinity for a table that is complete
 * @param lines of the sources, looked at for each cut; without them, it is as if all came from one
 */
export function createShelf(first: number, lines: () => readonly Line[] = noLines): Shelf {
  const table = createTable()
  const hidden = new Map<string, SummaryRow>()
  /** What all weigh, in and behind the cut. */
  let weight = 0
  const cut = createShelfCut({
    table, rows: all, lines, full,
    placed(row, shown) {
      if (shown) hidden.delete(row.body.key)
      else hidden.set(row.body.key, row)
    }
  }, first)

  function all(): SummaryRow[] {
    return [...table.rows.values(), ...hidden.values()]
  }

  function full(): boolean {
    return weight > cut.limit || hidden.size > 0
  }

  return {
    table, all,
    get: (key) => table.get(key) ?? hidden.get(key),
    size: () => ({ count: table.rows.size + hidden.size, weight }),
    put(key, row) {
      const shown = table.get(key)
      const before = shown ?? hidden.get(key)
      if (before?.hash === row?.hash) return
      weight += (row === undefined ? 0 : weigh(row)) - (before === undefined ? 0 : weigh(before))
      if (full() && moves(before, row)) cut.again()
      // When it is full, a new one waits behind the cut until the cut is made.
      if (shown === undefined && row !== undefined && (before !== undefined || full()) && !cut.asked(key)) hidden.set(key, row)
      else {
        hidden.delete(key)
        cut.show(key, row)
      }
    },
    ask: cut.ask,
    setLimit: cut.setLimit,
    settle: (cutAgain = true) => cut.settle(cutAgain),
    get waiting() {
      return cut.waiting
    },
    get hidden() {
      return hidden.size
    }
  }
}

/**
 * The shelf of one child hub: that of all others in its pool, but for the rows of which some come from the child. So a hub holds for each child what differs and
 * what is shown, however much there is behind the cut. To be told of every change of the base after it.
 */
export function createDerivedShelf(base: Shelf, first: number, lines: () => readonly Line[] = noLines): Shelf {
  const table = createTable()
  /** Undefined: for this child there is none. */
  const differs = new Map<string, SummaryRow | undefined>()
  let { count, weight } = base.size()
  const cut = createShelfCut({ table, rows: all, lines, full }, first)
  cut.again()

  function* all(): Iterable<SummaryRow> {
    for (const row of base.all()) if (!differs.has(row.body.key)) yield row
    for (const row of differs.values()) if (row !== undefined) yield row
  }

  function full(): boolean {
    return weight > cut.limit || count > table.rows.size
  }

  return {
    table, all,
    get: (key) => (differs.has(key) ? differs.get(key) : base.get(key)),
    size: () => ({ count, weight }),
    put(key, row, below) {
      const before = differs.has(key) ? differs.get(key) : below
      if (row?.hash === base.get(key)?.hash) differs.delete(key)
      else differs.set(key, row)
      if (before?.hash === row?.hash) return
      const hides = count > table.rows.size
      count += Number(row !== undefined) - Number(before !== undefined)
      weight += (row === undefined ? 0 : weigh(row)) - (before === undefined ? 0 : weigh(before))
      const isFull = hides || weight > cut.limit
      if (isFull && moves(before, row)) cut.again()
      const waits = table.get(key) === undefined && row !== undefined && (before !== undefined || isFull) && !cut.asked(key)
      if (!waits) cut.show(key, row)
    },
    ask: cut.ask,
    setLimit: cut.setLimit,
    settle: (cutAgain = true) => cut.settle(cutAgain),
    get waiting() {
      return cut.waiting
    },
    get hidden() {
      return count - table.rows.size
    }
  }
}

function noLines(): readonly Line[] {
  return []
}

/** Whoever keeps place and size moves nobody: most changes are numbers of providers. */
function moves(before: SummaryRow | undefined, row: SummaryRow | undefined): boolean {
  return before === undefined || row === undefined || before.hops !== row.hops || weigh(before) !== weigh(row)
}
