import { SkeinError } from '../../../base/errors.ts'
import { checkId } from '../attributes.ts'
import type { Attributes, DocumentEdge, GraphDocument } from '../document.ts'
import type { GraphLimits } from '../limits.ts'
import { badDocument } from './errors.ts'

/** Collects a document while it is read, checking each part at its place, so that an error can name it. */
export interface DocumentBuilder {
  node(id: string, attributes: Attributes, place: string): void
  hasNode(id: string): boolean
  edge(edge: DocumentEdge, place: string): void
  /** @throws SKEIN_BAD_REQUEST when edges repeat in a graph declared as not multi */
  finish(options: { directed: boolean; multi: boolean | undefined; attributes: Attributes }): GraphDocument
}

/** @throws SKEIN_LIMIT from `node` and `edge` as soon as there are too many, before the rest is read */
export function createDocumentBuilder(limits: Pick<GraphLimits, 'maxNodes' | 'maxEdges'>): DocumentBuilder {
  const nodes = new Map<string, Attributes>()
  const edges: { edge: DocumentEdge; place: string }[] = []
  const keys = new Set<string>()

  const checkAt = (place: string, id: string, what: string) => {
    try {
      checkId(id, what)
    } catch (error) {
      throw badDocument(place, (error as Error).message)
    }
  }

  return {
    hasNode: (id) => nodes.has(id),
    node(id, attributes, place) {
      checkAt(place, id, 'The node id')
      if (nodes.has(id)) throw badDocument(place, `the node "${id}" appears twice; give each node its own id`)
      if (nodes.size >= limits.maxNodes) {
        throw new SkeinError('SKEIN_LIMIT', `${place}: more than ${limits.maxNodes} nodes (SKEIN_GRAPH_MAX_NODES); nothing was imported. Split the graph`)
      }
      nodes.set(id, attributes)
    },
    edge(edge, place) {
      for (const end of [edge.source, edge.target]) {
        if (!nodes.has(end)) throw badDocument(place, `the edge names a node "${end.slice(0, 64)}" that is not in the document; add the node`)
      }
      if (edge.key !== undefined) {
        checkAt(place, edge.key, 'The edge key')
        if (keys.has(edge.key)) throw badDocument(place, `the edge key "${edge.key}" appears twice; give each edge its own`)
        keys.add(edge.key)
      }
      if (edges.length >= limits.maxEdges) {
        throw new SkeinError('SKEIN_LIMIT', `${place}: more than ${limits.maxEdges} edges (SKEIN_GRAPH_MAX_EDGES); nothing was imported. Split the graph`)
      }
      edges.push({ edge, place })
    },
    finish({ directed, multi, attributes }) {
      const pairs = new Set<string>()
      let repeats = false
      for (const { edge, place } of edges) {
        const ends = directed ? [edge.source, edge.target] : [edge.source, edge.target].toSorted()
        const pair = ends.join('\u0000')
        if (pairs.has(pair)) {
          if (multi === false) {
            throw badDocument(place, `"${edge.source}" and "${edge.target}" are joined already, but the graph is not multi; remove the edge or pass multi: true`)
          }
          repeats = true
        }
        pairs.add(pair)
      }
      return {
        directed,
        multi: multi ?? repeats,
        attributes,
        nodes: [...nodes].map(([id, nodeAttributes]) => ({ id, attributes: nodeAttributes })),
        edges: edges.map(({ edge }) => edge)
      }
    }
  }
}
