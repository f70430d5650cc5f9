import type { Json } from '../../../wire/json-rpc.ts'
import type { Headers } from '../link.ts'
import { isObject } from '../messages.ts'

/** Where the name is that `Mcp-Name` repeats. */
const NAME_IN: Readonly<Record<string, string>> = { 'tools/call': 'name', 'prompts/get': 'name', 'resources/read': 'uri' }

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const HEADER_TYPES = new Set(['string', 'integer', 'boolean'])
/** Keywords with schemas inside where a header cannot be declared, for the value would not be at a fixed place. */
const NESTED = ['items', 'prefixItems', 'contains', 'additionalProperties', 'unevaluatedProperties', 'unevaluatedItems', 'propertyNames', 'oneOf', 'anyOf', 'allOf', 'not', 'if', 'then', 'else']
const NESTED_BY_NAME = ['patternProperties', 'dependentSchemas', '$defs', 'definitions']
/** A schema nested deeper than any person writes; a definition comes from outside and must not exhaust the stack. */
const MAX_DEPTH = 64

interface Declared {
  header: string
  path: readonly string[]
}
/** The headers an inputSchema declares, or why it must not. */
export type HeaderScan = { declared: readonly Declared[] } | { fault: string }

/** Per definition object: they stay the same until the server's list changes. */
const scans = new WeakMap<Json, HeaderScan>()

/**
 * The `x-mcp-header` declarations of a tool. Over HTTP a tool with a fault must not be offered, says the specification (2026-07-28,
 * "Custom headers from tool parameters").
 */
export function scanHeaders(definition: Json): HeaderScan {
  const known = scans.get(definition)
  if (known !== undefined) return known
  const declared: Declared[] = []
  const fault = visit(definition.inputSchema, [], true, 0, declared)
  const scan = fault === undefined ? { declared } : { fault }
  scans.set(definition, scan)
  return scan
}

function visit(schema: unknown, path: readonly string[], reachable: boolean, depth: number, declared: Declared[]): string | undefined {
  if (!isObject(schema)) return undefined
  if (depth > MAX_DEPTH) return 'the schema is nested too deeply'
  if ('x-mcp-header' in schema) {
    const fault = declarationFault(schema, path, reachable, declared)
    if (fault !== undefined) return `${path.join('.') || 'the schema'}: ${fault}`
    declared.push({ header: schema['x-mcp-header'] as string, path })
  }
  for (const [key, child] of entries(schema.properties)) {
    const fault = visit(child, [...path, key], reachable, depth + 1, declared)
    if (fault !== undefined) return fault
  }
  const inner = [...NESTED.flatMap((key) => schema[key]), ...NESTED_BY_NAME.flatMap((key) => entries(schema[key]).map(([, child]) => child))]
  for (const child of inner) {
    const fault = visit(child, [...path, '…'], false, depth + 1, declared)
    if (fault !== undefined) return fault
  }
  return undefined
}

function declarationFault(schema: Json, path: readonly string[], reachable: boolean, declared: readonly Declared[]): string | undefined {
  const header = schema['x-mcp-header']
  if (!reachable || path.length === 0) return 'x-mcp-header is only possible on properties'
  if (typeof header !== 'string' || !TOKEN.test(header)) return 'x-mcp-header is not the name of a header'
  if (!HEADER_TYPES.has(String(schema.type))) return `x-mcp-header is only possible for string, integer and boolean, not ${String(schema.type)}`
  const twice = declared.some((other) => other.header.toLowerCase() === header.toLowerCase())
  return twice ? `x-mcp-header ${header} is declared twice` : undefined
}

function entries(value: unknown): [string, unknown][] {
  return isObject(value) ? Object.entries(value) : []
}

/** `Mcp-Method`, `Mcp-Name`, and `Mcp-Param-*` of a tool's call as its definition declares them (none without a definition). */
export function requestHeaders(method: string, params: Json, definition?: Json): Headers {
  const headers: Record<string, string> = { 'Mcp-Method': method }
  const field = Object.hasOwn(NAME_IN, method) ? NAME_IN[method] : undefined
  const name = field === undefined ? undefined : params[field]
  if (typeof name === 'string') headers['Mcp-Name'] = encodeHeader(name)
  const scan = definition === undefined ? undefined : scanHeaders(definition)
  if (scan === undefined || 'fault' in scan) return headers
  for (const { header, path } of scan.declared) {
    const text = asText(valueAt(params.arguments, path))
    if (text !== undefined) headers[`Mcp-Param-${header}`] = encodeHeader(text)
  }
  return headers
}

function valueAt(root: unknown, path: readonly string[]): unknown {
  let value = root
  for (const key of path) value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined
  return value
}

/** As the specification converts values; undefined: no header. */
function asText(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value === 'boolean') return String(value)
  const exact = typeof value === 'number' && Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value))
  return exact ? String(value) : undefined
}

/** A value that cannot stand in a header as it is goes as `=?base64?…?=`; one that looks like that already, too. */
function encodeHeader(value: string): string {
  const plain = /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/.test(value) && !(value.startsWith('=?base64?') && value.endsWith('?='))
  return plain ? value : `=?base64?${Buffer.from(value).toString('base64')}?=`
}
