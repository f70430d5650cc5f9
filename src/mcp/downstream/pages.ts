import type { Json } from '../../wire/json-rpc.ts'
import type { ViewLists } from '../ports.ts'

/** Definitions a page: one page for nearly everybody, and at about 1 KiB a definition still a body of a megabyte. */
export const PAGE_SIZE = 1000

export type ListName = 'tools' | 'prompts' | 'resources' | 'resourceTemplates'

/** The list that a method gives out. */
export const LISTS: ReadonlyMap<string, ListName> = new Map<string, ListName>([
  ['tools/list', 'tools'],
  ['prompts/list', 'prompts'],
  ['resources/list', 'resources'],
  ['resources/templates/list', 'resourceTemplates']
])

/** What the entries of a list are sorted by. */
const KEYS: Record<ListName, string> = { tools: 'name', prompts: 'name', resources: 'uri', resourceTemplates: 'uriTemplate' }

/** Stringified once for all who ask: a megabyte of definitions takes milliseconds. */
interface Page {
  /** A JSON array. */
  items: string
  nextCursor: string | undefined
}

const prebuilt = new WeakMap<readonly Json[], Page[]>()

const encode = (after: string) => Buffer.from(after).toString('base64url')

function pageFrom(list: readonly Json[], key: string, start: number): Page {
  const page = list.slice(start, start + PAGE_SIZE)
  const last = page.at(-1)
  const more = start + PAGE_SIZE < list.length && last !== undefined
  return { items: JSON.stringify(page), nextCursor: more ? encode(String(last[key])) : undefined }
}

function pageAt(list: readonly Json[], key: string, start: number): Page {
  if (start % PAGE_SIZE !== 0) return pageFrom(list, key, start)
  let pages = prebuilt.get(list)
  if (pages === undefined) {
    pages = []
    prebuilt.set(list, pages)
  }
  return (pages[start / PAGE_SIZE] ??= pageFrom(list, key, start))
}

/**
 * The members of one page's result as JSON text: `"tools":[…],"nextCursor":"…"`. The cursor is the last name (or URI) of the page
 * before (base64url), so a list that changes between two pages skips and repeats nothing that stayed. Undefined: the cursor is
 * not one of ours.
 */
export function pageText(lists: ViewLists, name: ListName, cursor: unknown): string | undefined {
  const list = lists[name]
  const key = KEYS[name]
  let start = 0
  if (cursor !== undefined) {
    if (typeof cursor !== 'string' || cursor === '') return undefined
    const after = Buffer.from(cursor, 'base64url').toString()
    if (encode(after) !== cursor) return undefined
    const found = list.findIndex((entry) => String(entry[key]) > after)
    start = found === -1 ? list.length : found
  }
  const { items, nextCursor } = pageAt(list, key, start)
  return nextCursor === undefined ? `"${name}":${items}` : `"${name}":${items},"nextCursor":"${nextCursor}"`
}
