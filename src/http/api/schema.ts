/**
 * The part of JSON Schema 2020-12 that describes what the API takes and answers: written once, it checks requests, makes openapi.json,
 * and in the tests checks real answers. What is not listed here is not understood, so do not use it.
 */
export interface JsonSchema {
  type?: JsonType | readonly JsonType[]
  description?: string
  properties?: Readonly<Record<string, JsonSchema>>
  required?: readonly string[]
  /** False: no others; a schema: all others are like this. @default anything */
  additionalProperties?: boolean | JsonSchema
  items?: JsonSchema
  maxItems?: number
  enum?: readonly (string | number | boolean | null)[]
  const?: string | number | boolean | null
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  pattern?: string
}

export type JsonType = 'object' | 'array' | 'string' | 'number' | 'integer' | 'boolean' | 'null'

type Properties = Readonly<Record<string, JsonSchema>>

/** An object with exactly these properties; those in `optional` may be missing. */
export function object(properties: Properties, optional: Properties = {}, description?: string): JsonSchema {
  return {
    type: 'object', properties: { ...properties, ...optional }, required: Object.keys(properties), additionalProperties: false,
    ...(description === undefined ? {} : { description })
  }
}

export function list(items: JsonSchema, description?: string): JsonSchema {
  return { type: 'array', items, ...(description === undefined ? {} : { description }) }
}

/** An object whose keys are data. */
export function mapOf(values: JsonSchema, description?: string): JsonSchema {
  return { type: 'object', additionalProperties: values, ...(description === undefined ? {} : { description }) }
}

export function text(description?: string): JsonSchema {
  return { type: 'string', ...(description === undefined ? {} : { description }) }
}

export function number(description?: string): JsonSchema {
  return { type: 'number', ...(description === undefined ? {} : { description }) }
}

/** A whole number of at least 0. */
export function count(description?: string): JsonSchema {
  return { type: 'integer', minimum: 0, ...(description === undefined ? {} : { description }) }
}

export function flag(description?: string): JsonSchema {
  return { type: 'boolean', ...(description === undefined ? {} : { description }) }
}

export function oneOf(values: readonly string[], description?: string): JsonSchema {
  return { type: 'string', enum: values, ...(description === undefined ? {} : { description }) }
}

/** A time as ISO 8601 in UTC, or null: never. */
export function timeOrNull(description: string): JsonSchema {
  return { type: ['string', 'null'], pattern: String.raw`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`, description }
}

function typeOf(value: unknown): JsonType {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return typeof value as JsonType
}

/** Beyond this a value of a request is cut in a message. */
const SHOWN = 64

function shown(value: unknown): string {
  const json = JSON.stringify(value) ?? String(value)
  return json.length > SHOWN ? `${json.slice(0, SHOWN)}…` : json
}

function typeProblem(schema: JsonSchema, value: unknown, at: string): string | undefined {
  if (schema.type === undefined) return undefined
  const allowed: readonly JsonType[] = typeof schema.type === 'string' ? [schema.type] : schema.type
  const is = typeOf(value)
  const fits = allowed.includes(is) || (is === 'integer' && allowed.includes('number'))
  return fits ? undefined : `${at} must be ${allowed.join(' or ')}, not ${is}`
}

function objectProblem(schema: JsonSchema, value: Record<string, unknown>, at: string): string | undefined {
  const { properties = {}, required = [], additionalProperties = true } = schema
  const missing = required.find((name) => !Object.hasOwn(value, name))
  if (missing !== undefined) return `${at} has no "${missing}"`
  for (const [name, item] of Object.entries(value)) {
    // What is undefined is not there when it is written as JSON.
    if (item === undefined && !required.includes(name)) continue
    const inner = Object.hasOwn(properties, name) ? (properties[name] as JsonSchema) : additionalProperties
    if (inner === false) return `${at} has an unknown "${name.slice(0, SHOWN)}"; known: ${Object.keys(properties).join(', ') || 'none'}`
    const problem = inner === true ? undefined : schemaProblem(inner, item, `${at}.${name}`)
    if (problem !== undefined) return problem
  }
  return undefined
}

function arrayProblem(schema: JsonSchema, value: readonly unknown[], at: string): string | undefined {
  if (schema.maxItems !== undefined && value.length > schema.maxItems) return `${at} has ${value.length} items; at most ${schema.maxItems} are allowed`
  if (schema.items === undefined) return undefined
  for (const [index, item] of value.entries()) {
    const problem = schemaProblem(schema.items, item, `${at}[${index}]`)
    if (problem !== undefined) return problem
  }
  return undefined
}

function numberProblem({ minimum, maximum }: JsonSchema, value: number, at: string): string | undefined {
  if (minimum !== undefined && value < minimum) return `${at} must be at least ${minimum}, not ${value}`
  if (maximum !== undefined && value > maximum) return `${at} must be at most ${maximum}, not ${value}`
  return undefined
}

function textProblem({ minLength, maxLength, pattern }: JsonSchema, value: string, at: string): string | undefined {
  if (minLength !== undefined && value.length < minLength) return `${at} must have at least ${minLength} characters`
  if (maxLength !== undefined && value.length > maxLength) return `${at} must have at most ${maxLength} characters`
  if (pattern !== undefined && !new RegExp(pattern, 'u').test(value)) return `${at} must match ${pattern}, not be ${shown(value)}`
  return undefined
}

/** The first thing that is wrong with a value, as a sentence without its full stop that names the place; undefined: nothing. */
export function schemaProblem(schema: JsonSchema, value: unknown, at: string): string | undefined {
  const wrongType = typeProblem(schema, value, at)
  if (wrongType !== undefined) return wrongType
  if (schema.enum !== undefined && !schema.enum.includes(value as string)) return `${at} must be one of ${schema.enum.map(String).join(', ')}, not ${shown(value)}`
  if (schema.const !== undefined && value !== schema.const) return `${at} must be ${String(schema.const)}, not ${shown(value)}`
  if (typeof value === 'string') return textProblem(schema, value, at)
  if (typeof value === 'number') return numberProblem(schema, value, at)
  if (Array.isArray(value)) return arrayProblem(schema, value, at)
  if (typeof value === 'object' && value !== null) return objectProblem(schema, value as Record<string, unknown>, at)
  return undefined
}
