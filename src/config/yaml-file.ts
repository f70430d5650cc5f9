import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { isMap, isScalar, isSeq, LineCounter, parseDocument, visit, type Document, type Node } from 'yaml'
import { errorMessage } from '../base/errors.ts'
import type { Problem } from './types.ts'

/** A configuration of 256 servers has under 200 KiB. */
const MAX_FILE_BYTES = 1_048_576
/** References to anchors that may be followed; a file that multiplies itself (a "YAML bomb") needs thousands. */
const MAX_ALIASES = 50
/** The schema is six levels deep. */
const MAX_DEPTH = 20

export type Path = readonly (string | number)[]

export interface ConfigFile {
  path: string
  /** Plain values; `{}` for an empty file. */
  value: Record<string, unknown>
  /** Where the value at `path` stands (`key`: where its key stands), 1-based; of the nearest parent that exists. */
  position(path: Path, at: 'key' | 'value'): { line: number; column: number }
  /** Permission bits. */
  mode: number
}

/** Reads a text file of at most `max` bytes. Throws a plain sentence without the path. */
export function readBounded(path: string, max: number): { text: string; mode: number } {
  let descriptor
  try {
    descriptor = openSync(path, 'r')
  } catch (error) {
    throw new Error(openProblem(error), { cause: error })
  }
  try {
    const stat = fstatSync(descriptor)
    if (stat.isDirectory()) throw new Error('is a directory; name the file in it')
    // Pipes have no size, so what counts is what was read, not what stat says.
    const buffer = Buffer.alloc(max + 1)
    let length = 0
    for (let read = -1; read !== 0 && length <= max; length += read) read = readSync(descriptor, buffer, length, buffer.length - length, null)
    if (length > max) throw new Error(`is larger than ${max} bytes; this is not such a file`)
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(buffer.subarray(0, length)), mode: stat.mode & 0o777 }
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_ENCODING_INVALID_ENCODED_DATA') throw new Error('is not UTF-8 text', { cause: error })
    throw error
  } finally {
    closeSync(descriptor)
  }
}

function openProblem(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOENT') return 'does not exist; check the path'
  if (code === 'EACCES' || code === 'EPERM') return 'cannot be read by this user; check its owner and permissions'
  return `cannot be read: ${errorMessage(error)}`
}

/** Reads and parses a YAML file; what is wrong with it comes back as problems with lines. */
export function readYaml(path: string): { file: ConfigFile } | { problems: Problem[] } {
  const lines = new LineCounter()
  const fail = (message: string, offset?: number): { problems: Problem[] } => {
    const at = offset === undefined ? undefined : lines.linePos(offset)
    return { problems: [{ where: path, key: '', message, ...(at && { line: at.line, column: at.col }) }] }
  }
  try {
    const { text, mode } = readBounded(path, MAX_FILE_BYTES)
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true, version: '1.2' })
    const wrong = [...document.errors, ...document.warnings]
    if (wrong.length > 0) return { problems: wrong.flatMap((error) => fail(yamlSentence(error.code, error.message), error.pos[0]).problems) }
    const odd = findOdd(document)
    if (odd !== undefined) return fail(odd.message, odd.offset)
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES }) ?? {}
    if (typeof value !== 'object' || Array.isArray(value)) return fail('must be a map of sections such as node: and network:', 0)
    const position: ConfigFile['position'] = (keys, at) => {
      const { line, col } = lines.linePos(offsetOf(document, keys, at))
      return { line, column: col }
    }
    return { file: { path, value: value as Record<string, unknown>, position, mode } }
  } catch (error) {
    if (error instanceof RangeError) return fail('is nested too deeply')
    if (error instanceof ReferenceError) return fail(`repeats itself through aliases too often (over ${MAX_ALIASES}); write the values out`)
    return fail(errorMessage(error))
  }
}

function yamlSentence(code: string, message: string): string {
  if (code === 'DUPLICATE_KEY') return 'this key is there twice; remove one'
  if (code === 'TAB_AS_INDENT') return 'a tab indents this line; YAML wants spaces'
  if (code === 'MULTIPLE_DOCS') return 'a second document starts here (---); a configuration has one'
  return `is not valid YAML: ${message}`
}

/** Keys that are not text, `__proto__`, and nesting that no configuration has. */
function findOdd(document: Document): { message: string; offset: number } | undefined {
  let found: { message: string; offset: number } | undefined
  visit(document, {
    Pair(_, pair, ancestors) {
      const key = pair.key as Node | null
      const offset = key?.range?.[0] ?? 0
      if (!isScalar(key) || typeof key.value === 'object') found = { message: 'a key must be plain text', offset }
      else if (key.value === '__proto__') found = { message: '"__proto__" cannot be a key', offset }
      else if (ancestors.length > MAX_DEPTH * 2) found = { message: 'is nested too deeply', offset }
      return found === undefined ? undefined : visit.BREAK
    }
  })
  return found
}

function offsetOf(document: Document, path: Path, at: 'key' | 'value'): number {
  let offset = document.contents?.range?.[0] ?? 0
  let node: unknown = document.contents
  for (const [index, step] of path.entries()) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => String(isScalar(key) ? key.value : key) === String(step))
      if (pair === undefined) return offset
      const key = pair.key as Node | null
      const value = pair.value as Node | null
      const wantsKey = at === 'key' && index === path.length - 1
      offset = (wantsKey || value === null || (isScalar(value) && value.value === null) ? key?.range?.[0] : value.range?.[0]) ?? offset
      node = value
    } else if (isSeq(node)) {
      node = node.items[Number(step)]
      offset = (node as Node | undefined)?.range?.[0] ?? offset
    } else {
      return offset
    }
  }
  return offset
}
