import type { OnProgress } from './betweenness.ts'
import { createDistanceHeap } from './heap.ts'
import { adjacencyOf, simplify, type Adjacency, type GraphSnapshot } from './snapshot.ts'

export interface ClosenessOptions {
  /** Follow the weights as distances; otherwise every edge is one step. */
  weighted: boolean
  /** Scale by the share of nodes that can reach the node (Wasserman and Faust, 1994), so that small islands do not score high. */
  improved: boolean
}

/**
 * How near each node is to those that reach it: (reached) / (sum of their distances), 0 for a node nobody reaches.
 * L. C. Freeman, "Centrality in social networks: conceptual clarification", 1978. Like networkx, directed graphs are
 * measured along incoming edges.
 * @param onProgress called after each node
 */
export function closeness(snapshot: GraphSnapshot, options: ClosenessOptions, onProgress: OnProgress): Float64Array {
  const adjacency = adjacencyOf(simplify(snapshot, 'min', { selfLoops: false }), 'in')
  const order = snapshot.nodes.length
  const scores = new Float64Array(order)
  for (let node = 0; node < order; node++) {
    const distances = options.weighted ? distancesByWeight(adjacency, order, node).distances : distancesByStep(adjacency, order, node).distances
    let reached = 0
    let total = 0
    for (const distance of distances) {
      if (distance === Infinity) continue
      reached += 1
      total += distance
    }
    // The node itself is among the reached.
    const others = reached - 1
    if (total > 0) scores[node] = (others / total) * (options.improved ? others / (order - 1) : 1)
    onProgress(node + 1, order)
  }
  return scores
}

export interface Distances {
  /** Infinity for nodes that cannot be reached. */
  distances: Float64Array
  /** The entry of the adjacency that led to each node first; -1 for the source and for nodes not reached. */
  via: Int32Array
  /** The node before each node on its shortest path. */
  before: Int32Array
}

/** Breadth-first search, one step per edge. Stops early once `target` is reached. */
export function distancesByStep(adjacency: Adjacency, order: number, source: number, target = -1): Distances {
  const result = emptyDistances(order, source)
  const queue = new Uint32Array(order)
  queue[0] = source
  let found = 1
  for (let at = 0; at < found && queue[at] !== target; at++) {
    const node = queue[at]!
    for (let entry = adjacency.starts[node]!; entry < adjacency.starts[node + 1]!; entry++) {
      const neighbour = adjacency.neighbours[entry]!
      if (result.distances[neighbour] !== Infinity) continue
      result.distances[neighbour] = result.distances[node]! + 1
      result.via[neighbour] = entry
      result.before[neighbour] = node
      queue[found++] = neighbour
    }
  }
  return result
}

/** E. W. Dijkstra, "A note on two problems in connexion with graphs", 1959; weights must not be negative. */
export function distancesByWeight(adjacency: Adjacency, order: number, source: number, target = -1): Distances {
  const result = emptyDistances(order, source)
  const settled = new Uint8Array(order)
  const heap = createDistanceHeap()
  heap.push(0, source)
  while (heap.size > 0) {
    const { distance, node } = heap.pop()
    if (settled[node] === 1) continue
    settled[node] = 1
    if (node === target) break
    for (let entry = adjacency.starts[node]!; entry < adjacency.starts[node + 1]!; entry++) {
      const neighbour = adjacency.neighbours[entry]!
      const next = distance + adjacency.weights[entry]!
      if (next >= result.distances[neighbour]!) continue
      result.distances[neighbour] = next
      result.via[neighbour] = entry
      result.before[neighbour] = node
      heap.push(next, neighbour)
    }
  }
  return result
}

function emptyDistances(order: number, source: number): Distances {
  const result = { distances: new Float64Array(order).fill(Infinity), via: new Int32Array(order).fill(-1), before: new Int32Array(order).fill(-1) }
  result.distances[source] = 0
  return result
}
