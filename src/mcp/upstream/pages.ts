import type { Json, JsonRpcError } from '../../wire/json-rpc.ts'
import type { Logger } from '../../base/logger.ts'
import { SkeinError } from '../../base/errors.ts'
import { isTooDeep, MAX_JSON_DEPTH } from '../../base/json-depth.ts'
import { isObject } from '../../base/is-object.ts'
import { METHOD_NOT_FOUND } from '../../wire/mcp-spec.ts'

/** Far over any real server; a cursor that never ends must end here. */
const MAX_PAGES = 100
const PAGE_TIMEOUT = 20_000

/** A request of our own to one server, as on its connection. */
export type Ask = (method: string, params: Json, timeout: number) => Promise<{ result: Json } | { error: JsonRpcError }>

/** One of the lists a server gives, page by page. */
export interface ListKind {
  method: string
  /** The member of the result that holds the list. */
  member: string
  /** The member of an entry that names it. */
  key: string
}

export interface FetchedList {
  entries: Json[]
  /** Why it is not whole. */
  cut: string | undefined
}

/**
 * One whole list of a server. An entry that is not an object, has no name or a name seen before, or is nested too deeply is left out with a warning; what
 * comes after a limit is not read. A server without the method has an empty list. Rejects with the link's error, or
 * SKEIN_UPSTREAM_INVALID for an answer that is no list.
 */
export async function fetchList(ask: Ask, kind: ListKind, limits: { entries: number; bytes: number }, logger: Logger): Promise<FetchedList> {
  const { method, member, key } = kind
  const found = new Map<string, Json>()
  const cursors = new Set<string>()
  const end = (cut?: string): FetchedList => ({ entries: [...found.values()], cut })
  let cursor: string | undefined
  let bytes = 0
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const answer = await ask(method, cursor === undefined ? {} : { cursor }, PAGE_TIMEOUT)
    if ('error' in answer) {
      if (answer.error.code === METHOD_NOT_FOUND) return end()
      throw new SkeinError('SKEIN_UPSTREAM_INVALID', `The server refused ${method}: ${answer.error.message} (${answer.error.code}).`)
    }
    const entries = answer.result[member]
    if (!Array.isArray(entries)) throw new SkeinError('SKEIN_UPSTREAM_INVALID', `The server answered ${method} without a list of ${member}.`)
    for (const entry of entries as unknown[]) {
      const name = isObject(entry) ? entry[key] : undefined
      const text = textOf(entry)
      if (text === undefined) logger.warn(`an entry of the server's ${member} is left out: it is nested deeper than ${MAX_JSON_DEPTH} levels`, { [key]: String(name).slice(0, 200) })
      else if (!isObject(entry) || typeof name !== 'string' || name === '') logger.warn(`an entry of the server's ${member} is left out: it has no ${key} or is not an object`, { entry: text.slice(0, 200) })
      else if (found.has(name)) logger.warn(`an entry of the server's ${member} is left out: its ${key} appears twice`, { [key]: name.slice(0, 200) })
      else {
        bytes += Buffer.byteLength(text)
        if (found.size >= limits.entries || bytes > limits.bytes) return end(`it is over ${limits.entries} entries or ${limits.bytes} bytes`)
        found.set(name, entry)
      }
    }
    const next = answer.result.nextCursor
    if (typeof next !== 'string' || next === '') return end()
    if (cursors.has(next)) return end('the server sends the same page for ever')
    cursors.add(next)
    cursor = next
  }
  return end(`it has over ${MAX_PAGES} pages`)
}

/** An entry as JSON; undefined: too deeply nested for whoever reads it. */
function textOf(entry: unknown): string | undefined {
  try {
    const text = JSON.stringify(entry)
    return isTooDeep(text) ? undefined : text
  } catch {
    return undefined
  }
}
