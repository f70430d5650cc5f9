import { isUtf8 } from 'node:buffer'
import { decode, encode, Tokenizer, Type, type Token } from 'cborg'
import { SkeinError, errorMessage } from '../base/errors.ts'

/**
 * CBOR (RFC 8949) as every skein document uses it: maps with text keys, arrays, text, bytes, integers below 2^53 and booleans.
 * Decoding refuses everything else: indefinite lengths, integers longer than needed, repeated keys, tags, floats, null, bad UTF-8.
 */

/** Deeper nesting than any document of ours needs; a hostile one must not use up the stack. */
export const MAX_DEPTH = 16

const DECODE = { strict: true, allowIndefinite: false, allowUndefined: false, allowBigInt: false, rejectDuplicateMapKeys: true, retainStringBytes: true }

/** Properties that are undefined are left out. Map keys are sorted, shorter ones first, so equal values give equal bytes. */
export function encodeCbor(value: unknown): Uint8Array {
  return encode(value, { ignoreUndefinedProperties: true, typeEncoders: { number: wholeNumbersOnly } })
}

/** Null lets cborg go on as usual. A fraction would be refused by every reader, so it must not leave. */
function wholeNumbersOnly(value: unknown): null {
  if (!Number.isSafeInteger(value)) throw new TypeError(`CBOR documents of ours hold integers below 2^53 only, not ${String(value)}`)
  return null
}

export interface DecodeLimits {
  /** Longer input is refused before it is read, bytes. */
  max: number
  /** What the bytes are, for messages: "the join request". */
  what: string
}

/** One CBOR value and nothing after it. Throws SKEIN_PROTOCOL naming `what`. */
export function decodeCbor(bytes: Uint8Array, { max, what }: DecodeLimits): unknown {
  if (bytes.length > max) throw wrong(`${what} has ${bytes.length} bytes; at most ${max} are allowed`)
  try {
    return decode(bytes, { ...DECODE, tokenizer: guardedTokenizer(bytes) })
  } catch (error) {
    throw wrong(`${what} is not valid CBOR: ${errorMessage(error)}`, error)
  }
}

/** Passes tokens on, refusing types that no document of ours has, bad UTF-8 and deep nesting. */
function guardedTokenizer(bytes: Uint8Array): Pick<Tokenizer, 'done' | 'pos' | 'next'> {
  // cborg mixes Buffers up with plain arrays of bytes unless it gets the plain view.
  const inner = new Tokenizer(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength), DECODE)
  /** How many values each open array or map still waits for. */
  const open: number[] = []
  return {
    done: () => inner.done(),
    pos: () => inner.pos(),
    next() {
      const token = inner.next()
      checkType(token)
      if (open.length > 0) (open[open.length - 1] as number)--
      if (token.type === Type.array) open.push(token.value as number)
      if (token.type === Type.map) open.push((token.value as number) * 2)
      if (open.length > MAX_DEPTH) throw new Error(`more than ${MAX_DEPTH} levels deep`)
      while (open.at(-1) === 0) open.pop()
      return token
    }
  }
}

const ALLOWED = new Set<unknown>([Type.uint, Type.negint, Type.bytes, Type.string, Type.array, Type.map, Type.true, Type.false])

function checkType(token: Token): void {
  if (!ALLOWED.has(token.type)) throw new Error(`${token.type.name} is not allowed`)
  if (token.type === Type.string && token.byteValue !== undefined && !isUtf8(token.byteValue)) throw new Error('text is not UTF-8')
}

/** Reads the fields of one map; every error is SKEIN_PROTOCOL and names the path of the field. */
export interface Fields {
  /** Text of at most `max` UTF-16 code units. */
  string(key: string, limits: { max: number }): string
  /** A byte string of exactly `length` bytes, or at most `max`. */
  bytes(key: string, limits: { length: number } | { max: number }): Uint8Array
  /** An integer, `min` to `max` inclusive. @default 0 to 2^53 - 1 */
  int(key: string, limits?: { min?: number; max?: number }): number
  bool(key: string): boolean
  /** One of a closed set of words. */
  oneOf<T extends string>(key: string, values: readonly T[]): T
  /** An array of at most `max` items; `each` reads one item with the readers below. */
  array<T>(key: string, limits: { max: number }, each: (item: unknown, path: string) => T): T[]
  /** The fields of a map inside. */
  map(key: string): Fields
  has(key: string): boolean
  optionalString(key: string, limits: { max: number }): string | undefined
  optionalBytes(key: string, limits: { length: number } | { max: number }): Uint8Array | undefined
  optionalInt(key: string, limits?: { min?: number; max?: number }): number | undefined
  optionalBool(key: string): boolean | undefined
  optionalArray<T>(key: string, limits: { max: number }, each: (item: unknown, path: string) => T): T[] | undefined
  optionalMap(key: string): Fields | undefined
}

/** A reader of `value`, which must be a map. Unknown keys are ignored, so that later versions may add some. */
export function fields(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) throw wrong(`${what} must be a map`)
  const map = value as Record<string, unknown>
  const has = (key: string) => Object.hasOwn(map, key)
  const get = (key: string) => {
    if (!has(key)) throw wrong(`${what}.${key} is missing`)
    return map[key]
  }
  const self: Fields = {
    string: (key, limits) => readString(get(key), `${what}.${key}`, limits),
    bytes: (key, limits) => readBytes(get(key), `${what}.${key}`, limits),
    int: (key, limits) => readInt(get(key), `${what}.${key}`, limits),
    bool: (key) => readBool(get(key), `${what}.${key}`),
    oneOf: (key, values) => readOneOf(get(key), `${what}.${key}`, values),
    array: (key, limits, each) => readArray(get(key), `${what}.${key}`, limits, each),
    map: (key) => fields(get(key), `${what}.${key}`),
    has,
    optionalString: (key, limits) => (has(key) ? self.string(key, limits) : undefined),
    optionalBytes: (key, limits) => (has(key) ? self.bytes(key, limits) : undefined),
    optionalInt: (key, limits) => (has(key) ? self.int(key, limits) : undefined),
    optionalBool: (key) => (has(key) ? self.bool(key) : undefined),
    optionalArray: (key, limits, each) => (has(key) ? self.array(key, limits, each) : undefined),
    optionalMap: (key) => (has(key) ? self.map(key) : undefined)
  }
  return self
}

export function readString(value: unknown, path: string, { max }: { max: number }): string {
  if (typeof value !== 'string') throw wrong(`${path} must be text`)
  if (value.length > max) throw wrong(`${path} has ${value.length} characters; at most ${max} are allowed`)
  return value
}

export function readBytes(value: unknown, path: string, limits: { length: number } | { max: number }): Uint8Array {
  if (!(value instanceof Uint8Array)) throw wrong(`${path} must be bytes`)
  if ('length' in limits && value.length !== limits.length) throw wrong(`${path} must have ${limits.length} bytes, not ${value.length}`)
  if ('max' in limits && value.length > limits.max) throw wrong(`${path} has ${value.length} bytes; at most ${limits.max} are allowed`)
  return value
}

export function readInt(value: unknown, path: string, limits: { min?: number; max?: number } = {}): number {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = limits
  if (!Number.isSafeInteger(value)) throw wrong(`${path} must be an integer`)
  if ((value as number) < min || (value as number) > max) throw wrong(`${path} must be from ${min} to ${max}`)
  return value as number
}

function readBool(value: unknown, path: string): boolean {
  if (typeof value !== 'boolean') throw wrong(`${path} must be true or false`)
  return value
}

function readOneOf<T extends string>(value: unknown, path: string, values: readonly T[]): T {
  const found = values.find((known) => known === value)
  if (found === undefined) throw wrong(`${path} must be one of ${values.join(', ')}`)
  return found
}

export function readArray<T>(value: unknown, path: string, { max }: { max: number }, each: (item: unknown, path: string) => T): T[] {
  if (!Array.isArray(value)) throw wrong(`${path} must be an array`)
  if (value.length > max) throw wrong(`${path} has ${value.length} items; at most ${max} are allowed`)
  return value.map((item, index) => each(item, `${path}[${index}]`))
}

function wrong(message: string, cause?: unknown): SkeinError {
  return new SkeinError('SKEIN_PROTOCOL', message, cause === undefined ? {} : { cause })
}
