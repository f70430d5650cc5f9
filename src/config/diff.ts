import { isDeepStrictEqual } from 'node:util'
import { isGroup, type Group } from './key.ts'
import { camelName, sections } from './schema.ts'
import type { Config, ServerConfig } from './types.ts'

/** Dotted keys that differ; a server as `mcp.servers.<name>`. `live` ones may be applied now, the others need a restart. */
export interface ConfigChange {
  live: string[]
  restart: string[]
}

export function liveDiff(old: Config, current: Config): ConfigChange {
  const change: ConfigChange = { live: [], restart: [] }
  const compare = (keys: Group['keys'], path: string, before: unknown, after: unknown): void => {
    for (const [name, entry] of Object.entries(keys)) {
      const here = path === '' ? name : `${path}.${name}`
      const [a, b] = [before, after].map((values) => (values as Record<string, unknown> | undefined)?.[camelName(name)])
      if (isGroup(entry)) compare(entry.keys, here, a, b)
      else if (entry.info.kind === 'servers') change.live.push(...changedServers(a as ServerConfig[], b as ServerConfig[]).map((server) => `${here}.${server}`))
      else if (!isDeepStrictEqual(a, b)) change[entry.info.live ? 'live' : 'restart'].push(here)
    }
  }
  compare(sections, '', old, current)
  return change
}

function changedServers(before: readonly ServerConfig[], after: readonly ServerConfig[]): string[] {
  const old = new Map(before.map((server) => [server.name, server]))
  const current = new Map(after.map((server) => [server.name, server]))
  return [...new Set([...old.keys(), ...current.keys()])].filter((name) => !isDeepStrictEqual(old.get(name), current.get(name))).sort()
}
