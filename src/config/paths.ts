import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

export type Env = Readonly<Record<string, string | undefined>>

/** Where a node keeps its state when nothing says otherwise: `$XDG_STATE_HOME/skein` or `~/.local/state/skein`. */
export function defaultDataDir(env: Env): string {
  const state = env['XDG_STATE_HOME']
  // The XDG Base Directory Specification wants relative values ignored.
  if (state !== undefined && isAbsolute(state)) return join(state, 'skein')
  return join(nonEmpty(env['HOME']) ?? homedir(), '.local', 'state', 'skein')
}

/** `~` and `~/…` as the home directory. */
export function expandHome(path: string, env: Env): string {
  return path === '~' || path.startsWith('~/') ? join(nonEmpty(env['HOME']) ?? homedir(), path.slice(1)) : path
}

/** Empty variables count as not set, as in shells' `${NAME:-…}`. */
export function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : text
}
