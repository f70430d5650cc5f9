import { isDeepStrictEqual } from 'node:util'
import { isGroup, type Group } from './key.ts'
import { camelName, entryKeys, sections } from './schema.ts'
import type { Config } from './types.ts'

/** Dotted keys that differ; a server as `mcp.servers.<name>`, a view as `mcp.views.<name>`. `live` ones may be applied now, the others need a restart. */
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
      else if (entryKeys(entry.info.kind) !== undefined) change.live.push(...changedEntries(a as Named[], b as Named[]).map((changed) => `${here}.${changed}`))
      else if (!isDeepStrictEqual(a, b)) change[entry.info.live ? 'live' : 'restart'].push(here)
    }
  }
  compare(sections, '', old, current)
  return change
}

type Named = { readonly name: string }

function changedEntries(before: readonly Named[], after: readonly Named[]): string[] {
  const old = new Map(before.map((entry) => [entry.name, entry]))
  const current = new Map(after.map((entry) => [entry.name, entry]))
  return [...new Set([...old.keys(), ...current.keys()])].filter((name) => !isDeepStrictEqual(old.get(name), current.get(name))).sort()
}
