import { randomInt } from '../../../src/base/random.ts'
import type { Random } from '../../../src/base/random.ts'
import type { StoredRow } from '../../../src/federation/quorum/ports.ts'

export type CrashEnd = 'clean' | 'lost' | 'kept' | 'torn'

/** What is on a disk, and what is only on its way there. Writes are whole: all rows of one or none, but for a torn one. */
export interface Disk {
  /** What a new process reads; a row without bytes has a wrong checksum. */
  load(): StoredRow[]
  /** Begins a write; it is not sure before `sync`. */
  write(rows: readonly StoredRow[]): void
  sync(): void
  /** Power goes. An unsynced write is lost, or was kept all the same, or (if allowed) tore one row. */
  crash(random: Random, mayTear: boolean): CrashEnd
  /** A row that was synced can no longer be read. False: there is none. */
  rot(random: Random): boolean
  readonly damaged: boolean
  readonly rows: number
}

export function createDisk(): Disk {
  const synced = new Map<string, Uint8Array | undefined>()
  let unsynced: readonly StoredRow[] | undefined

  function apply(rows: readonly StoredRow[]): void {
    for (const { key, bytes } of rows) {
      if (bytes === undefined) synced.delete(key)
      else synced.set(key, bytes.slice())
    }
  }

  return {
    load: () => [...synced].map(([key, bytes]) => ({ key, bytes: bytes?.slice() })),
    write: (rows) => void (unsynced = rows),
    sync() {
      if (unsynced !== undefined) apply(unsynced)
      unsynced = undefined
    },
    crash(random, mayTear) {
      const rows = unsynced
      unsynced = undefined
      const fate = random.float()
      if (rows === undefined) return 'clean'
      if (mayTear && rows.length > 0 && fate < 0.4) {
        apply(rows)
        synced.set(rows[randomInt(random, rows.length)]!.key, undefined)
        return 'torn'
      }
      if (fate < 0.7) return 'lost'
      apply(rows)
      return 'kept'
    },
    rot(random) {
      const keys = [...synced.keys()]
      if (keys.length === 0) return false
      const key = keys[randomInt(random, keys.length)]!
      synced.set(key, undefined)
      // The two lie side by side in one page of a database.
      if (['v', 'w'].includes(key) && random.float() < 0.5) for (const other of ['v', 'w']) if (synced.has(other)) synced.set(other, undefined)
      return true
    },
    get damaged() {
      return [...synced.values()].includes(undefined)
    },
    get rows() {
      return synced.size
    }
  }
}
