import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { BaseDatastore } from 'datastore-core'
import { Key, type Batch, type Datastore, type KeyQuery, type Pair, type Query } from 'interface-datastore'
import type { Logger } from '../base/logger.ts'
import { openDatabase, transaction } from './database.ts'

const MIGRATIONS = [
  `CREATE TABLE entries (key TEXT PRIMARY KEY, value BLOB NOT NULL, written INTEGER NOT NULL) STRICT;
   CREATE INDEX entries_by_age ON entries (written);`
]
/** libp2p keeps one entry per peer it has met and forgets slowly; the ones written longest ago go first. */
const MAX_ENTRIES = 20_000
/** A query reads this many rows at a time, so that memory stays flat and writers may come between. */
const PAGE = 256

export interface PeerDatastore extends Datastore {
  /** Idempotent. Later writes are ignored and later reads find nothing: libp2p's parts stop one by one. */
  close(): void
}

/** libp2p's peer store in `<data-dir>/peers.db` (0600). A power cut may cost its last writes, never the file. Throws SKEIN_DATA_DIR. */
export function openDatastore(dataDir: string, { logger }: { logger: Logger }): PeerDatastore {
  return new SqliteDatastore(openDatabase({ path: join(dataDir, 'peers.db'), migrations: MIGRATIONS, synchronous: 'normal' }), logger)
}

/** What libp2p tests by its name (interface-store's NotFoundError). */
class NotFoundError extends Error {
  static override readonly name = 'NotFoundError'
  override readonly name = 'NotFoundError'
}

interface AbortOptions {
  signal?: AbortSignal
}

/** A class only because BaseDatastore is one: it brings filters, orders, offsets and limits of queries. */
class SqliteDatastore extends BaseDatastore implements PeerDatastore {
  #database: DatabaseSync | undefined
  readonly #logger: Logger
  #written: number
  #size: number

  constructor(database: DatabaseSync, logger: Logger) {
    super()
    this.#database = database
    this.#logger = logger
    const row = database.prepare('SELECT COUNT(*) AS size, COALESCE(MAX(written), 0) AS written FROM entries').get()
    this.#size = Number(row?.['size'])
    this.#written = Number(row?.['written'])
  }

  override put(key: Key, value: Uint8Array, options?: AbortOptions): Key {
    options?.signal?.throwIfAborted()
    const database = this.#open()
    if (database !== undefined) this.#put(database, key, value)
    return key
  }

  override get(key: Key, options?: AbortOptions): Uint8Array {
    options?.signal?.throwIfAborted()
    const row = this.#open()?.prepare('SELECT value FROM entries WHERE key = ?').get(key.toString())
    if (row === undefined) throw new NotFoundError(`there is no ${key.toString()}`)
    return row['value'] as Uint8Array
  }

  override has(key: Key, options?: AbortOptions): boolean {
    options?.signal?.throwIfAborted()
    return this.#open()?.prepare('SELECT 1 FROM entries WHERE key = ?').get(key.toString()) !== undefined
  }

  override delete(key: Key, options?: AbortOptions): void {
    options?.signal?.throwIfAborted()
    const database = this.#open()
    if (database !== undefined) this.#delete(database, key)
  }

  /** All of a batch happens or nothing, in the order of the calls. */
  override batch(): Batch {
    let work: ((database: DatabaseSync) => void)[] = []
    return {
      put: (key, value) => void work.push((database) => this.#put(database, key, value)),
      delete: (key) => void work.push((database) => this.#delete(database, key)),
      commit: (options) => {
        options?.signal?.throwIfAborted()
        const [database, size] = [this.#open(), this.#size]
        try {
          if (database !== undefined) transaction(database, () => work.forEach((step) => step(database)))
        } catch (error) {
          this.#size = size
          throw error
        }
        work = []
      }
    }
  }

  override *_all({ prefix = '' }: Query, options?: AbortOptions): Generator<Pair> {
    // Keys compare as bytes, so those with one prefix follow each other, from the prefix itself on.
    let [from, after] = [prefix, false]
    for (;;) {
      options?.signal?.throwIfAborted()
      const rows = this.#open()?.prepare(`SELECT key, value FROM entries WHERE key ${after ? '>' : '>='} ? ORDER BY key LIMIT ${PAGE}`).all(from) ?? []
      for (const row of rows) {
        const key = String(row['key'])
        if (!key.startsWith(prefix)) return
        yield { key: new Key(key), value: row['value'] as Uint8Array }
        ;[from, after] = [key, true]
      }
      if (rows.length < PAGE) return
    }
  }

  override *_allKeys({ prefix }: KeyQuery, options?: AbortOptions): Generator<Key> {
    for (const { key } of this._all(prefix === undefined ? {} : { prefix }, options)) yield key
  }

  close(): void {
    this.#database?.close()
    this.#database = undefined
  }

  #open(): DatabaseSync | undefined {
    if (this.#database === undefined) this.#logger.debug('a late use of the closed peer store is ignored')
    return this.#database
  }

  #put(database: DatabaseSync, key: Key, value: Uint8Array): void {
    const name = key.toString()
    const isNew = database.prepare('SELECT 1 FROM entries WHERE key = ?').get(name) === undefined
    if (isNew && this.#size >= MAX_ENTRIES) {
      this.#size -= Number(database.prepare('DELETE FROM entries WHERE key IN (SELECT key FROM entries ORDER BY written LIMIT 1)').run().changes)
    }
    database.prepare('INSERT OR REPLACE INTO entries VALUES (?, ?, ?)').run(name, value, ++this.#written)
    if (isNew) this.#size++
  }

  #delete(database: DatabaseSync, key: Key): void {
    this.#size -= Number(database.prepare('DELETE FROM entries WHERE key = ?').run(key.toString()).changes)
  }
}
