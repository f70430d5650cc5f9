import type { Json } from '../../../src/wire/json-rpc.ts'

/** Something of the right type for each required property: what matters to the scenarios is that the call is made. */
export function argumentsFor(schema: unknown): Json {
  const { properties, required } = (schema ?? {}) as { properties?: Json; required?: string[] }
  return Object.fromEntries((required ?? []).map((name) => [name, valueFor(properties?.[name])]))
}

function valueFor(schema: unknown): unknown {
  const { type, default: given, enum: choices } = (schema ?? {}) as { type?: string; default?: unknown; enum?: unknown[] }
  if (given !== undefined) return given
  if (choices !== undefined) return choices[0]
  if (type === 'number' || type === 'integer') return 1
  if (type === 'boolean') return true
  if (type === 'array') return []
  if (type === 'object') return {}
  return type === 'null' ? null : 'text'
}

/** A person who accepts every form as it is, a model with one answer, one folder. */
export function answerFor(request: { method?: string; params?: Json }): Json {
  if (request.method === 'elicitation/create') {
    const { properties } = (request.params?.requestedSchema ?? {}) as { properties?: Json }
    return { action: 'accept', content: Object.fromEntries(Object.entries(properties ?? {}).map(([name, schema]) => [name, valueFor(schema)])) }
  }
  if (request.method === 'sampling/createMessage') return { role: 'assistant', model: 'none', content: { type: 'text', text: 'an answer' } }
  if (request.method === 'roots/list') return { roots: [{ uri: 'file:///tmp', name: 'tmp' }] }
  throw new Error(`nobody answers ${request.method}`)
}
