import { BUCKETS, rowBytes, type SummaryRow } from '../../wire/summary-row.ts'

/** Hashes are added up modulo this: the order of changes does not matter, and removing one is subtracting it. */
const MODULUS = 2 ** 48

/** Servers by key, with a hash for each bucket of keys and one for all. */
export interface Table {
  readonly rows: ReadonlyMap<string, SummaryRow>
  get(key: string): SummaryRow | undefined
  /** Undefined removes. True if anything changed. */
  set(key: string, row: SummaryRow | undefined): boolean
  hash(): number
  buckets(): number[]
  /** Rows of these buckets, by bucket and key; after `after`, if given. */
  ofBuckets(buckets: ReadonlySet<number>, after?: string): SummaryRow[]
  readonly tools: number
  readonly bytes: number
}

export function createTable(): Table {
  const rows = new Map<string, SummaryRow>()
  const hashes = new Float64Array(BUCKETS)
  let whole = 0
  let tools = 0
  let bytes = 0

  function add(row: SummaryRow, sign: 1 | -1): void {
    const { bucket } = row.body
    const change = sign === 1 ? row.hash : MODULUS - row.hash
    hashes[bucket] = ((hashes[bucket] as number) + change) % MODULUS
    whole = (whole + change) % MODULUS
    tools += sign * row.body.tools.length
    bytes += sign * rowBytes(row)
  }

  return {
    rows,
    get: (key) => rows.get(key),
    set(key, row) {
      const before = rows.get(key)
      if (before?.hash === row?.hash) return false
      if (before !== undefined) add(before, -1)
      if (row === undefined) rows.delete(key)
      else {
        rows.set(key, row)
        add(row, 1)
      }
      return true
    },
    hash: () => whole,
    buckets: () => [...hashes],
    ofBuckets(buckets, after) {
      const all = [...rows.values()].filter(({ body }) => buckets.has(body.bucket)).sort(byBucket)
      if (after === undefined) return all
      const at = all.findIndex(({ body }) => body.key === after)
      if (at >= 0) return all.slice(at + 1)
      // The row is gone meanwhile: from the start, for the reader compares hashes at the end anyway.
      return all
    },
    get tools() {
      return tools
    },
    get bytes() {
      return bytes
    }
  }
}

/** Of two tables without a common row. */
export function sumOfHashes(one: number, two: number): number {
  return (one + two) % MODULUS
}

export function byBucket({ body: a }: SummaryRow, { body: b }: SummaryRow): number {
  return a.bucket - b.bucket || (a.key < b.key ? -1 : 1)
}
