import { z } from 'zod'
import { SkeinError } from '../../../base/errors.ts'
import { snapshotOf } from '../snapshot-of.ts'
import { defineTool, graphId, READS, topOption } from '../tool.ts'
import { groupsOutput, inWords, limitedGroups, scoresOutput, topScores } from './scores.ts'

const connectedComponents = defineTool({
  name: 'connected_components',
  title: 'Connected components',
  description: 'Groups of nodes that reach each other: weak ignores the direction of edges, strong follows it (Tarjan).',
  input: z.strictObject({
    graph: graphId,
    mode: z.enum(['weak', 'strong']).default('weak').describe('The same in an undirected graph'),
    limit: topOption.describe('At most this many node ids are given in all')
  }),
  output: z.object({ mode: z.enum(['weak', 'strong']), ...groupsOutput }),
  annotations: READS,
  async run({ graph: id, mode, limit }, { store, jobs, signal }) {
    const graph = snapshotOf(store.get(id), { allow: 'any' })
    const groups = await jobs.run({ algorithm: 'components', graph, options: { strong: mode === 'strong' && graph.directed } }, { signal })
    const data = { mode, ...limitedGroups(graph.nodes, groups, limit) }
    return { text: `${data.count} components; the largest has ${groups[0]?.length ?? 0} nodes.`, data }
  }
})

const clusteringCoefficients = defineTool({
  name: 'clustering_coefficients',
  title: 'Clustering coefficients',
  description: 'How many pairs of a node’s neighbours are neighbours themselves, with the average and the transitivity of the graph. Directions are ignored.',
  input: z.strictObject({ graph: graphId, limit: topOption }),
  output: z.object({ average: z.number(), transitivity: z.number(), triangles: z.int(), ...scoresOutput }),
  annotations: READS,
  async run({ graph: id, limit }, { store, jobs, signal, onProgress }) {
    const graph = snapshotOf(store.get(id), { allow: 'any' })
    const found = await jobs.run({ algorithm: 'clustering', graph, options: {} }, { signal, ...(onProgress === undefined ? {} : { onProgress }) })
    const top = topScores(graph.nodes, found.scores, limit)
    const { average, transitivity, triangles } = found
    const text = `Average clustering ${average.toFixed(4)}, transitivity ${transitivity.toFixed(4)}, ${triangles} triangles. ${inWords('Highest', top)}`
    return { text, data: { average, transitivity, triangles, ...top } }
  }
})

const spanningTree = defineTool({
  name: 'spanning_tree',
  title: 'Spanning tree',
  description: 'The lightest edges that keep an undirected graph connected (Kruskal); one tree per component.',
  input: z.strictObject({
    graph: graphId,
    weight: z.string().min(1).max(128).default('weight').describe('The edge attribute to take as weight; edges without it weigh 1'),
    maximum: z.boolean().default(false).describe('The heaviest edges instead'),
    limit: topOption.default(10_000).describe('At most this many edges are given')
  }),
  output: z.object({
    weight: z.number().describe('Sum over all edges of the tree'),
    count: z.int().describe('Edges of the tree, also beyond the limit'),
    trees: z.int().describe('1 when the graph is connected'),
    edges: z.array(z.object({ key: z.string(), source: z.string(), target: z.string(), weight: z.number() }))
  }),
  annotations: READS,
  async run({ graph: id, weight, maximum, limit }, { store, jobs, signal }) {
    const stored = store.get(id)
    if (stored.directed) {
      throw new SkeinError('SKEIN_BAD_REQUEST', `Graph "${id}" is directed; spanning_tree needs an undirected one. Import its export_graph text again with directed: false`)
    }
    const graph = snapshotOf(stored, { weight, allow: 'any' })
    const tree = await jobs.run({ algorithm: 'spanningTree', graph, options: { maximum } }, { signal })
    const edges = tree.edges.slice(0, limit).map((edge) => ({
      key: graph.keys[edge]!,
      source: graph.nodes[graph.sources[edge]!]!,
      target: graph.nodes[graph.targets[edge]!]!,
      weight: graph.weights[edge]!
    }))
    const text = `${tree.edges.length} edges with a total weight of ${tree.weight}, ${tree.trees === 1 ? 'one tree' : `${tree.trees} trees`}.`
    return { text, data: { weight: tree.weight, count: tree.edges.length, trees: tree.trees, edges } }
  }
})

const topologicalSort = defineTool({
  name: 'topological_sort',
  title: 'Topological sort',
  description: 'An order of the nodes in which every edge points forward, or the cycle that makes one impossible (a result, not an error).',
  input: z.strictObject({ graph: graphId }),
  output: z.object({
    acyclic: z.boolean(),
    order: z.array(z.string()).describe('Empty when there is a cycle'),
    cycle: z.array(z.string()).describe('The nodes of one cycle, its first repeated at the end; empty when there is none')
  }),
  annotations: READS,
  async run({ graph: id }, { store, jobs, signal }) {
    const stored = store.get(id)
    if (!stored.directed) throw new SkeinError('SKEIN_BAD_REQUEST', `Graph "${id}" is undirected; topological_sort needs a directed one (create_graph with directed: true)`)
    const graph = snapshotOf(stored, { allow: 'any' })
    const found = await jobs.run({ algorithm: 'topologicalSort', graph, options: {} }, { signal })
    const order = (found.order ?? []).map((node) => graph.nodes[node]!)
    const cycle = (found.cycle ?? []).map((node) => graph.nodes[node]!)
    const [list, sign] = found.cycle === null ? [order, ', '] : [cycle, ' → ']
    const shown = `${list.slice(0, 20).join(sign)}${list.length > 20 ? `${sign}…` : ''}`
    return { text: found.cycle === null ? `Order: ${shown}` : `There is a cycle: ${shown}`, data: { acyclic: found.cycle === null, order, cycle } }
  }
})

export const structureTools = [connectedComponents, clusteringCoefficients, spanningTree, topologicalSort]
