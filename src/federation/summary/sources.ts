import type { Changed, Direction } from '../../wire/summary.ts'
import { countsEach, makeRow, rowBytes, type SummaryRow } from '../../wire/summary-row.ts'
import { believedClaim, type HubClaim } from '../hub-claims.ts'
import type { Edges } from './ports.ts'
import { createShare, type Share } from './share.ts'
import { createTable, type Table } from './table.ts'

/** Tables of a hub that died or was lost are kept so long: its pool lives on, and a successor comes, ms. */
export const KEEP_LOST = 15_000
/** Five times the servers of the largest federation there is; a hub that tells of more is not followed. */
export const MAX_TABLE = 100_000
/** Of the same table, bytes: with ten tools a server, some 100 000 servers. */
export const MAX_TABLE_BYTES = 64 * 1024 * 1024

/** Comparisons in a row after which the table of a hub does not add up: nobody waits for it any more. A table that changes while it is read does so a few times at most. */
const UNREADABLE_AFTER = 5

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
  /** What of it is told upward. */
  readonly share: Share
  /** The table is that of `peer`. */
  synced: boolean
  /** Comparisons with `last` in a row that did not make it so, though it answered. */
  failures: number
  /** Of the last change of `peer`, or since when it says that it is no hub, monotonic ms. */
  since: number
  /** `peer` says that it is no hub: its lease has run out, or another one has it. */
  denied: boolean
  /** Another node says to be the hub, by a newer lease: `<peer> <token>`. Only `peer` itself can say that it is right. */
  rival: string | undefined
}

/** The tables that a node reads. One for each pool below, and one from above, whoever is hub of it: a successor's replaces it without a gap. */
export interface Sources {
  /** Returns the sources that are to be compared: their hub is another one now, or somebody else says so. `dirty` gets the keys of those that went at once. */
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
  /** Its hub says that it is none any more: its table is kept as long as that of a hub that is gone. True if somebody else says to be: then `edges` takes that one. */
  denied(source: Source, now: number): boolean
  /** Drops what was lost too long ago. */
  expire(now: number, dirty: Set<string>): void
  /** Nothing is missing in the tables, and none of them is that of a hub which is gone; but for those that cannot be read. */
  areWhole(): boolean
  /** When `expire` has something to do, monotonic ms; Infinity: nothing. */
  nextExpiry(): number
}

/** What its hub tells does not add up. */
export function isUnreadable({ failures }: Pick<Source, 'failures'>): boolean {
  return failures >= UNREADABLE_AFTER
}

/** @param onImplausible a node says to be hub of a pool, with a token that cannot be */
export function createSources(onImplausible: (pool: string, claim: HubClaim) => void = () => {}): Sources {
  /** By pool. Bounded by the child hubs of this node, and those lost in the last 15 s. */
  const below = new Map<string, Source>()
  let down: Source | undefined

  function create(direction: Direction, pool: string): Source {
    return { direction, pool, token: 0, peer: undefined, last: undefined, table: createTable(), share: createShare(), synced: false, failures: 0, since: 0, denied: false, rival: undefined }
  }

  function assign(source: Source, to: { peer: string; token: number; pool: string } | undefined, now: number): boolean {
    if (source.peer === to?.peer && (to === undefined || (source.token === to.token && source.pool === to.pool))) return false
    source.peer = to?.peer
    source.synced = false
    source.denied = false
    source.since = now
    if (to === undefined) return false
    if (source.last !== to.peer) source.failures = 0
    source.last = to.peer
    source.token = to.token
    source.pool = to.pool
    return true
  }

  /** Who is hub of the pool: whoever is keeps it until it is dead, gone, or says no more that it is; only then tokens count. */
  function choose(pool: string, claims: readonly HubClaim[], rivals: Map<string, string | undefined>): HubClaim | undefined {
    const source = below.get(pool)
    const known = source === undefined || source.token === 0 ? undefined : source.token
    const { best, jumped } = believedClaim(claims, known)
    for (const claim of jumped) onImplausible(pool, claim)
    const holder = source?.synced === true ? claims.find(({ peer }) => peer === source.peer) : undefined
    if (source === undefined || holder === undefined || holder.token < source.token) return best
    const believed = jumped.includes(holder) ? { ...holder, token: source.token } : holder
    rivals.set(pool, best === undefined || best.peer === holder.peer || best.token <= believed.token ? undefined : `${best.peer} ${best.token}`)
    return believed
  }

  function put({ direction, table, share }: Source, key: string, row: SummaryRow | undefined, dirty: Set<string>): void {
    if (!table.set(key, row)) return
    dirty.add(key)
    if (direction === 'up') for (const moved of share.set(key, row && rowBytes(row))) dirty.add(moved)
  }

  /** Whether a row more fits; one in place of another takes no other place. */
  function fits({ table }: Source, row: SummaryRow): boolean {
    const before = table.get(row.body.key)
    const bytes = table.bytes + rowBytes(row) - (before === undefined ? 0 : rowBytes(before))
    return bytes <= MAX_TABLE_BYTES && (before !== undefined || table.rows.size < MAX_TABLE)
  }

  const all = () => (down === undefined ? [...below.values()] : [...below.values(), down])
  const overdue = (source: Source, now: number) => !source.synced && now - source.since >= KEEP_LOST

  return {
    edges({ up, hubOf }, now, self) {
      const changed: Source[] = []
      const own = new Set(hubOf.map(({ pool }) => pool))
      const claims = new Map<string, HubClaim[]>()
      for (const { children } of hubOf) {
        for (const { peer, hub } of children) {
          // A node that is hub of a pool and of its parent is its own child: it has those records itself.
          if (peer === self || hub === undefined || own.has(hub.pool)) continue
          const ofPool = claims.get(hub.pool) ?? []
          if (!ofPool.some((claim) => claim.peer === peer)) ofPool.push({ peer, token: hub.token })
          claims.set(hub.pool, ofPool)
        }
      }
      const hubs = new Map<string, HubClaim & { pool: string }>()
      const rivals = new Map<string, string | undefined>()
      for (const [pool, ofPool] of claims) {
        const hub = choose(pool, ofPool, rivals)
        if (hub !== undefined) hubs.set(pool, { ...hub, pool })
      }
      for (const [pool, hub] of hubs) {
        const source = below.get(pool) ?? create('up', pool)
        below.set(pool, source)
        // Whoever comes back with an older lease has not heard of its successor yet.
        if (hub.token < source.token) hubs.delete(pool)
        else if (assign(source, hub, now) || (rivals.get(pool) !== undefined && rivals.get(pool) !== source.rival)) changed.push(source)
        source.rival = rivals.get(pool)
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
    replace(source, buckets, rows, dirty) {
      const { table } = source
      const fresh = new Set(rows.map(({ body }) => body.key))
      for (const { body } of table.ofBuckets(buckets)) {
        if (fresh.has(body.key)) continue
        put(source, body.key, undefined, dirty)
      }
      for (const row of rows) if (buckets.has(row.body.bucket) && fits(source, row)) put(source, row.body.key, row, dirty)
    },
    apply(source, { before, after, rows, removed, numbers }, dirty) {
      const { table } = source
      if (table.hash() === after) return true
      if (table.hash() !== before) return false
      for (const key of removed) put(source, key, undefined, dirty)
      for (const row of rows) if (fits(source, row)) put(source, row.body.key, row, dirty)
      for (const { key, ...others } of numbers) {
        const known = table.get(key)
        const facts = known && { body: known.body, ...others }
        if (facts !== undefined && countsEach(facts)) put(source, key, makeRow(facts), dirty)
      }
      return table.hash() === after
    },
    denied(source, now) {
      if (source.rival === undefined && source.denied) return false
      source.synced = false
      source.denied = true
      source.since = now
      return source.rival !== undefined
    },
    expire(now, dirty) {
      for (const source of all()) {
        if (!overdue(source, now)) continue
        for (const key of source.table.rows.keys()) put(source, key, undefined, dirty)
        if (source.peer !== undefined) continue
        if (source === down) down = undefined
        else below.delete(source.pool)
      }
    },
    areWhole: () => all().every((source) => isUnreadable(source) || (source.synced && source.peer !== undefined)),
    nextExpiry() {
      let next = Infinity
      for (const source of all()) if (!source.synced && (source.peer === undefined || source.table.rows.size > 0)) next = Math.min(next, source.since + KEEP_LOST)
      return next
    }
  }
}
