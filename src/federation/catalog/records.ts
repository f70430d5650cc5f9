import type { NodeRecord } from '../../wire/catalog-types.ts'
import type { Scope } from '../../wire/catalog.ts'

/** Records held. A flat pool has 64 nodes, the largest planned one some hundreds; above this someone misbehaves. */
export const MAX_RECORDS = 4_096
/** All sealed records together, bytes: the 4 096 at their maximum would be 1 GiB. */
export const MAX_RECORDS_BYTES = 64 * 1024 * 1024
/** Clocks of machines differ: a record counts this much longer than its writer said, ms. */
export const CLOCK_SKEW = 60_000
/** Nobody may ask to be remembered longer than this, ms: six times the usual life of a record. */
export const MAX_LIFE = 60 * 60_000

/**
 * `new` was taken; `same` was known; `old` has a lower sequence; `conflict` the same sequence and other bytes; `waiting`: its writer is
 * no member yet.
 */
export type UpdateResult = 'new' | 'same' | 'old' | 'conflict' | 'expired' | 'foreign' | 'own' | 'bad' | 'waiting'

interface Held {
  record: NodeRecord
  bytes: Uint8Array
}

/** The records of one pool; pure state of the catalog machine. */
export interface Records {
  putOwn(record: NodeRecord, bytes: Uint8Array): void
  /** `live`: peers whose records are the last to be dropped when full. */
  put(record: NodeRecord, bytes: Uint8Array, live: ReadonlySet<string>, wall: number): UpdateResult
  get(peer: string): NodeRecord | undefined
  bytes(peer: string): Uint8Array | undefined
  /** Drops what has expired; true if there was any. */
  expire(wall: number): boolean
  /** By peer id. */
  list(): NodeRecord[]
  readonly size: number
}

export function createRecords({ federation, pool, self }: Scope & { self: string }): Records {
  const held = new Map<string, Held>()
  let total = 0
  /** Asked for with every comparison, and sorted only after a change. */
  let sorted: readonly NodeRecord[] | undefined

  function remove(peer: string): void {
    sorted = undefined
    total -= held.get(peer)?.bytes.length ?? 0
    held.delete(peer)
  }

  function set(record: NodeRecord, bytes: Uint8Array): void {
    remove(record.peer)
    held.set(record.peer, { record, bytes })
    total += bytes.length
  }

  /** Full: what expires first goes first, nodes without a session before the others; never the own record. */
  function makeRoom(live: ReadonlySet<string>): void {
    if (held.size <= MAX_RECORDS && total <= MAX_RECORDS_BYTES) return
    const order = [...held.values()]
      .map(({ record }) => record)
      .filter(({ peer }) => peer !== self)
      .sort((a, b) => Number(live.has(a.peer)) - Number(live.has(b.peer)) || a.expires - b.expires)
    for (const { peer } of order) {
      if (held.size <= MAX_RECORDS && total <= MAX_RECORDS_BYTES) return
      remove(peer)
    }
  }

  return {
    putOwn: set,
    put(record, bytes, live, wall) {
      if (record.federation !== federation || record.pool !== pool) return 'foreign'
      if (record.expires + CLOCK_SKEW <= wall || record.expires > wall + MAX_LIFE) return 'expired'
      const known = held.get(record.peer)
      if (known !== undefined && known.record.sequence > record.sequence) return 'old'
      if (known !== undefined && known.record.sequence === record.sequence) return Buffer.compare(known.bytes, bytes) === 0 ? 'same' : 'conflict'
      set(record, bytes)
      makeRoom(live)
      return 'new'
    },
    get: (peer) => held.get(peer)?.record,
    bytes: (peer) => held.get(peer)?.bytes,
    expire(wall) {
      const gone = [...held.values()].filter(({ record }) => record.peer !== self && record.expires + CLOCK_SKEW <= wall)
      for (const { record } of gone) remove(record.peer)
      return gone.length > 0
    },
    list: () => [...(sorted ??= [...held.values()].map(({ record }) => record).sort((a, b) => (a.peer < b.peer ? -1 : 1)))],
    get size() {
      return held.size
    }
  }
}
