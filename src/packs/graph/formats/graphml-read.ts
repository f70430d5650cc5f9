import type { Attributes, DocumentEdge, GraphDocument } from '../document.ts'
import type { GraphLimits } from '../limits.ts'
import { createDocumentBuilder } from './build.ts'
import { badDocument } from './errors.ts'
import { JSON_MARK, MULTI_MARK } from './graphml-write.ts'
import { readXml, type XmlEvent } from './xml.ts'

interface Key {
  name: string
  type: string
  isJson: boolean
  place: string
  /** Text of its <default>, for elements that do not say. */
  fallback: string | undefined
}

type Open = Extract<XmlEvent, { kind: 'open' }>

/** The parts of GraphML we know nothing to do with, but that lose nothing a graph of ours holds. */
const SKIPPED = new Set(['desc', 'locator'])

/**
 * Reads GraphML 1.0: one graph, keys with their types and defaults. Nested graphs, hyperedges, ports and mixed directions have
 * no place in our graphs and are refused by name rather than dropped.
 * @throws SKEIN_BAD_REQUEST naming the line, SKEIN_LIMIT
 */
export function readGraphml(text: string, options: { directed?: boolean | undefined; multi?: boolean | undefined }, limits: GraphLimits): GraphDocument {
  const keys = new Map<string, Key>()
  const builder = createDocumentBuilder(limits)
  // Edges may stand before their nodes.
  const edges: { edge: DocumentEdge; place: string }[] = []
  const stack: Open[] = []
  const graphAttributes: Attributes = {}
  let graph: Open | undefined
  let element: { attributes: Attributes; open: Open } | undefined
  let data: string | undefined

  const open = (event: Open) => {
    const place = `Line ${event.line}`
    const parent = stack.at(-1)?.name
    if (parent === undefined && event.name !== 'graphml') throw badDocument(place, `the root element is <${event.name}>, not <graphml>`)
    if (event.name === 'key' && parent === 'graphml') {
      keys.set(need(event, 'id'), keyOf(event))
    } else if (event.name === 'graph') {
      if (graph !== undefined || parent !== 'graphml') throw badDocument(place, 'a second or nested <graph>; import one graph at a time')
      graph = event
    } else if ((event.name === 'node' || event.name === 'edge') && parent === 'graph') {
      element = { attributes: {}, open: event }
    } else if ((event.name === 'data' && (parent === 'graph' || parent === 'node' || parent === 'edge')) || (event.name === 'default' && parent === 'key')) {
      data = ''
    } else if (!SKIPPED.has(event.name) && !stack.some(({ name }) => SKIPPED.has(name)) && event.name !== 'graphml') {
      throw badDocument(place, `<${event.name}> is not supported here; remove it`)
    }
    stack.push(event)
  }

  const close = (line: number) => {
    const event = stack.pop()!
    const place = `Line ${event.line}`
    if (event.name === 'default' && data !== undefined) {
      keys.get(need(stack.at(-1)!, 'id'))!.fallback = data
      data = undefined
    } else if (event.name === 'data' && data !== undefined) {
      const key = keys.get(need(event, 'key'))
      if (key === undefined) throw badDocument(place, `the key "${event.attributes.get('key')}" is not declared by a <key> before the graph`)
      const attributes = element?.attributes ?? graphAttributes
      setOwn(attributes, key.name, valueOf(data, key, place))
      data = undefined
    } else if (element?.open === event) {
      const { attributes } = element
      element = undefined
      withDefaults(attributes, keys, event.name, place)
      if (event.name === 'node') builder.node(need(event, 'id'), attributes, place)
      else edges.push({ edge: edgeOf(event, attributes, graph!), place })
      // Bounded here too: edges are only counted once all nodes are known.
      if (edges.length > limits.maxEdges) throw badDocument(`Line ${line}`, `more than ${limits.maxEdges} edges (SKEIN_GRAPH_MAX_EDGES); split the graph`)
    }
  }

  for (const event of readXml(text)) {
    if (event.kind === 'open') open(event)
    else if (event.kind === 'close') close(event.line)
    else if (data !== undefined) data += event.text
  }
  if (graph === undefined) throw badDocument('The document', 'has no <graph> element')
  withDefaults(graphAttributes, keys, 'graph', `Line ${graph.line}`)
  for (const { edge, place } of edges) builder.edge(edge, place)
  const marked = graph.attributes.get(MULTI_MARK)
  return builder.finish({
    directed: options.directed ?? isDirected(graph),
    multi: options.multi ?? (marked === undefined ? undefined : marked === 'true'),
    attributes: graphAttributes
  })
}

function isDirected(graph: Open): boolean {
  const value = graph.attributes.get('edgedefault')
  if (value === 'directed' || value === 'undirected') return value === 'directed'
  throw badDocument(`Line ${graph.line}`, '<graph> needs edgedefault="directed" or edgedefault="undirected"')
}

function edgeOf(event: Open, attributes: Attributes, graph: Open): DocumentEdge {
  const own = event.attributes.get('directed')
  if (own !== undefined && (own === 'true') !== isDirected(graph)) {
    throw badDocument(`Line ${event.line}`, 'this edge has another direction than the graph; a graph here is directed or undirected as a whole')
  }
  const key = event.attributes.get('id')
  return { ...(key === undefined ? {} : { key }), source: need(event, 'source'), target: need(event, 'target'), attributes }
}

function need(event: Open, name: string): string {
  const value = event.attributes.get(name)
  if (value !== undefined) return value
  throw badDocument(`Line ${event.line}`, `<${event.name}> needs the attribute ${name}`)
}

function keyOf(event: Open): Key {
  return {
    name: event.attributes.get('attr.name') ?? need(event, 'id'),
    type: event.attributes.get('attr.type') ?? 'string',
    isJson: event.attributes.get(JSON_MARK) === 'true',
    place: event.attributes.get('for') ?? 'all',
    fallback: undefined
  }
}

function withDefaults(attributes: Attributes, keys: Map<string, Key>, element: string, place: string): void {
  for (const key of keys.values()) {
    if (key.fallback === undefined || (key.place !== element && key.place !== 'all') || Object.hasOwn(attributes, key.name)) continue
    setOwn(attributes, key.name, valueOf(key.fallback, key, place))
  }
}

/** A plain assignment would take the name __proto__ for the prototype; attributeBytes refuses it with a message later. */
function setOwn(attributes: Attributes, name: string, value: unknown): void {
  Object.defineProperty(attributes, name, { value, enumerable: true, writable: true, configurable: true })
}

function valueOf(text: string, key: Key, place: string): unknown {
  if (key.isJson) {
    try {
      return JSON.parse(text)
    } catch {
      throw badDocument(place, `the value of "${key.name}" is marked as JSON but is not`)
    }
  }
  const trimmed = text.trim()
  switch (key.type) {
    case 'string':
      return text
    case 'boolean':
      if (/^(true|1)$/i.test(trimmed)) return true
      if (/^(false|0)$/i.test(trimmed)) return false
      break
    case 'int':
    case 'long':
    case 'float':
    case 'double':
      if (trimmed !== '' && Number.isFinite(Number(trimmed))) return Number(trimmed)
      break
    default:
      throw badDocument(place, `the type "${key.type}" of "${key.name}" is not one of GraphML: boolean, int, long, float, double, string`)
  }
  throw badDocument(place, `"${trimmed.slice(0, 40)}" cannot be read as ${key.type}, which "${key.name}" is declared as`)
}
