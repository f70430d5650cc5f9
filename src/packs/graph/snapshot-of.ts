import { SkeinError } from '../../base/errors.ts'
import type { GraphSnapshot } from './algorithms/snapshot.ts'
import type { StoredGraph } from './store.ts'

/** Larger weights add up to infinity along a path. */
const LARGEST_WEIGHT = 1e100

export interface SnapshotOptions {
  /** The edge attribute to read weights from; left out, every edge weighs 1. Edges without the attribute weigh 1 too. */
  weight?: string | undefined
  /** What the algorithm can work with. */
  allow: 'any' | 'zero-or-more' | 'above-zero'
}

/** @throws SKEIN_BAD_REQUEST naming the first edge whose weight the algorithm cannot use */
export function snapshotOf(stored: StoredGraph, options: SnapshotOptions): GraphSnapshot {
  const { graph, directed } = stored
  const nodes = graph.nodes()
  const numbers = new Map(nodes.map((id, number) => [id, number]))
  const size = graph.size
  const snapshot: GraphSnapshot = {
    directed,
    nodes,
    keys: [],
    sources: new Uint32Array(size),
    targets: new Uint32Array(size),
    weights: new Float64Array(size).fill(1)
  }
  graph.forEachEdge((key, attributes, source, target) => {
    const edge = snapshot.keys.length
    snapshot.keys.push(key)
    snapshot.sources[edge] = numbers.get(source)!
    snapshot.targets[edge] = numbers.get(target)!
    const weight = options.weight === undefined ? undefined : attributes[options.weight]
    if (weight === undefined) return
    const usable =
      typeof weight === 'number' && Math.abs(weight) <= LARGEST_WEIGHT && (options.allow === 'any' || weight > 0 || (weight === 0 && options.allow === 'zero-or-more'))
    if (!usable) {
      const needed = { any: 'a number', 'zero-or-more': 'a number that is not negative', 'above-zero': 'a number above zero' }[options.allow]
      throw new SkeinError(
        'SKEIN_BAD_REQUEST',
        `The edge "${key}" from "${source}" to "${target}" has ${options.weight} = ${JSON.stringify(weight).slice(0, 40)}; this needs ${needed}. Change it with set_attributes, or leave weight out`
      )
    }
    snapshot.weights[edge] = weight
  })
  return snapshot
}
