import { z } from 'zod'
import { SkeinError } from '../../../base/errors.ts'
import { attributeBytes } from '../attributes.ts'
import type { Attributes } from '../document.ts'
import { checkRoom, sizeOf } from '../mutations.ts'
import { findEdges, nameOf } from '../removals.ts'
import type { StoredGraph } from '../store.ts'
import { attributesSchema, defineTool, DESTROYS, edgeReference, graphId, nodeId, READS } from '../tool.ts'

const target = {
  graph: graphId,
  node: nodeId.optional().describe('The node meant; without node and edge, the graph itself'),
  edge: edgeReference.optional().describe('The edge meant: its key, or source and target')
}
const result = z.object({ kind: z.enum(['graph', 'node', 'edge']), name: z.string(), attributes: z.record(z.string(), z.unknown()) })

interface Place {
  kind: 'graph' | 'node' | 'edge'
  name: string
  get(): Attributes
  replace(attributes: Attributes): void
}

function placeOf(stored: StoredGraph, node: string | undefined, edge: z.output<typeof edgeReference> | undefined): Place {
  const { graph, id } = stored
  if (node !== undefined && edge !== undefined) throw new SkeinError('SKEIN_BAD_REQUEST', 'Give node or edge, not both')
  if (node !== undefined) {
    if (!graph.hasNode(node)) throw new SkeinError('SKEIN_NOT_FOUND', `There is no node "${node.slice(0, 64)}" in graph "${id}"; get_neighbors and export_graph show the nodes there are`)
    return { kind: 'node', name: node, get: () => graph.getNodeAttributes(node), replace: (attributes) => graph.replaceNodeAttributes(node, attributes) }
  }
  if (edge === undefined) return { kind: 'graph', name: id, get: () => graph.getAttributes(), replace: (attributes) => graph.replaceAttributes(attributes) }
  const [key, another] = findEdges(stored, edge)
  if (key === undefined) throw new SkeinError('SKEIN_NOT_FOUND', `There is no ${nameOf(edge)} in graph "${id}"`)
  if (another !== undefined) throw new SkeinError('SKEIN_BAD_REQUEST', `Several edges join these nodes, such as "${key}" and "${another}"; name one by its key`)
  return { kind: 'edge', name: key, get: () => graph.getEdgeAttributes(key), replace: (attributes) => graph.replaceEdgeAttributes(key, attributes) }
}

const setAttributes = defineTool({
  name: 'set_attributes',
  title: 'Set attributes',
  description: 'Sets attributes of a graph, a node or an edge and leaves the others as they are; a value of null removes the attribute.',
  input: z.strictObject({
    ...target,
    attributes: attributesSchema,
    replace: z.boolean().default(false).describe('Remove all attributes that are not given')
  }),
  output: result,
  annotations: DESTROYS,
  run({ graph: id, node, edge, attributes, replace }, { store }) {
    const stored = store.get(id)
    const place = placeOf(stored, node, edge)
    const before = place.get()
    // Spread keeps a property named __proto__ as a property, so the check below sees it.
    const merged = { ...(replace ? {} : before), ...attributes }
    const after = Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null))
    const bytes = stored.bytes + attributeBytes(after, `${place.kind} "${place.name}"`, store.limits.maxElementBytes) - sizeOf(before)
    checkRoom(stored, { nodes: 0, edges: 0, bytes }, store.limits)
    place.replace(after)
    stored.bytes = bytes
    return { text: `The ${place.kind} "${place.name}" has ${Object.keys(after).length} attributes.`, data: { kind: place.kind, name: place.name, attributes: after } }
  }
})

const getAttributes = defineTool({
  name: 'get_attributes',
  title: 'Get attributes',
  description: 'The attributes of a graph, a node or an edge.',
  input: z.strictObject(target),
  output: result,
  annotations: READS,
  run({ graph: id, node, edge }, { store }) {
    const place = placeOf(store.get(id), node, edge)
    const attributes = place.get()
    return { text: `${place.kind} "${place.name}": ${JSON.stringify(attributes)}`, data: { kind: place.kind, name: place.name, attributes } }
  }
})

export const attributeTools = [setAttributes, getAttributes]
