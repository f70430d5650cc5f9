import { randomBytes } from 'node:crypto'
import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { SkeinError, errorMessage } from '../base/errors.ts'

/** Keys and tokens are hundreds of bytes; more is another file put there by mistake. */
const MAX_BYTES = 64 * 1024
/** Any permission for the group or for others. */
const OTHERS = 0o077
/** Windows has no such bits: there the folder's access list protects the file. */
const HAS_MODES = process.platform !== 'win32'

/**
 * The bytes of a secret file, or undefined if there is none.
 * Throws SKEIN_KEY_FILE, naming the path and the command to run, if others may read it or it cannot be read.
 */
export function readPrivateFile(path: string): Uint8Array | undefined {
  let file
  try {
    file = openSync(path, constants.O_RDONLY)
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return undefined
    throw new SkeinError('SKEIN_KEY_FILE', `${path} cannot be read (${errorMessage(error)}): make it yours with: chown $(id -u) '${path}' && chmod 600 '${path}'`, { cause: error })
  }
  try {
    // The open file is checked, not the path: nobody can swap it in between.
    const stat = fstatSync(file)
    if (!stat.isFile()) throw new SkeinError('SKEIN_KEY_FILE', `${path} is not a file: move it away`)
    if (stat.size > MAX_BYTES) throw new SkeinError('SKEIN_KEY_FILE', `${path} has ${stat.size} bytes, too many for a secret: put the right file there`)
    checkMode(path, stat.mode)
    const bytes = new Uint8Array(stat.size)
    let read = 0
    while (read < bytes.length) {
      const count = readSync(file, bytes, read, bytes.length - read, read)
      if (count === 0) break
      read += count
    }
    return bytes.subarray(0, read)
  } finally {
    closeSync(file)
  }
}

/** Refuses permission bits that let others read or write a secret. */
export function checkMode(path: string, mode: number): void {
  if (!HAS_MODES || (mode & OTHERS) === 0) return
  const shown = (mode & 0o777).toString(8).padStart(3, '0')
  throw new SkeinError('SKEIN_KEY_FILE', `${path} holds secrets and others may use it (mode ${shown}): run: chmod 600 '${path}'`, { data: { path, mode: shown } })
}

/** Writes a secret file with mode 0600, whole or not at all, and on disk when it returns. Throws SKEIN_KEY_FILE. */
export function writePrivateFile(path: string, bytes: Uint8Array): void {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    // "wx": a new file with this mode, never an existing one with another.
    const file = openSync(temporary, 'wx', 0o600)
    try {
      writeFileSync(file, bytes)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(temporary, path)
    syncFolder(dirname(path))
  } catch (error) {
    rmSync(temporary, { force: true })
    throw new SkeinError('SKEIN_KEY_FILE', `${path} cannot be written: ${errorMessage(error)}`, { cause: error })
  }
}

/** Makes the rename itself durable; Windows can neither do it nor needs it. */
function syncFolder(path: string): void {
  if (!HAS_MODES) return
  const folder = openSync(path, constants.O_RDONLY)
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
