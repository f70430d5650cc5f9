import type * as z from 'zod'
import { nearest } from '../base/nearest.ts'
import { isGroup, type Group } from './key.ts'
import { serverKeys } from './mcp-section.ts'
import { findKey } from './overlay.ts'
import { shortValue } from './problems.ts'
import { configSchema, describeConfig, sections } from './schema.ts'
import { viewKeys } from './views-section.ts'
import type { Path } from './yaml-file.ts'

export interface Finding {
  path: Path
  /** Whether the key itself is wrong, or its value. */
  at: 'key' | 'value'
  message: string
}

const EXPECTED: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a section of keys',
  record: 'a section of keys'
}

/** Checks plain values against the schema: the parsed values (names as in the file), or everything that is wrong with them. */
export function checkValues(values: unknown): { parsed: unknown } | { findings: Finding[] } {
  const result = configSchema.safeParse(values, { reportInput: true })
  return result.success ? { parsed: result.data } : { findings: result.error.issues.flatMap(findings) }
}

function findings(issue: z.core.$ZodIssue): Finding[] {
  const path = issue.path as (string | number)[]
  if (issue.code === 'unrecognized_keys') return issue.keys.map((name) => ({ path: [...path, name], at: 'key', message: unknownKey(path, name) }))
  if (issue.code === 'invalid_key') return [{ path, at: 'key', message: `"${String(path.at(-1))}" ${issue.issues[0]?.message ?? 'is not a valid name'}` }]
  return [{ path, at: 'value', message: sentence(issue, isSecret(path)) }]
}

function sentence(issue: z.core.$ZodIssue, secret: boolean): string {
  const got = secret && issue.input !== null && typeof issue.input !== 'object' ? `a ${typeof issue.input}` : shortValue(issue.input)
  switch (issue.code) {
    case 'invalid_type': {
      const expected = EXPECTED[issue.expected] ?? issue.expected
      // YAML reads 1, 1.0, yes-like words and empty values as something else than text; quotes are the cure.
      const cure = expected === 'text' && ['number', 'boolean'].includes(typeof issue.input) ? '; put it in quotes' : ''
      return issue.input === undefined ? `is missing; expected ${expected}` : `expected ${expected}, got ${got}${cure}`
    }
    case 'invalid_value': {
      const meant = typeof issue.input === 'string' && !secret ? nearest(issue.input, issue.values.map(String)) : undefined
      return `expected one of ${issue.values.join(', ')}, got ${got}${meant === undefined ? '' : `; did you mean ${meant}?`}`
    }
    case 'too_small':
      return issue.origin === 'string' ? 'must not be empty' : `must be at least ${issue.minimum}, got ${got}`
    case 'too_big':
      if (issue.origin === 'string') return `must be at most ${issue.maximum} characters`
      return issue.origin === 'array' ? `may have at most ${issue.maximum} entries` : `must be at most ${issue.maximum}, got ${got}`
    case 'invalid_union':
      return `${issue.message}, got ${got}`
    default:
      return issue.message
  }
}

function unknownKey(path: Path, name: string): string {
  const siblings = Object.keys(groupAt(path) ?? {})
  const near = nearest(name, siblings)
  if (near !== undefined) return `unknown key; did you mean ${[...path, near].join('.')}?`
  const elsewhere = describeConfig().find((row) => row.key.endsWith(`.${name}`) && !row.key.includes('<'))
  if (elsewhere !== undefined) return `unknown key; did you mean ${elsewhere.key}?`
  return `unknown key; known here: ${siblings.join(', ')}`
}

function groupAt(path: Path): Group['keys'] | undefined {
  if (path[0] === 'mcp' && path[1] === 'servers') return path.length === 3 ? serverKeys : { allow: serverKeys.expose, deny: serverKeys.expose }
  if (path[0] === 'mcp' && path[1] === 'views') return viewKeys
  let keys: Group['keys'] = sections
  for (const step of path) {
    const entry = Object.hasOwn(keys, step) ? keys[step] : undefined
    if (entry === undefined || !isGroup(entry)) return undefined
    keys = entry.keys
  }
  return keys
}

/** Whether the value at `path` must not be shown. */
function isSecret(path: Path): boolean {
  if (path[0] !== 'mcp' || path[1] !== 'servers') return findKey(path)?.info.secret === true
  // Anything of a server may carry a replaced ${VARIABLE}.
  return ['env', 'headers', 'args', 'url'].includes(String(path[3]))
}
