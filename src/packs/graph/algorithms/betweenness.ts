import { SkeinError } from '../../../base/errors.ts'
import { createDistanceHeap } from './heap.ts'
import { adjacencyOf, simplify, type Adjacency, type GraphSnapshot } from './snapshot.ts'

export type OnProgress = (done: number, total: number) => void

export interface BetweennessOptions {
  /** Follow the weights as distances; otherwise every edge is one step. */
  weighted: boolean
  /** Divide by the number of pairs, giving values from 0 to 1. */
  normalized: boolean
}

/**
 * The share of shortest paths between other nodes that run through each node.
 * U. Brandes, "A faster algorithm for betweenness centrality", 2001: one search per source, O(n·m) steps, or
 * O(n·m·log n) weighted. Path counts are floats: graphology's 32-bit ones overflow silently on grids of 20 × 20.
 * @param onProgress called after each source node
 * @throws SKEIN_LIMIT when the number of shortest paths is beyond a float (about 10^308)
 */
export function betweenness(snapshot: GraphSnapshot, options: BetweennessOptions, onProgress: OnProgress): Float64Array {
  const adjacency = adjacencyOf(simplify(snapshot, 'min', { selfLoops: false }), 'out')
  const order = snapshot.nodes.length
  const scores = new Float64Array(order)
  const search = createSearch(order)
  const visit = options.weighted ? visitByDistance : visitByStep
  const dependency = new Float64Array(order)
  for (let source = 0; source < order; source++) {
    visit(adjacency, source, search)
    dependency.fill(0)
    for (let at = search.reached - 1; at > 0; at--) {
      const node = search.sequence[at]!
      const share = (1 + dependency[node]!) / search.paths[node]!
      for (const before of search.before[node]!) dependency[before]! += search.paths[before]! * share
      scores[node]! += dependency[node]!
    }
    onProgress(source + 1, order)
  }
  if (scores.some((score) => !Number.isFinite(score))) {
    throw new SkeinError('SKEIN_LIMIT', 'There are more shortest paths than a number can count; take a part of the graph, or give the edges distinct weights')
  }
  return scores.map((score) => score * scale(order, snapshot.directed, options.normalized))
}

function scale(order: number, directed: boolean, normalized: boolean): number {
  if (normalized) return order > 2 ? 1 / ((order - 1) * (order - 2)) : 1
  // Undirected, every pair was counted from both of its ends.
  return directed ? 1 : 0.5
}

interface Search {
  /** Nodes in the order they were reached; the first `reached` entries count. */
  sequence: Uint32Array
  reached: number
  /** Shortest paths from the source to each node. */
  paths: Float64Array
  /** The nodes before each node on those paths. */
  before: number[][]
  distances: Float64Array
}

function createSearch(order: number): Search {
  return {
    sequence: new Uint32Array(order),
    reached: 0,
    paths: new Float64Array(order),
    before: Array.from({ length: order }, () => []),
    distances: new Float64Array(order)
  }
}

function begin(search: Search, source: number): void {
  search.reached = 0
  search.paths.fill(0)
  search.distances.fill(Infinity)
  for (const list of search.before) list.length = 0
  search.paths[source] = 1
  search.distances[source] = 0
}

function visitByStep(adjacency: Adjacency, source: number, search: Search): void {
  begin(search, source)
  const { sequence, paths, before, distances } = search
  sequence[0] = source
  let found = 1
  for (let at = 0; at < found; at++) {
    const node = sequence[at]!
    const next = distances[node]! + 1
    for (let entry = adjacency.starts[node]!; entry < adjacency.starts[node + 1]!; entry++) {
      const neighbour = adjacency.neighbours[entry]!
      if (distances[neighbour] === Infinity) {
        distances[neighbour] = next
        sequence[found++] = neighbour
      }
      if (distances[neighbour] === next) {
        paths[neighbour]! += paths[node]!
        before[neighbour]!.push(node)
      }
    }
  }
  search.reached = found
}

function visitByDistance(adjacency: Adjacency, source: number, search: Search): void {
  begin(search, source)
  const { sequence, paths, before, distances } = search
  const settled = new Uint8Array(paths.length)
  const heap = createDistanceHeap()
  heap.push(0, source)
  while (heap.size > 0) {
    const { distance, node } = heap.pop()
    if (settled[node] === 1) continue
    settled[node] = 1
    sequence[search.reached++] = node
    for (let entry = adjacency.starts[node]!; entry < adjacency.starts[node + 1]!; entry++) {
      const neighbour = adjacency.neighbours[entry]!
      const next = distance + adjacency.weights[entry]!
      if (settled[neighbour] === 1 || next > distances[neighbour]!) continue
      if (next < distances[neighbour]!) {
        distances[neighbour] = next
        paths[neighbour] = 0
        before[neighbour]!.length = 0
        heap.push(next, neighbour)
      }
      paths[neighbour]! += paths[node]!
      before[neighbour]!.push(node)
    }
  }
}
