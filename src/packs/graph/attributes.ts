import { SkeinError } from '../../base/errors.ts'
import type { Attributes } from './document.ts'

/** Names are read by people and become column names in exports. */
const MAX_NAME_LENGTH = 128
/** Deeper values are programs' internals, not properties; also keeps every walk off the end of the stack. */
const MAX_DEPTH = 8
/** Node ids and edge keys: a path or a URL fits. */
export const MAX_ID_LENGTH = 256

export function isAttributes(value: unknown): value is Attributes {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Bytes of JSON these attributes take, after checking that they are safe to store.
 * @param where what carries them, for the message, such as `node "a"`
 * @throws SKEIN_LIMIT when too large or too deep, SKEIN_BAD_REQUEST for a name that cannot be stored
 */
export function attributeBytes(attributes: Attributes, where: string, maxBytes: number): number {
  for (const name of Object.keys(attributes)) {
    if (name === '' || name.length > MAX_NAME_LENGTH) {
      throw new SkeinError('SKEIN_BAD_REQUEST', `${where}: attribute names have 1 to ${MAX_NAME_LENGTH} characters; shorten "${name.slice(0, 40)}"`)
    }
  }
  checkValue(attributes, where, 0)
  const bytes = Buffer.byteLength(JSON.stringify(attributes))
  if (bytes > maxBytes) {
    throw new SkeinError('SKEIN_LIMIT', `${where}: its attributes take ${bytes} bytes, ${maxBytes} are allowed; store less, or a link to the rest`)
  }
  return bytes
}

function checkValue(value: unknown, where: string, depth: number): void {
  if (typeof value !== 'object' || value === null) return
  if (depth >= MAX_DEPTH) {
    throw new SkeinError('SKEIN_LIMIT', `${where}: attributes are nested deeper than ${MAX_DEPTH} levels; flatten them`)
  }
  for (const [name, entry] of Object.entries(value)) {
    // Assigning this name replaces an object's prototype instead of storing the value.
    if (name === '__proto__') throw new SkeinError('SKEIN_BAD_REQUEST', `${where}: an attribute cannot be named __proto__; rename it`)
    checkValue(entry, where, depth + 1)
  }
}

/**
 * Checks an id of a node or the key of an edge: 1 to 256 characters, no control characters, valid Unicode.
 * Control characters are refused because edge lists and XML cannot carry them.
 * @throws SKEIN_BAD_REQUEST
 */
export function checkId(id: string, what: string): void {
  // oxlint-disable-next-line no-control-regex -- these are what it looks for
  if (id.length >= 1 && id.length <= MAX_ID_LENGTH && id.isWellFormed() && !/[\u0000-\u001f\u007f\ufffe\uffff]/.test(id) && id !== '__proto__') return
  throw new SkeinError(
    'SKEIN_BAD_REQUEST',
    `${what} ${JSON.stringify(id.slice(0, 40))} is not usable: take 1 to ${MAX_ID_LENGTH} characters without control characters, other than "__proto__"`
  )
}
