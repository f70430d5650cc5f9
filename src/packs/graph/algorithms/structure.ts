import type { OnProgress } from './betweenness.ts'
import { createUnionFind } from './components.ts'
import { adjacencyOf, simplify, type GraphSnapshot } from './snapshot.ts'

export interface Clustering {
  /** Per node, 0 to 1; 0 for nodes with fewer than two neighbours. */
  scores: Float64Array
  average: number
  /** Closed triples / all triples. */
  transitivity: number
  triangles: number
}

/**
 * How many pairs of a node's neighbours are neighbours themselves (D. J. Watts and S. H. Strogatz, 1998); the direction of
 * edges, loops and parallel edges do not count. Triangles are found by marking neighbours, O(sum of squared degrees).
 */
export function clustering(snapshot: GraphSnapshot, onProgress: OnProgress): Clustering {
  const order = snapshot.nodes.length
  const { starts, neighbours } = adjacencyOf(simplify({ ...snapshot, directed: false }, 'one', { selfLoops: false }), 'both')
  const scores = new Float64Array(order)
  const marks = new Int32Array(order).fill(-1)
  let closed = 0
  let triples = 0
  for (let node = 0; node < order; node++) {
    const around = neighbours.subarray(starts[node]!, starts[node + 1]!)
    for (const neighbour of around) marks[neighbour] = node
    let links = 0
    for (const neighbour of around) {
      for (let entry = starts[neighbour]!; entry < starts[neighbour + 1]!; entry++) if (marks[neighbours[entry]!] === node) links += 1
    }
    const pairs = around.length * (around.length - 1)
    // Both `links` and `pairs` count every pair twice.
    if (pairs > 0) scores[node] = links / pairs
    closed += links / 2
    triples += pairs / 2
    onProgress(node + 1, order)
  }
  const sum = scores.reduce((total, score) => total + score, 0)
  return { scores, average: order === 0 ? 0 : sum / order, transitivity: triples === 0 ? 0 : closed / triples, triangles: closed / 3 }
}

export interface SpanningTree {
  /** Numbers of the chosen edges, in the order they were chosen. */
  edges: number[]
  weight: number
  /** Trees in the forest: 1 when the graph is connected. */
  trees: number
}

/** J. B. Kruskal, "On the shortest spanning subtree of a graph and the traveling salesman problem", 1956. */
export function spanningTree(snapshot: GraphSnapshot, options: { maximum: boolean }): SpanningTree {
  const sign = options.maximum ? -1 : 1
  const ordered = Uint32Array.from(snapshot.weights, (_, edge) => edge).sort((a, b) => sign * (snapshot.weights[a]! - snapshot.weights[b]!) || a - b)
  const sets = createUnionFind(snapshot.nodes.length)
  const edges: number[] = []
  let weight = 0
  for (const edge of ordered) {
    if (!sets.join(snapshot.sources[edge]!, snapshot.targets[edge]!)) continue
    edges.push(edge)
    weight += snapshot.weights[edge]!
  }
  return { edges, weight, trees: snapshot.nodes.length - edges.length }
}

export type TopologicalOrder = { order: number[]; cycle: null } | { order: null; cycle: number[] }

/**
 * An order in which every edge points forward, or a cycle that makes one impossible (its first node repeated at the end).
 * A. B. Kahn, "Topological sorting of large networks", 1962; nodes that are free at the same time keep their order.
 */
export function topologicalSort(snapshot: GraphSnapshot): TopologicalOrder {
  const { starts, neighbours } = adjacencyOf(snapshot, 'out')
  const total = snapshot.nodes.length
  const waiting = new Uint32Array(total)
  for (const target of snapshot.targets) waiting[target]! += 1
  const order: number[] = []
  for (let node = 0; node < total; node++) if (waiting[node] === 0) order.push(node)
  for (let at = 0; at < order.length; at++) {
    const node = order[at]!
    for (let entry = starts[node]!; entry < starts[node + 1]!; entry++) {
      const neighbour = neighbours[entry]!
      waiting[neighbour]! -= 1
      if (waiting[neighbour] === 0) order.push(neighbour)
    }
  }
  return order.length === total ? { order, cycle: null } : { order: null, cycle: cycleAmong(snapshot, waiting) }
}

/** Every node that still waits has one before it that waits too; walking back must therefore meet itself. */
function cycleAmong(snapshot: GraphSnapshot, waiting: Uint32Array): number[] {
  const { starts, neighbours } = adjacencyOf(snapshot, 'in')
  const seenAt = new Map<number, number>()
  const walk: number[] = []
  let node = waiting.findIndex((count) => count > 0)
  while (!seenAt.has(node)) {
    seenAt.set(node, walk.length)
    walk.push(node)
    node = neighbours.subarray(starts[node]!, starts[node + 1]!).find((before) => waiting[before]! > 0)!
  }
  return [...walk.slice(seenAt.get(node)), node].reverse()
}
