import { SkeinError } from '../../base/errors.ts'
import { attributeBytes, checkId } from './attributes.ts'
import type { Attributes, DocumentEdge, DocumentNode } from './document.ts'
import type { GraphLimits } from './limits.ts'
import type { GraphInstance, StoredGraph } from './store.ts'

// Every function here first plans the whole batch against the graph as it is and throws before it has changed
// anything; only a plan that holds is carried out. A batch is therefore done completely or not at all.

export interface Change {
  added: number
  updated: number
}

/**
 * @param options.update merges the attributes of nodes that exist already instead of refusing the batch
 * @throws SKEIN_BAD_REQUEST naming the node, SKEIN_LIMIT
 */
export function addNodes(stored: StoredGraph, nodes: DocumentNode[], options: { update: boolean }, limits: GraphLimits): Change {
  const { graph } = stored
  const planned = new Map<string, Attributes>()
  let bytes = stored.bytes
  let added = 0
  for (const { id, attributes } of nodes) {
    checkId(id, 'The node id')
    const before = planned.get(id) ?? (graph.hasNode(id) ? graph.getNodeAttributes(id) : undefined)
    if (before !== undefined && !options.update) {
      throw new SkeinError('SKEIN_BAD_REQUEST', `Node "${id}" exists already; leave it out, or pass update: true to merge its attributes`)
    }
    const after = { ...before, ...attributes }
    bytes += attributeBytes(after, `node "${id}"`, limits.maxElementBytes) - (before === undefined ? 0 : sizeOf(before))
    if (before === undefined) added += 1
    planned.set(id, after)
  }
  checkRoom(stored, { nodes: added, edges: 0, bytes }, limits)
  for (const [id, attributes] of planned) {
    if (graph.hasNode(id)) graph.replaceNodeAttributes(id, attributes)
    else insertNode(graph, id, attributes)
  }
  stored.bytes = bytes
  return { added, updated: planned.size - added }
}

/**
 * @param options.update merges the attributes of an edge that joins the same nodes already (only in graphs that are not multi)
 * @param options.createNodes adds missing end nodes instead of refusing the batch
 * @throws SKEIN_BAD_REQUEST naming the edge, SKEIN_LIMIT
 */
export function addEdges(
  stored: StoredGraph,
  edges: DocumentEdge[],
  options: { update: boolean; createNodes: boolean },
  limits: GraphLimits
): Change & { nodesCreated: number } {
  const { graph } = stored
  const newNodes = new Set<string>()
  const planned = new Map<string, { key: string; source: string; target: string; attributes: Attributes; isNew: boolean }>()
  const newKeys = new Set<string>()
  // Keys the caller gives are claimed first, so that a generated one cannot take the key of a later edge.
  const given = new Set(edges.flatMap(({ key }) => (key === undefined ? [] : [key])))
  let nextEdge = stored.nextEdge
  let bytes = stored.bytes
  for (const edge of edges) {
    const where = `edge "${edge.source}" → "${edge.target}"`
    for (const end of [edge.source, edge.target]) {
      if (graph.hasNode(end) || newNodes.has(end)) continue
      if (!options.createNodes) throw new SkeinError('SKEIN_BAD_REQUEST', `${where}: there is no node "${end.slice(0, 64)}"; add it with add_nodes first`)
      checkId(end, 'The node id')
      newNodes.add(end)
    }
    const joined = stored.multi ? undefined : joinedBy(stored, edge.source, edge.target)
    const slot = stored.multi ? `#${planned.size}` : slotOf(stored, edge.source, edge.target)
    const earlier = planned.get(slot)
    const before = earlier?.attributes ?? (joined === undefined ? undefined : graph.getEdgeAttributes(joined))
    if (before !== undefined && !options.update) {
      throw new SkeinError('SKEIN_BAD_REQUEST', `${where} exists already; pass update: true to merge its attributes, or use a graph with multi: true`)
    }
    const present = earlier?.key ?? joined
    if (edge.key !== undefined && edge.key !== present) {
      checkId(edge.key, 'The edge key')
      if (present !== undefined) throw new SkeinError('SKEIN_BAD_REQUEST', `${where} has the key "${present}", which cannot change; leave the key out`)
      if (graph.hasEdge(edge.key) || newKeys.has(edge.key)) throw new SkeinError('SKEIN_BAD_REQUEST', `${where}: another edge has the key "${edge.key}"; take another one`)
      newKeys.add(edge.key)
    }
    let key = present ?? edge.key
    while (key === undefined) {
      const candidate = `e${nextEdge++}`
      if (!graph.hasEdge(candidate) && !given.has(candidate)) key = candidate
    }
    const after = { ...before, ...edge.attributes }
    bytes += attributeBytes(after, where, limits.maxElementBytes) - (before === undefined ? 0 : sizeOf(before))
    planned.set(slot, { key, source: edge.source, target: edge.target, attributes: after, isNew: joined === undefined })
  }
  // The attributes of a created node are `{}`: two bytes.
  bytes += 2 * newNodes.size
  const list = [...planned.values()]
  const added = list.filter(({ isNew }) => isNew).length
  checkRoom(stored, { nodes: newNodes.size, edges: added, bytes }, limits)
  for (const id of newNodes) insertNode(graph, id, {})
  for (const { key, source, target, attributes, isNew } of list) {
    if (isNew) graph.addEdgeWithKey(key, source, target, attributes)
    else graph.replaceEdgeAttributes(key, attributes)
  }
  stored.bytes = bytes
  stored.nextEdge = nextEdge
  return { added, updated: list.length - added, nodesCreated: newNodes.size }
}

/** @throws SKEIN_LIMIT when the graph would grow beyond what is allowed */
export function checkRoom(stored: StoredGraph, change: { nodes: number; edges: number; bytes: number }, limits: GraphLimits): void {
  const { graph, id } = stored
  const nodes = graph.order + change.nodes
  const edges = graph.size + change.edges
  const refuse = (text: string) => new SkeinError('SKEIN_LIMIT', `Graph "${id}" ${text}; nothing was changed. Remove what you no longer need, or split the graph`)
  if (nodes > limits.maxNodes && change.nodes > 0) throw refuse(`would have ${nodes} nodes, ${limits.maxNodes} are allowed (SKEIN_GRAPH_MAX_NODES)`)
  if (edges > limits.maxEdges && change.edges > 0) throw refuse(`would have ${edges} edges, ${limits.maxEdges} are allowed (SKEIN_GRAPH_MAX_EDGES)`)
  if (change.bytes > limits.maxGraphBytes && change.bytes > stored.bytes) {
    throw refuse(`would have attributes of ${change.bytes} bytes, ${limits.maxGraphBytes} are allowed`)
  }
  const others = stored.elsewhere()
  const elements = others.elements + nodes + edges
  if (elements > limits.maxTotalElements && change.nodes + change.edges > 0) {
    throw refuse(`would make ${elements} nodes and edges in all graphs together, ${limits.maxTotalElements} are allowed; delete_graph makes room`)
  }
  const bytes = others.bytes + change.bytes
  if (bytes > limits.maxTotalBytes && change.bytes > stored.bytes) {
    throw refuse(`would make ${bytes} bytes of attributes in all graphs together, ${limits.maxTotalBytes} are allowed; delete_graph makes room`)
  }
}

/** Bytes of JSON of attributes that were checked when they came in. */
export function sizeOf(attributes: Attributes): number {
  return Buffer.byteLength(JSON.stringify(attributes))
}

/** Where graphology 0.26 keeps the neighbours of a node: plain objects by neighbour id. */
interface NodeData {
  in?: object
  out?: object
  undirected?: object
}

/**
 * Adds a node whose neighbours may have any name. In plain objects a neighbour called "constructor" or "toString", common in
 * graphs of code, seems to be there already; without a prototype it does not.
 */
function insertNode(graph: GraphInstance, id: string, attributes: Attributes): void {
  graph.addNode(id, attributes)
  const data = (graph as unknown as { _nodes: Map<string, NodeData> })._nodes.get(id)
  for (const neighbours of [data?.in, data?.out, data?.undirected]) if (neighbours !== undefined) Object.setPrototypeOf(neighbours, null)
}

function joinedBy(stored: StoredGraph, source: string, target: string): string | undefined {
  return stored.graph.hasNode(source) && stored.graph.hasNode(target) ? stored.graph.edge(source, target) : undefined
}

/** What two edges of a simple graph share when they join the same nodes; ids contain no control characters. */
function slotOf(stored: StoredGraph, source: string, target: string): string {
  return !stored.directed && source > target ? `${target}\u0000${source}` : `${source}\u0000${target}`
}
