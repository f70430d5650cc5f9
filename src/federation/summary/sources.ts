import type { Changed, Direction } from '../../wire/summary.ts'
import type { SummaryRow } from '../../wire/summary-row.ts'
import type { Edges } from './ports.ts'
import { createTable, type Table } from './table.ts'

/** Tables of a hub that died or was lost are kept so long: its pool lives on, and a successor comes, ms. */
export const KEEP_LOST = 15_000
/** Five times the servers of the largest federation there is; a hub that tells of more is not followed. */
export const MAX_TABLE = 100_000

/** A table that this node reads, and whom it reads it from. */
export interface Source {
  /** `up`: of the hub of `pool` below. `down`: of the hub above. */
  readonly direction: Direction
  pool: string
  /** Fencing number of its hub: lower ones are not believed. */
  token: number
  /** Undefined: its hub is gone, and no successor known. */
  peer: string | undefined
  /** Who told it last; for questions that may still reach it. */
  last: string | undefined
  readonly table: Table
  /** The table is that of `peer`. */
  synced: boolean
  /** Of the last change of `peer`, monotonic ms. */
  since: number
}

/** The tables that a node reads. One for each pool below, and one from above, whoever is hub of it: a successor's replaces it without a gap. */
export interface Sources {
  /** Returns the sources whose hub is another one now. `dirty` gets the keys of those that went at once. */
  edges(edges: Edges, now: number, self: string): Source[]
  down(): Source | undefined
  below(): Iterable<Source>
  all(): Iterable<Source>
  /** The source that `from` may write to. */
  find(direction: Direction, pool: string, from: string): Source | undefined
  /** Puts the rows in place of what is in these buckets. */
  replace(source: Source, buckets: ReadonlySet<number>, rows: readonly SummaryRow[], dirty: Set<string>): void
  /** False: something is missing before it, or it does not add up; compare. */
  apply(source: Source, changed: Changed, dirty: Set<string>): boolean
  /** Drops what was lost too long ago. */
  expire(now: number, dirty: Set<string>): void
  /** When `expire` has something to do, monotonic ms; Infinity: nothing. */
  nextExpiry(): number
}

export function createSources(): Sources {
  /** By pool. Bounded by the child hubs of this node, and those lost in the last 15 s. */
  const below = new Map<string, Source>()
  let down: Source | undefined

  function create(direction: Direction, pool: string): Source {
    return { direction, pool, token: 0, peer: undefined, last: undefined, table: createTable(), synced: false, since: 0 }
  }

  function assign(source: Source, to: { peer: string; token: number; pool: string } | undefined, now: number): boolean {
    if (source.peer === to?.peer && (to === undefined || (source.token === to.token && source.pool === to.pool))) return false
    source.peer = to?.peer
    source.synced = false
    source.since = now
    if (to === undefined) return false
    source.last = to.peer
    source.token = to.token
    source.pool = to.pool
    return true
  }

  const all = () => (down === undefined ? [...below.values()] : [...below.values(), down])
  const overdue = (source: Source, now: number) => !source.synced && now - source.since >= KEEP_LOST

  return {
    edges({ up, hubOf }, now, self) {
      const changed: Source[] = []
      const own = new Set(hubOf.map(({ pool }) => pool))
      const hubs = new Map<string, { peer: string; token: number; pool: string }>()
      for (const { children } of hubOf) {
        for (const { peer, hub } of children) {
          // A node that is hub of a pool and of its parent is its own child: it has those records itself.
          if (peer === self || hub === undefined || own.has(hub.pool)) continue
          const known = hubs.get(hub.pool)
          if (known === undefined || known.token < hub.token) hubs.set(hub.pool, { peer, token: hub.token, pool: hub.pool })
        }
      }
      for (const [pool, hub] of hubs) {
        const source = below.get(pool) ?? create('up', pool)
        below.set(pool, source)
        // Whoever comes back with an older lease has not heard of its successor yet.
        if (hub.token < source.token) hubs.delete(pool)
        else if (assign(source, hub, now)) changed.push(source)
      }
      for (const source of below.values()) if (!hubs.has(source.pool)) assign(source, undefined, now)
      if (up !== undefined) down ??= create('down', up.pool)
      if (down !== undefined && assign(down, up, now)) changed.push(down)
      return changed
    },
    down: () => down,
    below: () => below.values(),
    all,
    find(direction, pool, from) {
      const source = direction === 'down' ? down : below.get(pool)
      return source !== undefined && source.pool === pool && source.peer === from ? source : undefined
    },
    replace({ table }, buckets, rows, dirty) {
      const fresh = new Set(rows.map(({ body }) => body.key))
      for (const { body } of table.ofBuckets(buckets)) {
        if (fresh.has(body.key)) continue
        table.set(body.key, undefined)
        dirty.add(body.key)
      }
      for (const row of rows) if (buckets.has(row.body.bucket) && table.rows.size < MAX_TABLE && table.set(row.body.key, row)) dirty.add(row.body.key)
    },
    apply({ table }, { before, after, rows, removed }, dirty) {
      if (table.hash() === after) return true
      if (table.hash() !== before || table.rows.size + rows.length > MAX_TABLE) return false
      for (const key of removed) if (table.set(key, undefined)) dirty.add(key)
      for (const row of rows) if (table.set(row.body.key, row)) dirty.add(row.body.key)
      return table.hash() === after
    },
    expire(now, dirty) {
      for (const source of all()) {
        if (!overdue(source, now)) continue
        for (const key of source.table.rows.keys()) {
          source.table.set(key, undefined)
          dirty.add(key)
        }
        if (source.peer !== undefined) continue
        if (source === down) down = undefined
        else below.delete(source.pool)
      }
    },
    nextExpiry() {
      let next = Infinity
      for (const source of all()) if (!source.synced && (source.peer === undefined || source.table.rows.size > 0)) next = Math.min(next, source.since + KEEP_LOST)
      return next
    }
  }
}
