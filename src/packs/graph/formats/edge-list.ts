import type { DocumentEdge, GraphDocument } from '../document.ts'
import type { GraphLimits } from '../limits.ts'
import { createDocumentBuilder } from './build.ts'
import { badDocument } from './errors.ts'

// One edge per line: source, target and optionally a weight, separated by spaces, tabs or one comma; a line with one word is a
// node without edges. Words with spaces, commas or quotes are written as JSON strings. `#` starts a comment; the first line may be
// `# directed=true multi=false`. Other attributes than the weight, and the keys of edges, have no place here.

const WORD = /[ \t]*(?:("(?:[^"\\]|\\.)*")|([^\s,"#][^\s,"]*))[ \t]*(,?)/y
const HEADER = /^#\s*directed=(true|false)\s+multi=(true|false)\s*$/
/** These need quotes; a leading # would start a comment. */
const NEEDS_QUOTES = /^#|[\s,"\\]/

export function writeEdgeList(document: GraphDocument): string {
  const lines = [`# directed=${document.directed} multi=${document.multi}`]
  // Nodes first, in their order: it survives a round trip, and with it every result that depends on it.
  for (const { id } of document.nodes) lines.push(quote(id))
  for (const { source, target, attributes } of document.edges) {
    const weight = typeof attributes['weight'] === 'number' ? ` ${attributes['weight']}` : ''
    lines.push(`${quote(source)} ${quote(target)}${weight}`)
  }
  return lines.join('\n') + '\n'
}

/** @throws SKEIN_BAD_REQUEST naming the line, SKEIN_LIMIT */
export function readEdgeList(text: string, options: { directed?: boolean | undefined; multi?: boolean | undefined }, limits: GraphLimits): GraphDocument {
  const builder = createDocumentBuilder(limits)
  let { directed, multi } = options
  text.split(/\r\n|\n|\r/).forEach((line, at) => {
    const place = `Line ${at + 1}`
    if (at === 0) {
      const header = HEADER.exec(line)
      directed ??= header === null ? undefined : header[1] === 'true'
      multi ??= header === null ? undefined : header[2] === 'true'
    }
    const words = wordsOf(line, place)
    const [source, target, weight] = words
    if (source === undefined) return
    if (words.length > 3) throw badDocument(place, `more than three words; write source, target and at most a weight, and put names with spaces in double quotes`)
    for (const id of target === undefined ? [source] : [source, target]) if (!builder.hasNode(id)) builder.node(id, {}, place)
    if (target === undefined) return
    const edge: DocumentEdge = { source, target, attributes: {} }
    if (weight !== undefined) edge.attributes['weight'] = numberOf(weight, place)
    builder.edge(edge, place)
  })
  return builder.finish({ directed: directed ?? false, multi, attributes: {} })
}

function wordsOf(line: string, place: string): string[] {
  const words: string[] = []
  let at = 0
  for (;;) {
    const rest = line.slice(at).trimStart()
    // A word too many is reported by the caller; a line of millions need not be read for that.
    if (rest === '' || rest.startsWith('#') || words.length > 3) return words
    WORD.lastIndex = at
    const match = WORD.exec(line)
    if (match === null) throw badDocument(`${place}, column ${line.length - rest.length + 1}`, 'not a name, a number or a name in double quotes')
    words.push(match[1] === undefined ? match[2]! : unquote(match[1], place))
    at = WORD.lastIndex
  }
}

function unquote(text: string, place: string): string {
  try {
    return JSON.parse(text) as string
  } catch {
    throw badDocument(place, `${text.slice(0, 40)} is not a valid string in double quotes; write it as JSON does`)
  }
}

function quote(id: string): string {
  return NEEDS_QUOTES.test(id) ? JSON.stringify(id) : id
}

function numberOf(text: string, place: string): number {
  const value = Number(text)
  if (Number.isFinite(value) && text !== '') return value
  throw badDocument(place, `the weight "${text.slice(0, 40)}" is not a number`)
}
