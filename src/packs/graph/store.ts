import { DirectedGraph, MultiDirectedGraph, MultiUndirectedGraph, UndirectedGraph } from 'graphology'
import { SkeinError } from '../../base/errors.ts'
import { attributeBytes } from './attributes.ts'
import type { Attributes, GraphDocument } from './document.ts'
import type { GraphLimits } from './limits.ts'
import { addEdges, addNodes } from './mutations.ts'

/** The methods all four kinds share; which kind it is stands in `directed` and `multi`. */
export type GraphInstance = MultiUndirectedGraph

export interface StoredGraph {
  readonly id: string
  readonly directed: boolean
  readonly multi: boolean
  readonly graph: GraphInstance
  /** Bytes of JSON of all attributes, kept up to date by every change. */
  bytes: number
  /** The number in the next key we give an edge. */
  nextEdge: number
  /** What the other graphs hold: nodes and edges, and bytes of attributes. */
  elsewhere(): { elements: number; bytes: number }
}

export interface CreateOptions {
  directed: boolean
  multi: boolean
  attributes?: Attributes
}

/** The graphs of this process. Every method either does all of its work or throws and changes nothing. */
export interface GraphStore {
  readonly limits: GraphLimits
  /** @throws SKEIN_BAD_REQUEST when the id is taken or malformed, SKEIN_LIMIT when there are too many graphs */
  create(id: string, options: CreateOptions): StoredGraph
  /** @throws SKEIN_NOT_FOUND naming the graphs there are */
  get(id: string): StoredGraph
  has(id: string): boolean
  /** @throws SKEIN_NOT_FOUND */
  drop(id: string): void
  /** In the order of their creation. */
  list(): StoredGraph[]
  /** Takes in a whole graph, as a new one or, with `replace`, in place of one of this id. */
  put(id: string, document: GraphDocument, options: { replace: boolean }): StoredGraph
}

/** Ids appear in `graph://` addresses, so they need no escaping there. */
const GRAPH_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
/** A message lists no more ids than a person reads. */
const NAMED_IN_ERRORS = 10

/** @param deps.onListChanged called after a graph appeared or went away */
export function createGraphStore(deps: { limits: GraphLimits; onListChanged?: () => void }): GraphStore {
  const { limits } = deps
  const graphs = new Map<string, StoredGraph>()

  function checkNew(id: string): void {
    if (!GRAPH_ID.test(id)) {
      throw new SkeinError('SKEIN_BAD_REQUEST', `"${id.slice(0, 40)}" cannot name a graph: use 1 to 64 letters, digits, ".", "_" or "-", starting with a letter or digit`)
    }
    if (graphs.size >= limits.maxGraphs && !graphs.has(id)) {
      throw new SkeinError('SKEIN_LIMIT', `There are ${graphs.size} graphs, which is the limit; remove one with delete_graph first`)
    }
  }

  function get(id: string): StoredGraph {
    const stored = graphs.get(id)
    if (stored !== undefined) return stored
    const known = [...graphs.keys()].slice(0, NAMED_IN_ERRORS)
    const hint = known.length === 0 ? 'there are none yet; make it with create_graph' : `there are: ${known.join(', ')}${graphs.size > known.length ? ', …' : ''}`
    throw new SkeinError('SKEIN_NOT_FOUND', `There is no graph "${id.slice(0, 64)}"; ${hint}`)
  }

  function elsewhere(id: string): { elements: number; bytes: number } {
    const total = { elements: 0, bytes: 0 }
    for (const other of graphs.values()) {
      if (other.id === id) continue
      total.elements += other.graph.order + other.graph.size
      total.bytes += other.bytes
    }
    return total
  }

  return {
    limits,
    get,
    has: (id) => graphs.has(id),
    list: () => [...graphs.values()],
    create(id, options) {
      checkNew(id)
      if (graphs.has(id)) throw new SkeinError('SKEIN_BAD_REQUEST', `A graph "${id}" exists already; take another id, or remove it with delete_graph`)
      const stored = emptyGraph(id, options, limits, () => elsewhere(id))
      graphs.set(id, stored)
      deps.onListChanged?.()
      return stored
    },
    drop(id) {
      get(id)
      graphs.delete(id)
      deps.onListChanged?.()
    },
    put(id, document, options) {
      checkNew(id)
      if (graphs.has(id) && !options.replace) {
        throw new SkeinError('SKEIN_BAD_REQUEST', `A graph "${id}" exists already; take another id, or pass replace: true to overwrite it`)
      }
      const stored = emptyGraph(id, document, limits, () => elsewhere(id))
      addNodes(stored, document.nodes, { update: false }, limits)
      addEdges(stored, document.edges, { update: false, createNodes: false }, limits)
      const isNew = !graphs.has(id)
      graphs.set(id, stored)
      if (isNew) deps.onListChanged?.()
      return stored
    }
  }
}

function emptyGraph(id: string, options: CreateOptions, limits: GraphLimits, elsewhere: StoredGraph['elsewhere']): StoredGraph {
  const attributes = options.attributes ?? {}
  const bytes = attributeBytes(attributes, `graph "${id}"`, limits.maxElementBytes)
  const Kind = options.directed ? (options.multi ? MultiDirectedGraph : DirectedGraph) : options.multi ? MultiUndirectedGraph : UndirectedGraph
  const graph: GraphInstance = new Kind()
  graph.replaceAttributes({ ...attributes })
  return { id, directed: options.directed, multi: options.multi, graph, bytes, nextEdge: 1, elsewhere }
}

/** The whole graph as plain data, in insertion order. */
export function documentOf(stored: StoredGraph): GraphDocument {
  const { graph } = stored
  return {
    directed: stored.directed,
    multi: stored.multi,
    attributes: graph.getAttributes(),
    nodes: graph.mapNodes((id, attributes) => ({ id, attributes })),
    edges: graph.mapEdges((key, attributes, source, target) => ({ key, source, target, attributes }))
  }
}
