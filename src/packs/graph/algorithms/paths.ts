import { distancesByStep, distancesByWeight } from './closeness.ts'
import { adjacencyOf, simplify, type GraphSnapshot } from './snapshot.ts'

export interface ShortestPath {
  reachable: boolean
  /** Node numbers from source to target; empty when unreachable. */
  nodes: number[]
  /** Keys of the edges walked; of parallel edges, the lightest. */
  edges: string[]
  /** Sum of the weights, or the number of edges when unweighted; null when unreachable. */
  distance: number | null
}

/** One shortest path; with several equally short ones, the one through nodes and edges that were added first. */
export function shortestPath(snapshot: GraphSnapshot, source: number, target: number, options: { weighted: boolean }): ShortestPath {
  const simple = simplify(snapshot, 'min', { selfLoops: false })
  const adjacency = adjacencyOf(simple, 'out')
  const search = options.weighted ? distancesByWeight : distancesByStep
  const { distances, via, before } = search(adjacency, snapshot.nodes.length, source, target)
  const distance = distances[target]!
  if (distance === Infinity) return { reachable: false, nodes: [], edges: [], distance: null }
  const nodes = [target]
  const edges: string[] = []
  for (let node = target; node !== source; node = before[node]!) {
    edges.push(simple.keys[adjacency.edges[via[node]!]!]!)
    nodes.push(before[node]!)
  }
  return { reachable: true, nodes: nodes.reverse(), edges: edges.reverse(), distance }
}
