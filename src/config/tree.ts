import { isGroup, type Group } from './key.ts'
import type { Path } from './yaml-file.ts'

/** A section whose lines are all commented out is null in YAML and means the same as no section. */
export function fillEmptySections(keys: Group['keys'], values: Record<string, unknown>): void {
  for (const [name, entry] of Object.entries(keys)) {
    if (!Object.hasOwn(values, name)) continue
    const value = values[name]
    const empty = value === null && (isGroup(entry) || ['list', 'servers', 'views'].includes(entry.info.kind))
    if (empty) delete values[name]
    else if (isGroup(entry) && typeof value === 'object' && value !== null) fillEmptySections(entry.keys, value as Record<string, unknown>)
  }
}

/** The dotted keys of the schema that `values` sets. */
export function leafPaths(keys: Group['keys'], values: unknown, path: string[] = []): string[] {
  if (typeof values !== 'object' || values === null) return []
  return Object.entries(keys).flatMap(([name, entry]) => {
    if (!Object.hasOwn(values, name)) return []
    const here = [...path, name]
    return isGroup(entry) ? leafPaths(entry.keys, (values as Record<string, unknown>)[name], here) : [here.join('.')]
  })
}

/** Sets a dotted key; false where the file has something else than a section in its way (the schema will say so). */
export function setAt(values: Record<string, unknown>, key: string, value: unknown): boolean {
  const path = key.split('.')
  let at: Record<string, unknown> = values
  for (const step of path.slice(0, -1)) {
    const next = at[step] ?? {}
    if (typeof next !== 'object' || Array.isArray(next)) return false
    // A copy, because YAML aliases make two sections one object.
    at = at[step] = { ...next }
  }
  at[path.at(-1) as string] = value
  return true
}

/** `['network', 'listen', 0]` as `network.listen[0]`. */
export function dotted(path: Path): string {
  return path.reduce<string>((text, step) => (typeof step === 'number' ? `${text}[${step}]` : text === '' ? step : `${text}.${step}`), '')
}
