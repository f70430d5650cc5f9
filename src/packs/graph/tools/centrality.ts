import { z } from 'zod'
import { snapshotOf } from '../snapshot-of.ts'
import { defineTool, graphId, READS, topOption, weightOption, type ToolContext } from '../tool.ts'
import { groupsOutput, inWords, limitedGroups, scoresOutput, topScores } from './scores.ts'

/** What a job is run with; progress only when the client asked for it. */
function jobOptions({ signal, onProgress }: ToolContext) {
  return { signal, ...(onProgress === undefined ? {} : { onProgress }) }
}

const degreeCentrality = defineTool({
  name: 'degree_centrality',
  title: 'Degree centrality',
  description: 'How many edges each node has (a self-loop counts twice), by default divided by the number of other nodes.',
  input: z.strictObject({
    graph: graphId,
    direction: z.enum(['out', 'in', 'both']).default('both').describe('Which edges of a directed graph to count'),
    normalized: z.boolean().default(true),
    limit: topOption
  }),
  output: z.object(scoresOutput),
  annotations: READS,
  // One look at each node: cheaper here than handing the graph to a worker.
  run({ graph: id, direction, normalized, limit }, { store }) {
    const { graph, directed } = store.get(id)
    const nodes = graph.nodes()
    const scale = normalized && nodes.length > 1 ? 1 / (nodes.length - 1) : 1
    const degree = (node: string) => (!directed || direction === 'both' ? graph.degree(node) : direction === 'in' ? graph.inDegree(node) : graph.outDegree(node))
    const data = topScores(nodes, nodes.map((node) => degree(node) * scale), limit)
    return { text: inWords('Highest degree', data), data }
  }
})

const betweennessCentrality = defineTool({
  name: 'betweenness_centrality',
  title: 'Betweenness centrality',
  description: 'The share of shortest paths between other nodes that run through each node (Brandes). Takes up to a minute for 10 000 nodes; reports progress and can be cancelled.',
  input: z.strictObject({ graph: graphId, weight: weightOption, normalized: z.boolean().default(true), limit: topOption }),
  output: z.object(scoresOutput),
  annotations: READS,
  async run({ graph: id, weight, normalized, limit }, context) {
    const graph = snapshotOf(context.store.get(id), { weight, allow: 'above-zero' })
    const scores = await context.jobs.run({ algorithm: 'betweenness', graph, options: { weighted: weight !== undefined, normalized } }, jobOptions(context))
    const data = topScores(graph.nodes, scores, limit)
    return { text: inWords('Highest betweenness', data), data }
  }
})

const closenessCentrality = defineTool({
  name: 'closeness_centrality',
  title: 'Closeness centrality',
  description: 'How near each node is to the nodes that reach it (in directed graphs along incoming edges). Reports progress and can be cancelled.',
  input: z.strictObject({
    graph: graphId,
    weight: weightOption,
    improved: z.boolean().default(true).describe('Scale by the share of nodes that reach the node (Wasserman and Faust), so that small islands do not score high'),
    limit: topOption
  }),
  output: z.object(scoresOutput),
  annotations: READS,
  async run({ graph: id, weight, improved, limit }, context) {
    const graph = snapshotOf(context.store.get(id), { weight, allow: 'zero-or-more' })
    const scores = await context.jobs.run({ algorithm: 'closeness', graph, options: { weighted: weight !== undefined, improved } }, jobOptions(context))
    const data = topScores(graph.nodes, scores, limit)
    return { text: inWords('Highest closeness', data), data }
  }
})

const pagerank = defineTool({
  name: 'pagerank',
  title: 'PageRank',
  description: 'How often a random walk along the edges is at each node; all scores add up to 1.',
  input: z.strictObject({
    graph: graphId,
    weight: weightOption,
    damping: z.number().min(0).max(1).default(0.85).describe('The chance of following an edge rather than jumping anywhere'),
    max_iterations: z.int().min(1).max(1000).default(100),
    tolerance: z.number().min(1e-15).max(1).default(1e-6).describe('Done when the scores together change by less than this times the number of nodes'),
    limit: topOption
  }),
  output: z.object({ iterations: z.int(), ...scoresOutput }),
  annotations: READS,
  async run({ graph: id, weight, damping, max_iterations, tolerance, limit }, context) {
    const graph = snapshotOf(context.store.get(id), { weight, allow: 'zero-or-more' })
    const options = { damping, maxIterations: max_iterations, tolerance }
    const { scores, iterations } = await context.jobs.run({ algorithm: 'pagerank', graph, options }, jobOptions(context))
    const top = topScores(graph.nodes, scores, limit)
    return { text: inWords('Highest PageRank', top), data: { iterations, ...top } }
  }
})

const communities = defineTool({
  name: 'communities',
  title: 'Communities',
  description: 'Groups of densely joined nodes (Louvain). The same graph and seed give the same groups.',
  input: z.strictObject({
    graph: graphId,
    weight: weightOption,
    resolution: z.number().min(0.01).max(100).default(1).describe('Above 1 for more and smaller groups'),
    seed: z.int().min(0).max(0xffffffff).default(1),
    limit: topOption.describe('At most this many node ids are given in all')
  }),
  output: z.object({ modularity: z.number().describe('Above 0.3 the groups are usually meaningful'), ...groupsOutput }),
  annotations: READS,
  async run({ graph: id, weight, resolution, seed, limit }, context) {
    const graph = snapshotOf(context.store.get(id), { weight, allow: 'zero-or-more' })
    const found = await context.jobs.run({ algorithm: 'communities', graph, options: { resolution, seed } }, jobOptions(context))
    const data = { modularity: found.modularity, ...limitedGroups(graph.nodes, found.groups, limit) }
    return { text: `${data.count} communities, modularity ${found.modularity.toFixed(4)}; the largest has ${found.groups[0]?.length ?? 0} nodes.`, data }
  }
})

export const centralityTools = [degreeCentrality, betweennessCentrality, closenessCentrality, pagerank, communities]
