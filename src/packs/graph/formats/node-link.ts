import { isAttributes } from '../attributes.ts'
import type { Attributes, GraphDocument } from '../document.ts'
import type { GraphLimits } from '../limits.ts'
import { createDocumentBuilder } from './build.ts'
import { badDocument } from './errors.ts'

// The JSON of networkx's node_link_data: attributes stand beside id, source, target and key. An attribute that has one of these
// names itself goes into a nested `attributes` object, so that every graph survives a round trip.

const NODE_NAMES = new Set(['id', 'attributes'])
const EDGE_NAMES = new Set(['source', 'target', 'key', 'attributes'])

export interface NodeLink {
  directed: boolean
  multigraph: boolean
  graph: Attributes
  nodes: Attributes[]
  edges: Attributes[]
}

function toNodeLink(document: GraphDocument): NodeLink {
  return {
    directed: document.directed,
    multigraph: document.multi,
    graph: document.attributes,
    nodes: document.nodes.map(({ id, attributes }) => ({ id, ...flat(attributes, NODE_NAMES) })),
    edges: document.edges.map(({ key, source, target, attributes }) => ({ source, target, ...(key === undefined ? {} : { key }), ...flat(attributes, EDGE_NAMES) }))
  }
}

export function writeNodeLink(document: GraphDocument): string {
  return JSON.stringify(toNodeLink(document))
}

function flat(attributes: Attributes, taken: Set<string>): Attributes {
  const entries = Object.entries(attributes)
  const nested = entries.filter(([name]) => taken.has(name))
  const beside = Object.fromEntries(entries.filter(([name]) => !taken.has(name)))
  return nested.length === 0 ? beside : { ...beside, attributes: Object.fromEntries(nested) }
}

/** Takes `edges` or, as older networkx writes it, `links`; ids may be strings or numbers. */
export function readNodeLink(text: string, options: { directed?: boolean | undefined; multi?: boolean | undefined }, limits: GraphLimits): GraphDocument {
  const root = parse(text)
  const builder = createDocumentBuilder(limits)
  listAt(root, 'nodes').forEach((node, at) => {
    const place = `nodes[${at}]`
    const entry = objectAt(node, place)
    builder.node(idAt(entry, 'id', place), gather(entry, NODE_NAMES, place), place)
  })
  const name = 'edges' in root ? 'edges' : 'links'
  const isMulti = options.multi ?? booleanAt(root, 'multigraph')
  // networkx numbers parallel edges 0, 1, …: such a key is unique only between its two nodes, and therefore not one of ours.
  listAt(root, name).forEach((edge, at) => {
    const place = `${name}[${at}]`
    const entry = objectAt(edge, place)
    const key = typeof entry['key'] === 'string' ? { key: entry['key'] } : {}
    builder.edge({ source: idAt(entry, 'source', place), target: idAt(entry, 'target', place), ...key, attributes: gather(entry, EDGE_NAMES, place) }, place)
  })
  const attributes = 'graph' in root ? objectAt(root['graph'], 'graph') : {}
  return builder.finish({ directed: options.directed ?? booleanAt(root, 'directed') ?? false, multi: isMulti, attributes })
}

function parse(text: string): Attributes {
  try {
    return objectAt(JSON.parse(text), 'The document')
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw badDocument(`Not JSON, line ${/\(line (\d+) column/.exec(error.message)?.[1] ?? lineOfError(text)}`, error.message.slice(0, 200))
  }
}

/**
 * The line of a syntax error, which JSON.parse does not always tell: the first line with which the text up to there is wrong
 * rather than only unfinished. Found by halving, so that a large document is parsed some twenty times at most.
 */
function lineOfError(text: string): number {
  const lines = text.split('\n')
  let good = 0
  let bad = lines.length
  while (bad - good > 1) {
    const middle = (good + bad) >> 1
    if (isUnfinished(lines.slice(0, middle).join('\n'))) good = middle
    else bad = middle
  }
  return bad
}

function isUnfinished(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch (error) {
    const { message } = error as SyntaxError
    return /end of JSON input/.test(message) || Number(/position (\d+)/.exec(message)?.[1]) >= text.length
  }
}

function objectAt(value: unknown, place: string): Attributes {
  if (isAttributes(value)) return value
  throw badDocument(place, 'must be a JSON object')
}

function listAt(root: Attributes, name: string): unknown[] {
  const value = root[name]
  if (Array.isArray(value)) return value
  throw badDocument(name, 'must be a list; node-link JSON looks like {"directed":false,"nodes":[{"id":"a"}],"edges":[{"source":"a","target":"a"}]}')
}

function booleanAt(root: Attributes, name: string): boolean | undefined {
  const value = root[name]
  if (value === undefined || typeof value === 'boolean') return value
  throw badDocument(name, 'must be true or false')
}

function idAt(entry: Attributes, name: string, place: string): string {
  const value = entry[name]
  if (typeof value === 'string') return value
  if (typeof value === 'number') return String(value)
  throw badDocument(`${place}.${name}`, 'must be a string or a number')
}

function gather(entry: Attributes, taken: Set<string>, place: string): Attributes {
  const beside = Object.fromEntries(Object.entries(entry).filter(([name]) => !taken.has(name)))
  return 'attributes' in entry ? { ...beside, ...objectAt(entry['attributes'], `${place}.attributes`) } : beside
}
