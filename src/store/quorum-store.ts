import { createHash } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import type { QuorumStore, StoredRow } from '../federation/quorum/ports.ts'
import { transaction } from './database.ts'

/** A vote or promise that disk or file system changed must not pass for one that was made. */
const SUM_BYTES = 16

/** The file is opened with `synchronous: full`: a commit is on disk when it returns. */
export function createQuorumStore(db: () => DatabaseSync): QuorumStore {
  return {
    pools: () => db().prepare('SELECT DISTINCT pool FROM quorum ORDER BY pool').all().map((row) => String(row['pool'])),
    load(pool) {
      const rows = db().prepare('SELECT key, bytes, sum FROM quorum WHERE pool = ? ORDER BY key').all(pool)
      return rows.map((row): StoredRow => {
        const key = String(row['key'])
        const bytes = row['bytes'] as Uint8Array
        const sound = Buffer.compare(checksum(pool, key, bytes), row['sum'] as Uint8Array) === 0
        return { key, bytes: sound ? new Uint8Array(bytes) : undefined }
      })
    },
    save(pool, rows) {
      if (rows.length === 0) return
      const database = db()
      const put = database.prepare('INSERT OR REPLACE INTO quorum VALUES (?, ?, ?, ?)')
      const remove = database.prepare('DELETE FROM quorum WHERE pool = ? AND key = ?')
      transaction(database, () => {
        for (const { key, bytes } of rows) {
          if (bytes === undefined) remove.run(pool, key)
          else put.run(pool, key, bytes, checksum(pool, key, bytes))
        }
      })
    }
  }
}

/** Over pool and key too: a row that belongs elsewhere is as wrong as a changed one. */
function checksum(pool: string, key: string, bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(`${pool}\n${key}\n`).update(bytes).digest().subarray(0, SUM_BYTES)
}
