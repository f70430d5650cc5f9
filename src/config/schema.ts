import * as z from 'zod'
import { isGroup, type Group, type Key, type KeyInfo, type Kind } from './key.ts'
import { mcp, serverKeys } from './mcp-section.ts'
import { breaker, catalog, consensus, federation, gossip, membership, monitoring, network, node, rpc, security } from './sections.ts'
import { viewKeys } from './views-section.ts'

/** The one schema: what the file, the environment and the flags may say, and from which docs, examples and JSON Schema are made. */
export const sections = { node, network, federation, membership, gossip, catalog, consensus, monitoring, security, mcp, rpc, breaker } satisfies Group['keys']

type CamelName<S extends string> = S extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<CamelName<Tail>>}` : S
type ValueOf<E> = E extends Key<infer T> ? T : E extends { keys: infer K } ? ValuesOf<K> : never
type ValuesOf<K> = { [N in keyof K & string as CamelName<N>]: ValueOf<K[N]> }
/** What the schema gives, names in camelCase; load.ts makes a Config from it. */
export type ParsedConfig = ValuesOf<typeof sections>

export const configSchema = z.strictObject(shapeOf(sections))

function shapeOf(keys: Group['keys']): Record<string, z.ZodType> {
  return Object.fromEntries(
    Object.entries(keys).map(([name, entry]) => [name, isGroup(entry) ? z.strictObject(shapeOf(entry.keys)).prefault({}).describe(entry.about) : entry.schema])
  )
}

/** `http_port` as `httpPort`. */
export function camelName(name: string): string {
  return name.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase())
}

/** The parsed values with names in camelCase; what lies below a leaf (such as server names) stays as it is. */
export function camelValues(values: unknown): ParsedConfig {
  const convert = (keys: Group['keys'], from: Record<string, unknown>): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(keys).map(([name, entry]) => [camelName(name), isGroup(entry) ? convert(entry.keys, from[name] as Record<string, unknown>) : from[name]])
    )
  return convert(sections, values as Record<string, unknown>) as ParsedConfig
}

export interface ConfigRow extends KeyInfo {
  /** Such as `network.http_port`; `mcp.servers.<name>.url` for the keys of an entry. */
  key: string
  section: string
  /** Environment variable; undefined where only the file can say it. */
  variable: string | undefined
}

/** The keys of each entry, where a key holds entries by name. */
export function entryKeys(kind: Kind): Group['keys'] | undefined {
  return kind === 'servers' ? serverKeys : kind === 'views' ? viewKeys : undefined
}

/** Every key, in the order of the file. */
export function describeConfig(): ConfigRow[] {
  const rows = (keys: Group['keys'], path: string[]): ConfigRow[] =>
    Object.entries(keys).flatMap(([name, entry]) => {
      const here = [...path, name]
      if (isGroup(entry)) return rows(entry.keys, here)
      const entries = entryKeys(entry.info.kind)
      const inFileOnly = entries !== undefined || here.includes('<name>')
      const row = { ...entry.info, key: here.join('.'), section: here[0] as string, variable: inFileOnly ? undefined : `SKEIN_${here.join('_').toUpperCase()}` }
      return entries === undefined ? [row] : [row, ...rows(entries, [...here, '<name>'])]
    })
  return rows(sections, [])
}

/** JSON Schema (draft 2020-12) of the file, for editors and for `skein config schema`. */
export function configJsonSchema(): Record<string, unknown> {
  return { title: 'skein configuration', ...z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }) }
}
