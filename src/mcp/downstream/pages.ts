import type { ToolList } from '../ports.ts'
import type { Json } from '../../wire/json-rpc.ts'

/** Definitions a page: one page for nearly everybody, and at about 1 KiB a definition still a body of a megabyte. */
export const PAGE_SIZE = 1000

const prebuilt = new WeakMap<ToolList, Json[]>()

const encode = (after: string) => Buffer.from(after).toString('base64url')

function pageFrom(tools: readonly Json[], start: number): Json {
  const page = tools.slice(start, start + PAGE_SIZE)
  const last = page.at(-1)
  return start + PAGE_SIZE < tools.length && last !== undefined ? { tools: page, nextCursor: encode(String(last['name'])) } : { tools: page }
}

/**
 * One page of `tools/list`. The cursor is the last name of the page before (base64url), so a list that changes between two pages
 * skips and repeats nothing that stayed. Undefined: the cursor is not one of ours.
 */
export function toolsPage(list: ToolList, cursor: unknown): Json | undefined {
  if (cursor !== undefined && (typeof cursor !== 'string' || !/^[A-Za-z0-9_-]{1,1024}$/.test(cursor))) return undefined
  const after = cursor === undefined ? undefined : Buffer.from(cursor, 'base64url').toString()
  if (after !== undefined && encode(after) !== cursor) return undefined
  const found = after === undefined ? 0 : list.tools.findIndex((tool) => String(tool['name']) > after)
  const start = found === -1 ? list.tools.length : found
  if (start % PAGE_SIZE !== 0) return pageFrom(list.tools, start)
  let pages = prebuilt.get(list)
  if (pages === undefined) {
    pages = []
    prebuilt.set(list, pages)
  }
  return (pages[start / PAGE_SIZE] ??= pageFrom(list.tools, start))
}

function sameTool(a: Json, b: Json): boolean {
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key])
}

/** Whether two lists say the same: views are built anew for any change, also one in another server. Shallow: copies share what is inside. */
export function sameTools(a: ToolList | undefined, b: ToolList | undefined): boolean {
  if (a === b || a === undefined || b === undefined) return a === b
  return a.tools.length === b.tools.length && a.tools.every((tool, index) => sameTool(tool, b.tools[index] as Json))
}
