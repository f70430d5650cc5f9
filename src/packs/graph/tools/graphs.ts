import { z } from 'zod'
import type { StoredGraph } from '../store.ts'
import { ADDS, attributesSchema, defineTool, DESTROYS, graphId, READS } from '../tool.ts'

const summary = z.object({
  id: z.string(),
  uri: z.string().describe('The graph as a resource'),
  directed: z.boolean(),
  multi: z.boolean().describe('Whether several edges may join the same two nodes'),
  nodes: z.int(),
  edges: z.int()
})

function summaryOf(stored: StoredGraph): z.output<typeof summary> {
  const { id, directed, multi, graph } = stored
  return { id, uri: `graph://${id}`, directed, multi, nodes: graph.order, edges: graph.size }
}

export function describe(stored: StoredGraph): string {
  const { id, graph } = stored
  return `Graph "${id}" (${stored.directed ? 'directed' : 'undirected'}${stored.multi ? ', multi' : ''}) has ${graph.order} nodes and ${graph.size} edges.`
}

const createGraph = defineTool({
  name: 'create_graph',
  title: 'Create a graph',
  description: 'Makes an empty graph, kept in the memory of this server until it is deleted or the server stops.',
  input: z.strictObject({
    id: graphId.describe('1 to 64 letters, digits, ".", "_" or "-"'),
    directed: z.boolean().default(false),
    multi: z.boolean().default(false).describe('Whether several edges may join the same two nodes'),
    attributes: attributesSchema.optional()
  }),
  output: summary,
  annotations: ADDS,
  run({ id, directed, multi, attributes }, { store }) {
    const stored = store.create(id, { directed, multi, ...(attributes === undefined ? {} : { attributes }) })
    return { text: describe(stored), data: summaryOf(stored) }
  }
})

const deleteGraph = defineTool({
  name: 'delete_graph',
  title: 'Delete a graph',
  description: 'Removes a graph with all its nodes and edges. It cannot be brought back; export_graph first if it may be needed.',
  input: z.strictObject({ id: graphId }),
  output: z.object({ id: z.string(), nodes: z.int(), edges: z.int() }),
  annotations: DESTROYS,
  run({ id }, { store }) {
    const { graph } = store.get(id)
    store.drop(id)
    return { text: `Graph "${id}" with ${graph.order} nodes and ${graph.size} edges is deleted.`, data: { id, nodes: graph.order, edges: graph.size } }
  }
})

const listGraphs = defineTool({
  name: 'list_graphs',
  title: 'List the graphs',
  description: 'All graphs of this server with their sizes.',
  input: z.strictObject({}),
  output: z.object({ graphs: z.array(summary) }),
  annotations: READS,
  run(_args, { store }) {
    const graphs = store.list()
    return { text: graphs.length === 0 ? 'There are no graphs.' : graphs.map(describe).join('\n'), data: { graphs: graphs.map(summaryOf) } }
  }
})

const getGraphInfo = defineTool({
  name: 'get_graph_info',
  title: 'Describe a graph',
  description: 'Size, kind, density, degrees and attributes of one graph.',
  input: z.strictObject({ id: graphId }),
  output: summary.extend({
    attributes: z.record(z.string(), z.unknown()),
    self_loops: z.int(),
    density: z.number().describe('Edges (without self-loops) / edges of a full simple graph; above 1 only with parallel edges'),
    min_degree: z.int(),
    max_degree: z.int(),
    average_degree: z.number(),
    attribute_bytes: z.int()
  }),
  annotations: READS,
  run({ id }, { store }) {
    const stored = store.get(id)
    const { graph } = stored
    const order = graph.order
    let lowest = order === 0 ? 0 : Infinity
    let highest = 0
    graph.forEachNode((node) => {
      lowest = Math.min(lowest, graph.degree(node))
      highest = Math.max(highest, graph.degree(node))
    })
    const pairs = (order * (order - 1)) / (stored.directed ? 1 : 2)
    const data = {
      ...summaryOf(stored),
      attributes: graph.getAttributes(),
      self_loops: graph.selfLoopCount,
      density: pairs === 0 ? 0 : (graph.size - graph.selfLoopCount) / pairs,
      min_degree: lowest,
      max_degree: highest,
      average_degree: order === 0 ? 0 : (2 * graph.size) / order,
      attribute_bytes: stored.bytes
    }
    return { text: `${describe(stored)} Degrees ${lowest} to ${highest}, density ${data.density.toPrecision(3)}.`, data }
  }
})

export const graphTools = [createGraph, deleteGraph, listGraphs, getGraphInfo]
