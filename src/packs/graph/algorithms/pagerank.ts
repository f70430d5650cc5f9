import { SkeinError } from '../../../base/errors.ts'
import { adjacencyOf, type GraphSnapshot } from './snapshot.ts'

export interface PagerankOptions {
  /** The chance of following an edge rather than jumping anywhere. */
  damping: number
  maxIterations: number
  /** Done when the change of all scores together is below this times the number of nodes. */
  tolerance: number
}

/**
 * PageRank by power iteration (L. Page, S. Brin and others, 1998), with the conventions of networkx: edges followed in proportion
 * to their weights, undirected edges both ways, nodes without outgoing edges jumping anywhere. Scores add up to 1.
 * Of our own because graphology-metrics 2.4 gives the last node a false neighbour when an undirected graph has a self-loop.
 * @throws SKEIN_LIMIT when `maxIterations` were not enough
 */
export function pagerank(snapshot: GraphSnapshot, options: PagerankOptions): { scores: Float64Array; iterations: number } {
  const order = snapshot.nodes.length
  const { starts, neighbours, weights } = adjacencyOf(snapshot, 'out')
  const strengths = new Float64Array(order)
  for (let node = 0; node < order; node++) {
    for (let entry = starts[node]!; entry < starts[node + 1]!; entry++) strengths[node]! += weights[entry]!
  }
  let scores = new Float64Array(order).fill(order === 0 ? 0 : 1 / order)
  for (let iteration = 1; iteration <= options.maxIterations; iteration++) {
    const next = new Float64Array(order)
    let stuck = 0
    for (let node = 0; node < order; node++) {
      const strength = strengths[node]!
      if (strength === 0) {
        stuck += scores[node]!
        continue
      }
      const share = (options.damping * scores[node]!) / strength
      for (let entry = starts[node]!; entry < starts[node + 1]!; entry++) next[neighbours[entry]!]! += share * weights[entry]!
    }
    const everyone = (options.damping * stuck + 1 - options.damping) / order
    let change = 0
    for (let node = 0; node < order; node++) {
      next[node]! += everyone
      change += Math.abs(next[node]! - scores[node]!)
    }
    scores = next
    if (change < order * options.tolerance || order === 0) return { scores, iterations: iteration }
  }
  throw new SkeinError(
    'SKEIN_LIMIT',
    `PageRank did not settle within ${options.maxIterations} iterations; allow more with max_iterations, or a larger tolerance, or a smaller damping`
  )
}
