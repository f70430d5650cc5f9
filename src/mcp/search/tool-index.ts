import { isObject } from '../../base/is-object.ts'
import type { Json } from '../../wire/json-rpc.ts'
import type { ViewTool } from '../view-types.ts'
import { nameWords, textWords } from './words.ts'

/** Okapi BM25 with its usual constants: how soon a repeated word stops to count, and how much long texts are discounted. */
const K1 = 1.2
const B = 0.75
/** What one occurrence counts: a tool is named after what it does, its description mentions much else. */
const WEIGHTS = { name: 4, title: 3, server: 2, description: 1, parameter: 1 }
/** A word that only begins with the word asked for. */
const PREFIX_FACTOR = 0.5
/** Of one letter everything begins. */
const MIN_PREFIX = 2
/** Words that one prefix may stand for; the shortest are the nearest. */
const MAX_PREFIXED = 64
/** Texts are indexed up to here: what a tool does stands at the beginning. */
const MAX_TEXT = 1_000
const MAX_PARAMETERS = 100
/** Words of a query that count. */
const MAX_TERMS = 32

export interface ToolIndex {
  /** Tools that fit, best first; equal ones by name. The empty query fits everything. */
  search(query: string, wanted?: (tool: ViewTool) => boolean): ViewTool[]
}

/** An index over the tools of one view, given sorted by name. */
export function createToolIndex(tools: readonly ViewTool[]): ToolIndex {
  /** Word -> pairs of (index of the tool, weight of the word in it). */
  const postings = new Map<string, number[]>()
  const lengths = new Float64Array(tools.length)
  let total = 0
  for (const [index, tool] of tools.entries()) {
    const { words, weights, length } = analysed(tool)
    lengths[index] = length
    total += length
    for (let at = 0; at < words.length; at++) {
      const word = words[at] as string
      const list = postings.get(word)
      if (list === undefined) postings.set(word, [index, weights[at] as number])
      else list.push(index, weights[at] as number)
    }
  }
  const average = total / Math.max(1, tools.length)
  const vocabulary = [...postings.keys()].sort()

  /** Adds what one word of the query is worth to each tool, by its best fitting word. */
  function score(term: string, scores: Float64Array): void {
    const best = new Float64Array(tools.length)
    for (const word of wordsFor(term)) {
      const list = postings.get(word) as number[]
      const count = list.length / 2
      const rarity = Math.log(1 + (tools.length - count + 0.5) / (count + 0.5)) * (word === term ? 1 : PREFIX_FACTOR)
      for (let at = 0; at < list.length; at += 2) {
        const index = list[at] as number
        const weight = list[at + 1] as number
        const norm = K1 * (1 - B + (B * (lengths[index] as number)) / average)
        const value = (rarity * weight * (K1 + 1)) / (weight + norm)
        const before = best[index] as number
        if (value <= before) continue
        best[index] = value
        scores[index] = (scores[index] as number) + value - before
      }
    }
  }

  function wordsFor(term: string): string[] {
    if (term.length < MIN_PREFIX) return postings.has(term) ? [term] : []
    const words: string[] = []
    for (let at = lowerBound(vocabulary, term); at < vocabulary.length && (vocabulary[at] as string).startsWith(term); at++) words.push(vocabulary[at] as string)
    return words.length <= MAX_PREFIXED ? words : words.toSorted((a, b) => a.length - b.length).slice(0, MAX_PREFIXED)
  }

  return {
    search(query, wanted = () => true) {
      const terms = [...new Set([...textWords(query), ...nameWords(query)])].slice(0, MAX_TERMS)
      if (terms.length === 0) return tools.filter(wanted)
      const scores = new Float64Array(tools.length)
      for (const term of terms) score(term, scores)
      const found: number[] = []
      for (let index = 0; index < scores.length; index++) if ((scores[index] as number) > 0 && wanted(tools[index] as ViewTool)) found.push(index)
      // The index is the order by name.
      found.sort((a, b) => (scores[b] as number) - (scores[a] as number) || a - b)
      return found.map((index) => tools[index] as ViewTool)
    }
  }
}

interface Analysed {
  words: string[]
  weights: number[]
  /** Sum of the weights. */
  length: number
}

/** By definition, so that a view that changed by one server analyses that server alone. */
const known = new WeakMap<Json, Analysed>()

function analysed({ name, server, definition }: ViewTool): Analysed {
  const found = known.get(definition)
  if (found !== undefined) return found
  const counts = new Map<string, number>()
  const add = (words: readonly string[], weight: number) => {
    for (const word of words) counts.set(word, (counts.get(word) ?? 0) + weight)
  }
  const { title, description, annotations, inputSchema } = definition
  const own = name.startsWith(`${server}__`) ? name.slice(server.length) : name
  add(nameWords(server), WEIGHTS.server)
  add(nameWords(own), WEIGHTS.name)
  add(textWords(text(title ?? property(annotations, 'title'))), WEIGHTS.title)
  add(textWords(text(description)), WEIGHTS.description)
  const parameters = property(inputSchema, 'properties')
  if (isObject(parameters)) for (const parameter of Object.keys(parameters).slice(0, MAX_PARAMETERS)) add(nameWords(parameter.slice(0, MAX_TEXT)), WEIGHTS.parameter)
  const weights = [...counts.values()]
  const result = { words: [...counts.keys()], weights, length: weights.reduce((sum, weight) => sum + weight, 0) }
  known.set(definition, result)
  return result
}

function text(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, MAX_TEXT) : ''
}

function property(value: unknown, name: string): unknown {
  return isObject(value) ? value[name] : undefined
}

/** The first place whose word is not before `word`. */
function lowerBound(sorted: readonly string[], word: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] as string) < word) low = middle + 1
    else high = middle
  }
  return low
}
