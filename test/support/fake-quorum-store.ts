import type { QuorumStore } from '../../src/federation/quorum/ports.ts'

export interface FakeQuorumStore extends QuorumStore {
  damage(pool: string, key: string): void
  /** The next saves throw. */
  full: boolean
  saves: number
}

/** In memory, with the same rules as the real one (test/contract/store/quorum-store.test.ts runs against both). */
export function createFakeQuorumStore(): FakeQuorumStore {
  const pools = new Map<string, Map<string, Uint8Array | undefined>>()
  const rowsOf = (pool: string) => pools.get(pool) ?? new Map<string, Uint8Array | undefined>()
  const store: FakeQuorumStore = {
    full: false,
    saves: 0,
    pools: () => [...pools].flatMap(([pool, rows]) => (rows.size > 0 ? [pool] : [])).toSorted(),
    load: (pool) => [...rowsOf(pool)].map(([key, bytes]) => ({ key, bytes })).toSorted((a, b) => (a.key < b.key ? -1 : 1)),
    save(pool, rows) {
      if (store.full) throw new Error('the disk is full')
      store.saves += 1
      const mine = rowsOf(pool)
      for (const { key, bytes } of rows) {
        if (bytes === undefined) mine.delete(key)
        else mine.set(key, new Uint8Array(bytes))
      }
      pools.set(pool, mine)
    },
    damage(pool, key) {
      rowsOf(pool).set(key, undefined)
    }
  }
  return store
}
