import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import type { CliIo } from './context.ts'

/** The directory when nobody names one: `./.skein` if it exists, else `$XDG_STATE_HOME/skein` or `~/.local/state/skein`. */
export function fallbackDataDir(io: Pick<CliIo, 'env' | 'cwd'>): string {
  const local = join(io.cwd, '.skein')
  if (existsSync(local)) return local
  return join(io.env.XDG_STATE_HOME || join(io.env.HOME || homedir(), '.local', 'state'), 'skein')
}

/** The data directory a command means: --data-dir, SKEIN_DATA_DIR, then the fallback. */
export function dataDirOf(flag: string | undefined, io: Pick<CliIo, 'env' | 'cwd'>): string {
  const named = flag ?? (io.env.SKEIN_DATA_DIR || undefined)
  return named === undefined ? fallbackDataDir(io) : resolve(io.cwd, named)
}
