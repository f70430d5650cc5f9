import type { SummaryRow } from '../../wire/summary-row.ts'
import type { Shelf } from './shelf.ts'
import type { Changes } from './shelf-cut.ts'
import { byBucket, createTable, sumOfHashes, type Table } from './table.ts'

/** What a reader of a table needs of it. */
export type TableView = Pick<Table, 'get' | 'hash' | 'buckets' | 'ofBuckets' | 'bytes'> & { readonly size: number }

/** A shelf as one reader sees it: what it shows to all, and the few rows that this one has asked for. Costs those rows, and no more. */
export interface Overlay {
  readonly table: TableView
  /** Keys that are shown whatever the cut says. Returns those whose row changed by it. */
  ask(keys: ReadonlySet<string>): ReadonlySet<string>
  /** The shelf below has changed there. Returns the keys whose row changed here, or may have. */
  follow(changed: Changes): Changes
}

export function createOverlay(shelf: Pick<Shelf, 'table' | 'get'>): Overlay {
  const below = shelf.table
  /** Of the asked keys, those behind the cut. */
  const extra = createTable()
  let asked: ReadonlySet<string> = new Set()

  function look(keys: Iterable<string>, changed: Set<string>): void {
    for (const key of keys) if (extra.set(key, asked.has(key) && below.get(key) === undefined ? shelf.get(key) : undefined)) changed.add(key)
  }

  const table: TableView = {
    get: (key) => below.get(key) ?? extra.get(key),
    hash: () => sumOfHashes(below.hash(), extra.hash()),
    buckets() {
      const more = extra.buckets()
      return below.buckets().map((hash, index) => sumOfHashes(hash, more[index] as number))
    },
    ofBuckets(buckets, after) {
      const all = [...below.ofBuckets(buckets), ...extra.ofBuckets(buckets)].sort(byBucket)
      // A row that is gone meanwhile: from the start, as in a table.
      return after === undefined ? all : all.slice(all.findIndex(({ body }) => body.key === after) + 1)
    },
    get size() {
      return below.rows.size + extra.rows.size
    },
    get bytes() {
      return below.bytes + extra.bytes
    }
  }

  return {
    table,
    ask(keys) {
      const before = asked
      asked = keys
      const changed = new Set<string>()
      look(new Set([...before, ...keys]), changed)
      return changed
    },
    follow(changed) {
      const all = new Map(changed)
      const own = new Set<string>()
      // Also behind the cut: its rows change without a word to those who see only what is before it. What was here before they are told anew.
      look(asked, own)
      for (const key of own) all.set(key, undefined)
      return all
    }
  }
}

/** A whole shelf, for its own reader. */
export function viewOf({ table }: { readonly table: Table }): TableView {
  return {
    get: (key): SummaryRow | undefined => table.get(key),
    hash: () => table.hash(),
    buckets: () => table.buckets(),
    ofBuckets: (buckets, after) => table.ofBuckets(buckets, after),
    get size() {
      return table.rows.size
    },
    get bytes() {
      return table.bytes
    }
  }
}
