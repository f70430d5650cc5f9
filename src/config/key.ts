import * as z from 'zod'
import { addressProblem } from './addresses.ts'
import { formatDuration, formatSize, parseDuration, parseSize } from './units.ts'

export type Kind = 'text' | 'path' | 'boolean' | 'number' | 'integer' | 'duration' | 'size' | 'choice' | 'list' | 'servers' | 'views' | 'expose' | 'map'

/** What a person must know about one key; the reference page, the examples and `skein config schema` are made from it. */
export interface KeyInfo {
  kind: Kind
  /** The type in words. */
  type: string
  /** As one would write it in the file; undefined: no value unless given. */
  default: unknown
  /** What the default is when it is worked out at start. */
  defaultText: string | undefined
  /** Unit of a bare number, '' where there is none. */
  unit: string
  /** May change with `skein reload`, without a restart. */
  live: boolean
  /** One sentence. */
  about: string
  /** Never printed. */
  secret: boolean
  /** What the example file shows for a key without a fixed default. */
  sample: unknown
}

/** One leaf of the configuration. `T` is the value that the node gets. */
export interface Key<T> {
  schema: z.ZodType<T>
  info: KeyInfo
}
export interface Group {
  keys: Keys
  about: string
}
export type Keys = { [name: string]: Key<unknown> | Group }

export interface About {
  about: string
  /** @default false */
  live?: boolean
  /** @default false */
  secret?: boolean
  /** For keys whose default is worked out at start. */
  defaultText?: string
  /** For the example file, where there is no fixed default. */
  sample?: unknown
}

/** No list in a configuration is longer: each entry costs a dial, a check or a log line. */
const MAX_LIST = 256
/** No single text is longer: a join token, the longest, has under 4 KiB. */
const MAX_TEXT = 16_384

export function isGroup(entry: Key<unknown> | Group): entry is Group {
  return 'keys' in entry
}

export function key<T>(schema: z.ZodType<T>, kind: Kind, type: string, unit: string, value: unknown, info: About): Key<T> {
  const described = (value === undefined ? schema : schema.prefault(value as never)).describe(info.about) as z.ZodType<T>
  const { about, live = false, secret = false, defaultText, sample } = info
  return { schema: described, info: { kind, type, unit, default: value, defaultText, live, about, secret, sample } }
}

const line = z.string().max(MAX_TEXT)

/** A text that may be absent. */
export function optionalText(info: About): Key<string | undefined> {
  return key(line.min(1).optional(), 'text', 'text', '', undefined, info)
}

export function text(value: string, info: About, check: z.ZodType<string> = line): Key<string> {
  return key(check, 'text', 'text', '', value, info)
}

export function path(info: About): Key<string | undefined> {
  return key(line.min(1).optional(), 'path', 'path', '', undefined, info)
}

export function truth(value: boolean, info: About): Key<boolean> {
  return key(z.boolean(), 'boolean', 'true or false', '', value, info)
}

export function integer(value: number, min: number, max: number, info: About, unit = ''): Key<number> {
  return key(z.int().min(min).max(max), 'integer', `whole number, ${min} to ${max}`, unit, value, info)
}

/** A TCP port; 0 takes a free one. */
export function port(value: number, info: About): Key<number> {
  return integer(value, 0, 65_535, info)
}

export function number(value: number, min: number, max: number, info: About, unit = ''): Key<number> {
  return key(z.number().min(min).max(max), 'number', `number, ${min} to ${max}`, unit, value, info)
}

export function optionalNumber(min: number, max: number, unit: string, info: About): Key<number | undefined> {
  return key(z.number().min(min).max(max).optional(), 'number', `number, ${min} to ${max}`, unit, undefined, info)
}

export function choice<const T extends string>(value: T, all: readonly T[], info: About): Key<T> {
  return key(z.enum(all as readonly [T, ...T[]]) as unknown as z.ZodType<T>, 'choice', all.join(', '), '', value, info)
}

export function listOf<T extends string>(value: readonly T[], item: z.ZodType<T>, type: string, info: About): Key<T[]> {
  return key(z.array(item).max(MAX_LIST), 'list', type, '', value, info)
}

export function texts(value: readonly string[], info: About, item: z.ZodType<string> = line.min(1)): Key<string[]> {
  return listOf(value, item, 'list of texts', info)
}

export function addresses(value: readonly string[], info: About): Key<string[]> {
  const item = z.string().superRefine((address, context) => {
    const problem = addressProblem(address)
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
  })
  return listOf(value, item, 'list of multiaddrs', info)
}

/** A span of time; the node gets milliseconds. */
export function durationSchema(min: string, max: string): z.ZodType<number> {
  return measured(parseDuration, min, max, 'a duration such as 500ms, 20s, 30m or 1h (a number is seconds)')
}

export function duration(value: string, min: string, max: string, info: About): Key<number> {
  return key(durationSchema(min, max), 'duration', `duration, ${min} to ${max}`, 's', value, info)
}

/** A span of time that may be absent; `defaultText` says what holds then. */
export function optionalDuration(min: string, max: string, info: About): Key<number | undefined> {
  return key(durationSchema(min, max).optional(), 'duration', `duration, ${min} to ${max}`, 's', undefined, info)
}

/** An amount of memory; the node gets bytes. */
export function size(value: string, min: string, max: string, info: About): Key<number> {
  const schema = measured(parseSize, min, max, 'a size such as 64KiB or 16MiB (a number is bytes)')
  return key(schema, 'size', `size, ${min} to ${max}`, 'bytes', value, info)
}

function measured(parse: (value: number | string) => number | undefined, min: string, max: string, expected: string): z.ZodType<number> {
  const low = parse(min) as number
  const high = parse(max) as number
  return z.union([z.number(), z.string()], { error: `expected ${expected}` }).transform((value, context) => {
    const amount = parse(value)
    const message = amount === undefined ? `expected ${expected}` : `must be between ${min} and ${max}`
    if (amount !== undefined && amount >= low && amount <= high) return amount
    context.issues.push({ code: 'custom', message, input: value })
    return z.NEVER
  })
}

/** A value that the node has, as one would write it in the file. */
export function shownValue(kind: Kind, value: unknown): unknown {
  if (kind === 'duration' && typeof value === 'number') return formatDuration(value)
  if (kind === 'size' && typeof value === 'number') return formatSize(value)
  return value
}
