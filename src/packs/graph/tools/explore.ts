import { z } from 'zod'
import { SkeinError } from '../../../base/errors.ts'
import type { GraphSnapshot } from '../algorithms/snapshot.ts'
import { snapshotOf } from '../snapshot-of.ts'
import type { StoredGraph } from '../store.ts'
import { defineTool, graphId, nodeId, READS, topOption, weightOption } from '../tool.ts'

function needNode(stored: StoredGraph, node: string): void {
  if (!stored.graph.hasNode(node)) throw new SkeinError('SKEIN_NOT_FOUND', `There is no node "${node.slice(0, 64)}" in graph "${stored.id}"; export_graph shows the nodes there are`)
}

const getNeighbors = defineTool({
  name: 'get_neighbors',
  title: 'Neighbours of a node',
  description: 'The nodes joined to a node, each with the edges that join them.',
  input: z.strictObject({
    graph: graphId,
    node: nodeId,
    direction: z.enum(['out', 'in', 'both']).default('both').describe('Which edges of a directed graph to follow'),
    limit: topOption
  }),
  output: z.object({
    node: z.string(),
    total: z.int().describe('Neighbours there are, also beyond the limit'),
    neighbors: z.array(z.object({ id: z.string(), edges: z.array(z.object({ key: z.string(), direction: z.enum(['out', 'in', 'undirected']), weight: z.number().optional() })) }))
  }),
  annotations: READS,
  run({ graph: id, node, direction, limit }, { store }) {
    const stored = store.get(id)
    needNode(stored, node)
    const { graph } = stored
    const found = new Map<string, { key: string; direction: 'out' | 'in' | 'undirected'; weight?: number }[]>()
    // A set: graphology lists a directed self-loop once per end.
    for (const key of new Set(graph.edges(node))) {
      const way = !stored.directed ? 'undirected' : graph.source(key) === node ? 'out' : 'in'
      const isLoop = graph.isSelfLoop(key)
      if (stored.directed && direction !== 'both' && way !== direction && !isLoop) continue
      const weight: unknown = graph.getEdgeAttribute(key, 'weight')
      const edge = { key, direction: way, ...(typeof weight === 'number' ? { weight } : {}) } as const
      const neighbour = graph.opposite(node, key)
      const edges = found.get(neighbour)
      if (edges === undefined) found.set(neighbour, [edge])
      else edges.push(edge)
    }
    const neighbors = [...found].slice(0, limit).map(([neighbour, edges]) => ({ id: neighbour, edges }))
    const named = neighbors.slice(0, 20).map((neighbour) => neighbour.id)
    const text = `Node "${node}" has ${found.size} neighbours${named.length === 0 ? '' : `: ${named.join(', ')}${found.size > named.length ? ', …' : ''}`}.`
    return { text, data: { node, total: found.size, neighbors } }
  }
})

const shortestPath = defineTool({
  name: 'shortest_path',
  title: 'Shortest path',
  description: 'One shortest path between two nodes, by number of edges or by a weight that is not negative. An unreachable target is a result, not an error.',
  input: z.strictObject({ graph: graphId, source: nodeId, target: nodeId, weight: weightOption }),
  output: z.object({
    reachable: z.boolean(),
    path: z.array(z.string()).describe('Node ids from source to target; empty when unreachable'),
    edges: z.array(z.string()).describe('Keys of the edges of the path'),
    distance: z.number().nullable().describe('Sum of the weights, or the number of edges; null when unreachable')
  }),
  annotations: READS,
  async run({ graph: id, source, target, weight }, { store, jobs, signal }) {
    const stored = store.get(id)
    needNode(stored, source)
    needNode(stored, target)
    const graph: GraphSnapshot = snapshotOf(stored, { weight, allow: 'zero-or-more' })
    const options = { source: graph.nodes.indexOf(source), target: graph.nodes.indexOf(target), weighted: weight !== undefined }
    const { reachable, nodes, edges, distance } = await jobs.run({ algorithm: 'shortestPath', graph, options }, { signal })
    const path = nodes.map((node) => graph.nodes[node]!)
    const shown = path.length > 20 ? [...path.slice(0, 19), '…', target] : path
    const text = reachable ? `Distance ${distance}: ${shown.join(' → ')}` : `"${target}" cannot be reached from "${source}".`
    return { text, data: { reachable, path, edges, distance } }
  }
})

export const exploreTools = [getNeighbors, shortestPath]
