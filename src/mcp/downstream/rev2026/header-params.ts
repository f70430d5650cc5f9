import type { Json } from '../../../wire/json-rpc.ts'
import type { ViewLists } from '../../ports.ts'
import type { HeaderParam } from './headers.ts'

const DECLARATION = 'x-mcp-header'

/** RFC 9110, 5.6.2: what a header's name may consist of. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** `number` is not allowed, but a server that declares one checks it, so the header is compared too. */
const TYPES = new Set(['string', 'integer', 'boolean', 'number'])

/** Schemas come from servers: deeper ones are looked at no further. */
const MAX_DEPTH = 32

const declared = new WeakMap<object, readonly HeaderParam[]>()
const byName = new WeakMap<readonly Json[], ReadonlyMap<string, Json>>()

const NONE: readonly HeaderParam[] = []

/**
 * The arguments of a tool that headers repeat. A declaration is only valid on properties reached through `properties` alone, of a
 * primitive type, with a name of its own; a tool with an invalid one has none (clients that follow the rules leave such tools out).
 */
export function headerParams(schema: unknown): readonly HeaderParam[] {
  if (typeof schema !== 'object' || schema === null) return NONE
  const known = declared.get(schema)
  if (known !== undefined) return known
  const found: HeaderParam[] = []
  const valid = collect(schema as Json, [], found) && new Set(found.map(({ name }) => name.toLowerCase())).size === found.length
  const params = valid && found.length > 0 ? found : NONE
  declared.set(schema, params)
  return params
}

/** The arguments of the view's tool of this name that headers repeat. */
export function headerParamsOf(lists: ViewLists, tool: string): readonly HeaderParam[] {
  let definitions = byName.get(lists.tools)
  if (definitions === undefined) {
    definitions = new Map(lists.tools.map((definition) => [String(definition['name']), definition]))
    byName.set(lists.tools, definitions)
  }
  return headerParams(definitions.get(tool)?.['inputSchema'])
}

/** Collects the declarations below this schema; false if one is where it may not be. */
function collect(schema: Json, path: readonly string[], found: HeaderParam[]): boolean {
  if (path.length > MAX_DEPTH) return true
  const name = schema[DECLARATION]
  if (name !== undefined) {
    const { type } = schema
    if (path.length === 0 || typeof name !== 'string' || !TOKEN.test(name) || typeof type !== 'string' || !TYPES.has(type)) return false
    found.push({ path, name, type })
  }
  for (const [keyword, value] of Object.entries(schema)) {
    if (typeof value !== 'object' || value === null) continue
    if (keyword !== 'properties') {
      if (SUBSCHEMAS.has(keyword) && declares(value, 0)) return false
      continue
    }
    for (const [key, child] of Object.entries(value)) {
      if (typeof child === 'object' && child !== null && !collect(child as Json, [...path, key], found)) return false
    }
  }
  return true
}

/** Keywords that hold schemas which no chain of `properties` reaches. */
const SUBSCHEMAS = new Set([
  'items',
  'prefixItems',
  'contains',
  'additionalProperties',
  'unevaluatedProperties',
  'unevaluatedItems',
  'propertyNames',
  'patternProperties',
  'dependentSchemas',
  'oneOf',
  'anyOf',
  'allOf',
  'not',
  'if',
  'then',
  'else',
  '$defs',
  'definitions'
])

/** Whether there is a declaration anywhere in it. */
function declares(node: unknown, depth: number): boolean {
  if (typeof node !== 'object' || node === null || depth > MAX_DEPTH) return false
  if (!Array.isArray(node) && typeof (node as Json)[DECLARATION] === 'string') return true
  return Object.values(node).some((child) => declares(child, depth + 1))
}
