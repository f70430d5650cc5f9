import type { NodeRecord, ServerEntry } from '../../wire/catalog-types.ts'
import { makeBody, type RowFacts, type SummaryBody } from '../../wire/summary-row.ts'
import { summaryKey } from '../../wire/summary-types.ts'
import { lineOf, weigh, type Line } from './turns.ts'

/** What the records of a hub's own pools say about servers, by key. Changes cost what has changed. */
export interface Claims {
  /** Compares with the records as they are now; keys of servers that changed go into `dirty`. */
  update(pools: readonly string[], records: (pool: string) => readonly NodeRecord[], dirty: Set<string>): void
  /**
   * Without the nodes that are in the pool `notIn`: who reads there has their records. With `below`, only nodes of these pools, and of those that
   * are in `notIn` as well all but `self`: they are about to leave it, and then their servers must be known from here already.
   */
  parts(key: string, notIn: string, below?: { pools: ReadonlySet<string>; self: string }): RowFacts[]
  /** What the records of each pool say, without the nodes that are in `notIn`; whoever is in several counts for the first of them. */
  lines(notIn: string): Line[]
  keys(): Iterable<string>
}

interface Known {
  record: NodeRecord
  pools: readonly string[]
  rows: ReadonlyMap<string, RowFacts>
}

/** The key of a record's server. */
export function keyOf(entry: Pick<ServerEntry, 'name' | 'stateless'>, peer: string): string {
  return summaryKey(entry.stateless ? { name: entry.name } : { name: entry.name, owner: peer })
}

export function createClaims(): Claims {
  /** Bounded by the members of the pools that this node is hub of. */
  const nodes = new Map<string, Known>()
  const byKey = new Map<string, Set<string>>()
  /** Replicas of one server mostly say the same: one body for them, as long as any is there. */
  const bodies = new Map<string, SummaryBody>()

  function shared(body: SummaryBody): SummaryBody {
    const known = bodies.get(body.key)
    if (known !== undefined && Buffer.compare(known.hash, body.hash) === 0) return known
    bodies.set(body.key, body)
    return body
  }

  function drop(peer: string, dirty: Set<string>): void {
    for (const key of nodes.get(peer)?.rows.keys() ?? []) {
      dirty.add(key)
      const peers = byKey.get(key)
      peers?.delete(peer)
      if (peers?.size === 0) {
        byKey.delete(key)
        bodies.delete(key)
      }
    }
    nodes.delete(peer)
  }

  function put(record: NodeRecord, pools: readonly string[], dirty: Set<string>): void {
    const rows = new Map<string, RowFacts>()
    for (const entry of record.servers) {
      const key = keyOf(entry, record.peer)
      rows.set(key, { body: shared(bodyOf(entry, record)), claimed: entry.claimed, providers: 1, hops: 0 })
      dirty.add(key)
      const peers = byKey.get(key) ?? new Set()
      byKey.set(key, peers.add(record.peer))
    }
    nodes.set(record.peer, { record, pools, rows })
  }

  return {
    update(pools, records, dirty) {
      const now = new Map<string, { record: NodeRecord; pools: string[] }>()
      for (const pool of pools) {
        for (const record of records(pool)) {
          const known = now.get(record.peer)
          if (known === undefined) now.set(record.peer, { record, pools: [pool] })
          else {
            // A node in two of them writes a record for each; the newer one says more.
            known.pools.push(pool)
            if (record.sequence > known.record.sequence) known.record = record
          }
        }
      }
      for (const peer of nodes.keys()) if (!now.has(peer)) drop(peer, dirty)
      for (const [peer, { record, pools: inPools }] of now) {
        const known = nodes.get(peer)
        if (known?.record.sequence === record.sequence && known.record.pool === record.pool && known.pools.join() === inPools.join()) continue
        drop(peer, dirty)
        put(record, inPools, dirty)
      }
    },
    parts(key, notIn, below) {
      const isWanted = (peer: string, pools: readonly string[]) =>
        below === undefined ? !pools.includes(notIn) : pools.some((pool) => below.pools.has(pool)) && (peer !== below.self || !pools.includes(notIn))

      const parts: RowFacts[] = []
      for (const peer of byKey.get(key) ?? []) {
        const node = nodes.get(peer)
        const row = node?.rows.get(key)
        if (node !== undefined && row !== undefined && isWanted(peer, node.pools)) parts.push(row)
      }
      return parts
    },
    lines(notIn) {
      const byPool = new Map<string, Map<string, RowFacts>>()
      for (const { pools, rows } of nodes.values()) {
        const [pool] = pools
        if (pool === undefined || pools.includes(notIn)) continue
        const ofPool = byPool.get(pool) ?? new Map<string, RowFacts>()
        byPool.set(pool, ofPool)
        for (const [key, row] of rows) {
          const known = ofPool.get(key)
          if (known === undefined || weigh(known) < weigh(row)) ofPool.set(key, row)
        }
      }
      return Array.from(byPool.values(), (rows) => lineOf('own', rows.values()))
    },
    keys: () => byKey.keys()
  }
}

function bodyOf(entry: ServerEntry, record: NodeRecord): SummaryBody {
  return makeBody({
    name: entry.name,
    ...(entry.stateless ? {} : { owner: record.peer, node: record.name }),
    ...(entry.timeout === undefined ? {} : { timeout: entry.timeout }),
    ...(entry.about === undefined ? {} : { about: entry.about }),
    tools: entry.tools.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  })
}
