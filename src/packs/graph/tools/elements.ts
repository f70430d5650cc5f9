import { z } from 'zod'
import type { Attributes } from '../document.ts'
import { addEdges, addNodes } from '../mutations.ts'
import { removeEdges, removeNodes } from '../removals.ts'
import { attributesSchema, defineTool, DESTROYS, edgeReference, graphId, MAX_BATCH, nodeId } from '../tool.ts'

const sizes = { nodes: z.int().describe('Nodes of the graph now'), edges: z.int().describe('Edges of the graph now') }
const updateOption = z.boolean().default(false).describe('Merge the attributes of those that exist already instead of refusing the batch')
const ignoreMissing = z.boolean().default(false).describe('Skip those that are not there instead of refusing the batch')

const addNodesTool = defineTool({
  name: 'add_nodes',
  title: 'Add nodes',
  description: 'Adds nodes with their attributes. Either all of them are added or, on any error, none.',
  input: z.strictObject({
    graph: graphId,
    nodes: z.array(z.strictObject({ id: nodeId, attributes: attributesSchema.optional() })).min(1).max(MAX_BATCH),
    update: updateOption
  }),
  output: z.object({ added: z.int(), updated: z.int(), ...sizes }),
  // With `update` it overwrites values.
  annotations: DESTROYS,
  run({ graph: id, nodes, update }, { store }) {
    const stored = store.get(id)
    const change = addNodes(stored, nodes.map((node) => ({ id: node.id, attributes: node.attributes ?? {} })), { update }, store.limits)
    const data = { ...change, nodes: stored.graph.order, edges: stored.graph.size }
    return { text: `Added ${change.added} and updated ${change.updated} nodes; graph "${id}" has ${data.nodes} nodes.`, data }
  }
})

const removeNodesTool = defineTool({
  name: 'remove_nodes',
  title: 'Remove nodes',
  description: 'Removes nodes together with their edges. Either all of them are removed or, on any error, none.',
  input: z.strictObject({ graph: graphId, nodes: z.array(nodeId).min(1).max(MAX_BATCH), ignore_missing: ignoreMissing }),
  output: z.object({ removed_nodes: z.int(), removed_edges: z.int(), ...sizes }),
  annotations: DESTROYS,
  run({ graph: id, nodes, ignore_missing }, { store }) {
    const stored = store.get(id)
    const removed = removeNodes(stored, nodes, { ignoreMissing: ignore_missing })
    const data = { removed_nodes: removed.nodes, removed_edges: removed.edges, nodes: stored.graph.order, edges: stored.graph.size }
    return { text: `Removed ${removed.nodes} nodes and with them ${removed.edges} edges from graph "${id}".`, data }
  }
})

const addEdgesTool = defineTool({
  name: 'add_edges',
  title: 'Add edges',
  description: 'Adds edges with weights and attributes; end nodes that are missing are added too. Either the whole batch is added or, on any error, nothing.',
  input: z.strictObject({
    graph: graphId,
    edges: z
      .array(
        z.strictObject({
          source: nodeId,
          target: nodeId,
          key: nodeId.optional().describe('A name of its own; left out, one is given'),
          weight: z.number().optional().describe('Short for attributes.weight'),
          attributes: attributesSchema.optional()
        })
      )
      .min(1)
      .max(MAX_BATCH),
    create_nodes: z.boolean().default(true).describe('Add end nodes that are missing; otherwise they refuse the batch'),
    update: updateOption
  }),
  output: z.object({ added: z.int(), updated: z.int(), nodes_created: z.int(), ...sizes }),
  // With `update` it overwrites values; in a multi graph the same call adds the same edges again.
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false },
  run({ graph: id, edges, create_nodes, update }, { store }) {
    const stored = store.get(id)
    const batch = edges.map(({ source, target, key, weight, attributes }) => {
      const all: Attributes = weight === undefined ? (attributes ?? {}) : { ...attributes, weight }
      return { source, target, attributes: all, ...(key === undefined ? {} : { key }) }
    })
    const { added, updated, nodesCreated } = addEdges(stored, batch, { update, createNodes: create_nodes }, store.limits)
    const data = { added, updated, nodes_created: nodesCreated, nodes: stored.graph.order, edges: stored.graph.size }
    return { text: `Added ${added} and updated ${updated} edges, with ${nodesCreated} new nodes; graph "${id}" has ${data.edges} edges.`, data }
  }
})

const removeEdgesTool = defineTool({
  name: 'remove_edges',
  title: 'Remove edges',
  description: 'Removes edges by key, or all edges that join a source and a target. Either all of them are removed or, on any error, none.',
  input: z.strictObject({ graph: graphId, edges: z.array(edgeReference).min(1).max(MAX_BATCH), ignore_missing: ignoreMissing }),
  output: z.object({ removed: z.int(), ...sizes }),
  annotations: DESTROYS,
  run({ graph: id, edges, ignore_missing }, { store }) {
    const stored = store.get(id)
    const removed = removeEdges(stored, edges, { ignoreMissing: ignore_missing })
    return { text: `Removed ${removed} edges from graph "${id}".`, data: { removed, nodes: stored.graph.order, edges: stored.graph.size } }
  }
})

export const elementTools = [addNodesTool, removeNodesTool, addEdgesTool, removeEdgesTool]
