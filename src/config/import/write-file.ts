import { randomBytes } from 'node:crypto'
import { closeSync, fchmodSync, fsyncSync, openSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { SkeinError, errorMessage } from '../../base/errors.ts'

/** A configuration may hold secrets: a new one is its owner's alone. */
const PRIVATE = 0o600

/**
 * Replaces a text file whole or not at all; it is on disk when this returns. `mode` are the permission bits it had (@default 0600).
 * A link stays a link. Throws SKEIN_CONFIG.
 */
export function replaceFile(path: string, text: string, mode: number = PRIVATE): void {
  const target = realPath(path)
  const temporary = `${target}.${randomBytes(6).toString('hex')}.tmp`
  try {
    // "wx": never somebody else's file.
    const file = openSync(temporary, 'wx', PRIVATE)
    try {
      writeFileSync(file, text)
      if (mode !== PRIVATE) fchmodSync(file, mode)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(temporary, target)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw new SkeinError('SKEIN_CONFIG', `${path} cannot be written: ${errorMessage(error)}`, { cause: error })
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    // It is new.
    return path
  }
}
