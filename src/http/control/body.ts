import type { IncomingMessage } from 'node:http'
import { SkeinError } from '../../base/errors.ts'
import { MAX_CONTROL_BODY_BYTES } from '../../wire/control.ts'

export type Fields = Record<string, unknown>

function bad(message: string): SkeinError {
  return new SkeinError('SKEIN_BAD_REQUEST', message)
}

/** Reads a body as a JSON object; an empty one is `{}`. @throws SKEIN_BAD_REQUEST, SKEIN_LIMIT */
export async function readFields(req: IncomingMessage): Promise<Fields> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_CONTROL_BODY_BYTES) throw new SkeinError('SKEIN_LIMIT', `The request is larger than ${MAX_CONTROL_BODY_BYTES} bytes.`)
    chunks.push(chunk)
  }
  if (size === 0) return {}
  let value: unknown
  try {
    value = JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch (error) {
    throw new SkeinError('SKEIN_BAD_REQUEST', 'The request body is not JSON.', { cause: error })
  }
  if (!isFields(value)) throw bad('The request body must be a JSON object.')
  return value
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Refuses fields nobody reads: a misspelt option must not be ignored. */
export function onlyFields(fields: Fields, allowed: readonly string[]): void {
  const unknown = Object.keys(fields).find((name) => !allowed.includes(name))
  if (unknown !== undefined) throw bad(`Unknown field "${unknown}"; allowed here: ${allowed.join(', ') || 'none'}.`)
}

export function requiredString(fields: Fields, name: string): string {
  const value = fields[name]
  if (typeof value !== 'string' || value === '') throw bad(`"${name}" must be a text that is not empty.`)
  return value
}

export function optionalString(fields: Fields, name: string): string | undefined {
  return fields[name] === undefined ? undefined : requiredString(fields, name)
}

export function optionalNumber(fields: Fields, name: string, range: { min: number; max: number; integer: boolean }): number | undefined {
  const value = fields[name]
  if (value === undefined) return undefined
  const fits = typeof value === 'number' && value >= range.min && value <= range.max && (!range.integer || Number.isInteger(value))
  if (!fits) throw bad(`"${name}" must be ${range.integer ? 'a whole number' : 'a number'} from ${range.min} to ${range.max}.`)
  return value
}

export function optionalBoolean(fields: Fields, name: string): boolean | undefined {
  const value = fields[name]
  if (value !== undefined && typeof value !== 'boolean') throw bad(`"${name}" must be true or false.`)
  return value
}

export function optionalStrings(fields: Fields, name: string): string[] | undefined {
  const value = fields[name]
  if (value === undefined) return undefined
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) throw bad(`"${name}" must be a list of texts.`)
  return value
}

export function optionalObject(fields: Fields, name: string): Fields | undefined {
  const value = fields[name]
  if (value === undefined) return undefined
  if (!isFields(value)) throw bad(`"${name}" must be a JSON object.`)
  return value
}
