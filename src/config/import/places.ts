import { homedir } from 'node:os'
import { join } from 'node:path'
import { nonEmpty, type Env } from '../paths.ts'

/** Clients whose files are known, by the name `skein import --from` takes. */
export const CLIENTS = ['claude-desktop', 'claude-code', 'cursor', 'vscode', 'windsurf'] as const
export type ClientName = (typeof CLIENTS)[number]

export interface ClientPlace {
  client: ClientName
  path: string
  /** The project that the file belongs to: what is relative in it is relative to that. Undefined: it is the user's own. */
  project: string | undefined
}

export interface Machine {
  platform: NodeJS.Platform
  env: Env
  cwd: string
}

/** Where a client keeps its servers: the user's files first, then those of the project in the current directory. */
export function clientPlaces(client: ClientName, machine: Machine): ClientPlace[] {
  const { platform, cwd } = machine
  const home = homeOf(machine)
  const user = (...parts: string[]): ClientPlace => ({ client, path: join(...parts), project: undefined })
  const project = (...parts: string[]): ClientPlace => ({ client, path: join(cwd, ...parts), project: cwd })
  const settings =
    platform === 'darwin'
      ? join(home, 'Library', 'Application Support')
      : platform === 'win32'
        ? (nonEmpty(machine.env['APPDATA']) ?? join(home, 'AppData', 'Roaming'))
        : (nonEmpty(machine.env['XDG_CONFIG_HOME']) ?? join(home, '.config'))
  switch (client) {
    case 'claude-desktop':
      return [user(settings, 'Claude', 'claude_desktop_config.json')]
    case 'claude-code':
      return [user(home, '.claude.json'), project('.mcp.json')]
    case 'cursor':
      return [user(home, '.cursor', 'mcp.json'), project('.cursor', 'mcp.json')]
    case 'vscode':
      return [user(settings, 'Code', 'User', 'mcp.json'), project('.vscode', 'mcp.json')]
    case 'windsurf':
      return [user(home, '.codeium', 'windsurf', 'mcp_config.json')]
  }
}

export function homeOf({ platform, env }: Machine): string {
  return nonEmpty(env[platform === 'win32' ? 'USERPROFILE' : 'HOME']) ?? homedir()
}
