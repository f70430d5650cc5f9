import type { Clock } from '../../base/clock.ts'
import { METHOD } from '../../wire/protocols.ts'
import { decodeSearchAnswer, encodeSearchRequest, MAX_FOUND, MAX_QUERY, MAX_VISITED, type SearchRequest } from '../../wire/summary.ts'
import type { SummaryRow } from '../../wire/summary-row.ts'
import { digestOf, isRepeatable } from '../../wire/summary-row.ts'
import type { FoundTool, FoundTools } from '../../wire/summary-types.ts'
import type { SummaryCall } from './ports.ts'

const SHARE = 0.9
/** A query is a few words; more are not looked at. */
const MAX_WORDS = 16
const WORDS = /[\p{L}\p{M}]+|\p{N}+/gu
/** Runs of capitals that end before a capitalised word, words, digits: getHTTPServer_info2 is get, http, server, info, 2. */
const PARTS = /\p{Lu}+(?!\p{Ll})|\p{Lu}?[\p{Ll}\p{Lo}\p{Lm}\p{M}]+|\p{N}+/gu
/** How much a word says, by where it stands. */
const EXACT = 3
const PREFIX = 2
const INSIDE = 1

interface Scored {
  score: number
  found: FoundTool
}

/** The words of a query, lower case. */
export function queryWords(query: string): string[] {
  return [...new Set(query.slice(0, MAX_QUERY).toLowerCase().match(WORDS) ?? [])].slice(0, MAX_WORDS)
}

/**
 * Tools whose names, or whose server's, hold every word; the best first: a word of the tool's name over one of the server's, whole words
 * over beginnings over parts of words, then short names, then by key and name.
 */
export function searchRows(rows: Iterable<SummaryRow>, query: string, limit: number): FoundTool[] {
  const words = queryWords(query)
  if (words.length === 0) return []
  const all: Scored[] = []
  for (const row of rows) {
    const { body } = row
    const server = body.name.toLowerCase()
    // Most servers have none of it: one look at all their names decides.
    const names = `${server}\n${body.tools.join('\n').toLowerCase()}`
    if (!words.every((word) => names.includes(word))) continue
    const serverParts = partsOf(body.name)
    body.tools.forEach((tool, index) => {
      const score = scoreOf(words, tool, server, serverParts)
      if (score > 0) all.push({ score, found: foundIn(row, index) })
    })
  }
  return all.sort(byScore).slice(0, limit).map(({ found }) => found)
}

function scoreOf(words: readonly string[], tool: string, server: string, serverParts: readonly string[]): number {
  const lower = tool.toLowerCase()
  const parts = partsOf(tool)
  let score = 0
  for (const word of words) {
    const here = 2 * match(word, lower, parts) + match(word, server, serverParts)
    if (here === 0) return 0
    score += here
  }
  return score
}

function match(word: string, name: string, parts: readonly string[]): number {
  if (!name.includes(word)) return 0
  if (parts.includes(word)) return EXACT
  return parts.some((part) => part.startsWith(word)) ? PREFIX : INSIDE
}

function partsOf(name: string): string[] {
  return (name.match(PARTS) ?? []).map((part) => part.toLowerCase())
}

function foundIn({ body, providers, counts }: SummaryRow, index: number): FoundTool {
  return {
    key: body.key,
    server: body.name,
    ...(body.owner === undefined ? {} : { owner: body.owner }),
    ...(body.node === undefined ? {} : { node: body.node }),
    tool: body.tools[index] as string,
    digest: digestOf(body, index),
    repeatable: isRepeatable(body, index),
    providers: counts?.[index] ?? providers
  }
}

function byScore(a: Scored, b: Scored): number {
  const [one, two] = [a.found, b.found]
  if (a.score !== b.score) return b.score - a.score
  if (one.tool.length !== two.tool.length) return one.tool.length - two.tool.length
  if (one.key !== two.key) return one.key < two.key ? -1 : 1
  return one.tool < two.tool ? -1 : 1
}

/** The question goes up to the top, which has all; whoever cannot ask above answers with what it has, and says so. */
export async function searchUp(
  deps: { clock: Clock; self: string; call: SummaryCall; rows(): Iterable<SummaryRow>; above(): string | undefined; complete(): boolean },
  request: SearchRequest,
  signal: AbortSignal
): Promise<FoundTools & { failed: boolean }> {
  const limit = Math.max(1, Math.min(request.limit, MAX_FOUND))
  const above = deps.above()
  const visited = [...new Set([...request.visited, deps.self])]
  let failed = false
  if (above !== undefined && !visited.includes(above) && visited.length <= MAX_VISITED && request.within > 0) {
    try {
      const body = encodeSearchRequest({ query: request.query.slice(0, MAX_QUERY), limit, within: request.within * SHARE, visited })
      const { tools, partial } = decodeSearchAnswer(await deps.call(above, METHOD.SUMMARY_SEARCH, body, { timeout: request.within, signal }))
      return { tools: tools.slice(0, limit), partial, failed }
    } catch {
      failed = true
    }
  }
  return { tools: searchRows(deps.rows(), request.query, limit), partial: failed || above !== undefined || !deps.complete(), failed }
}
