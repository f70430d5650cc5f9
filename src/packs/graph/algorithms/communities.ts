import { seededRandom } from '../../../base/random.ts'
import { simplify, type GraphSnapshot } from './snapshot.ts'

export interface CommunitiesOptions {
  /** Above 1 finds more and smaller groups, below 1 fewer and larger ones. */
  resolution: number
  /** The same seed and the same graph give the same groups. */
  seed: number
}

export interface Communities {
  /** Groups of node numbers, largest first. */
  groups: number[][]
  /** -0.5 to 1; 0 for a graph without edges. Above 0.3 the groups are usually meaningful. */
  modularity: number
}

/** What we use of the library: its types describe a default export that Node does not see on this CommonJS module. */
interface Louvain {
  detailed(
    graph: unknown,
    options: { getEdgeWeight: string; resolution: number; rng: () => number }
  ): { communities: Record<string, number>; modularity: number }
}

/**
 * Groups of densely joined nodes: the Louvain method (V. D. Blondel and others, 2008) of graphology, weights and directions
 * respected, parallel edges added up.
 */
export async function communities(snapshot: GraphSnapshot, options: CommunitiesOptions): Promise<Communities> {
  // Loaded here, so that only a worker that needs them pays for them.
  const { DirectedGraph, UndirectedGraph } = await import('graphology')
  const { default: library } = await import('graphology-communities-louvain')
  const simple = simplify(snapshot, 'sum', { selfLoops: true })
  const graph = snapshot.directed ? new DirectedGraph() : new UndirectedGraph()
  // Numbers as names: the library keeps nodes in a plain object, where an id such as "constructor" would do harm.
  snapshot.nodes.forEach((_, node) => graph.addNode(node))
  simple.sources.forEach((source, edge) => graph.addEdge(source, simple.targets[edge], { weight: simple.weights[edge] }))
  // All weights zero divides by zero in the modularity; it is the same as no edges.
  if (simple.weights.every((weight) => weight === 0)) return { groups: snapshot.nodes.map((_, node) => [node]), modularity: 0 }
  const random = seededRandom(options.seed)
  const found = (library as unknown as Louvain).detailed(graph, { getEdgeWeight: 'weight', resolution: options.resolution, rng: random.float })
  const groups = new Map<number, number[]>()
  snapshot.nodes.forEach((_, node) => {
    const community = found.communities[node]!
    const group = groups.get(community)
    if (group === undefined) groups.set(community, [node])
    else group.push(node)
  })
  return { groups: [...groups.values()].toSorted((a, b) => b.length - a.length || a[0]! - b[0]!), modularity: found.modularity }
}
