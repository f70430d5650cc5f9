import { closeSync, fstatSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { isSkeinError, SkeinError, errorMessage } from '../base/errors.ts'
import { checkMode } from './private-file.ts'

export interface DatabaseOptions {
  path: string
  /** The SQL that leads from version n to n + 1, in order; never changed once released, only added to. */
  migrations: readonly string[]
  /** `full`: every commit is on disk when it returns. `normal`: the last ones may be lost in a power cut, the file stays sound. */
  synchronous: 'full' | 'normal'
}

/** Another process (a backup) may hold the file for a moment, ms. */
const BUSY_TIMEOUT = 5_000

/**
 * Opens or creates an SQLite file with mode 0600 in WAL mode and brings its schema up to date.
 * Throws SKEIN_DATA_DIR (cannot be used, or written by a newer version) or SKEIN_KEY_FILE (others may read it).
 */
export function openDatabase({ path, migrations, synchronous }: DatabaseOptions): DatabaseSync {
  let database: DatabaseSync | undefined
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    createPrivate(path)
    database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT })
    database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}`)
    migrate(database, path, migrations)
    return database
  } catch (error) {
    database?.close()
    if (isSkeinError(error)) throw error
    throw new SkeinError(
      'SKEIN_DATA_DIR',
      `${path} cannot be used (${errorMessage(error)}): check the folder's owner and free space; if the file is damaged, restore it or move it away`,
      { cause: error }
    )
  }
}

/** SQLite gives its -wal and -shm files the mode of the main file, so it is made first, by us. */
function createPrivate(path: string): void {
  const file = openSync(path, 'a', 0o600)
  try {
    checkMode(path, fstatSync(file).mode)
  } finally {
    closeSync(file)
  }
}

function migrate(database: DatabaseSync, path: string, migrations: readonly string[]): void {
  const version = versionOf(database)
  if (version > migrations.length) {
    throw new SkeinError('SKEIN_DATA_DIR', `${path} was written by a newer skein (schema ${version}, this one knows ${migrations.length}): start the newer version, or use another data directory`)
  }
  if (version === migrations.length) return
  transaction(database, () => {
    // Asked again inside: another process may have been faster.
    for (const sql of migrations.slice(versionOf(database))) database.exec(sql)
    database.exec(`PRAGMA user_version = ${migrations.length}`)
  })
}

function versionOf(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.['user_version'])
}

/** Runs `work` with the file locked for writing from the start; all of it happens or nothing. */
export function transaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    database.exec('COMMIT')
    return result
  } catch (error) {
    // SQLite itself has rolled back after some errors (a full disk).
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}
