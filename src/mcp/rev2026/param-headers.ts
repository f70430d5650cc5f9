import { isObject } from '../../base/is-object.ts'
import type { Json } from '../../wire/json-rpc.ts'

/** Requests that say in `Mcp-Name` what they are for, and the parameter that it repeats (SEP-2243). */
export const NAMED_BY: ReadonlyMap<string, 'name' | 'uri'> = new Map<string, 'name' | 'uri'>([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri']
])

const DECLARATION = 'x-mcp-header'
/** RFC 9110, 5.6.2: what a header's name may consist of. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const TYPES = new Set(['string', 'integer', 'boolean'])
/** Not allowed, but a server that declares one checks it, so it is known nevertheless. */
const NUMBER = 'number'
/** Keywords with schemas inside where a header cannot be declared, for the value would not be at a fixed place. */
const NESTED = ['items', 'prefixItems', 'contains', 'additionalProperties', 'unevaluatedProperties', 'unevaluatedItems', 'propertyNames', 'oneOf', 'anyOf', 'allOf', 'not', 'if', 'then', 'else']
const NESTED_BY_NAME = ['patternProperties', 'dependentSchemas', '$defs', 'definitions']
/** A schema nested deeper than any person writes; a definition comes from outside and must not exhaust the stack. */
const MAX_DEPTH = 64

/** An argument of a tool that the header `Mcp-Param-<header>` repeats. */
export interface ParamHeader {
  header: string
  path: readonly string[]
  type: string
}

export interface ParamHeaders {
  /** None where there is a fault, but for declarations of type `number`. */
  declared: readonly ParamHeader[]
  /** Why the tool must not be offered over HTTP, says the specification ("Custom headers from tool parameters"). */
  fault?: string
}

/** Per schema object: they stay the same until their server's list changes. */
const scans = new WeakMap<object, ParamHeaders>()

const NONE: ParamHeaders = { declared: [] }

/** The `x-mcp-header` declarations of a tool's inputSchema. */
export function paramHeaders(inputSchema: unknown): ParamHeaders {
  if (!isObject(inputSchema)) return NONE
  const known = scans.get(inputSchema)
  if (known !== undefined) return known
  const declared: ParamHeader[] = []
  const fault = visit(inputSchema, [], true, 0, declared)
  const number = declared.find(({ type }) => type === NUMBER)
  const scan: ParamHeaders = fault !== undefined ? { declared: [], fault } : number !== undefined ? { declared, fault: wrongType(number.path, NUMBER) } : { declared }
  scans.set(inputSchema, scan)
  return scan
}

function visit(schema: unknown, path: readonly string[], reachable: boolean, depth: number, declared: ParamHeader[]): string | undefined {
  if (!isObject(schema)) return undefined
  if (depth > MAX_DEPTH) return 'the schema is nested too deeply'
  if (DECLARATION in schema) {
    const fault = declarationFault(schema, path, reachable, declared)
    if (fault !== undefined) return fault
    declared.push({ header: schema[DECLARATION] as string, path, type: schema['type'] as string })
  }
  for (const [key, child] of entries(schema['properties'])) {
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

function declarationFault(schema: Json, path: readonly string[], reachable: boolean, declared: readonly ParamHeader[]): string | undefined {
  const { [DECLARATION]: header, type } = schema
  if (!reachable || path.length === 0) return `${placeOf(path)}: ${DECLARATION} is only possible on properties`
  if (typeof header !== 'string' || !TOKEN.test(header)) return `${placeOf(path)}: ${DECLARATION} is not the name of a header`
  if (typeof type !== 'string' || (!TYPES.has(type) && type !== NUMBER)) return wrongType(path, type)
  const twice = declared.some((other) => other.header.toLowerCase() === header.toLowerCase())
  return twice ? `${placeOf(path)}: ${DECLARATION} ${header} is declared twice` : undefined
}

function wrongType(path: readonly string[], type: unknown): string {
  return `${placeOf(path)}: ${DECLARATION} is only possible for string, integer and boolean, not ${String(type)}`
}

function placeOf(path: readonly string[]): string {
  return path.join('.') || 'the schema'
}

function entries(value: unknown): [string, unknown][] {
  return isObject(value) ? Object.entries(value) : []
}

/** The argument of a call as its header has it (not yet encoded); undefined: there is none, so there must be no header. */
export function headerText(args: unknown, path: readonly string[]): string | undefined {
  const value = argumentAt(args, path)
  if (typeof value === 'string') return value
  if (typeof value === 'boolean') return String(value)
  const exact = typeof value === 'number' && Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value))
  return exact ? String(value) : undefined
}

/** Own members only: no prototype answers for an argument. */
export function argumentAt(args: unknown, path: readonly string[]): unknown {
  let value = args
  for (const key of path) value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined
  return value
}
