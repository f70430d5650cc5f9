/** A graph as flat arrays, cheap to hand to a worker: nodes are numbered in their order in `nodes`. */
export interface GraphSnapshot {
  directed: boolean
  nodes: string[]
  /** Keys of the edges; `sources`, `targets` and `weights` run in the same order. */
  keys: string[]
  sources: Uint32Array
  targets: Uint32Array
  /** 1 for every edge when the computation is unweighted. */
  weights: Float64Array
}

/** Neighbours by node: those of node `i` are at `starts[i]` to `starts[i + 1]` (compressed sparse rows). */
export interface Adjacency {
  starts: Uint32Array
  neighbours: Uint32Array
  weights: Float64Array
  /** The edge of the snapshot behind each entry. */
  edges: Uint32Array
}

/**
 * Parallel edges joined into one and, unless `selfLoops`, loops left out.
 * @param combine `min` keeps the lightest (distances), `sum` adds the weights (strength), `one` counts it once
 */
export function simplify(snapshot: GraphSnapshot, combine: 'min' | 'sum' | 'one', options: { selfLoops: boolean }): GraphSnapshot {
  const { directed, nodes } = snapshot
  const slots = new Map<number, number>()
  const kept: { edge: number; weight: number }[] = []
  for (let edge = 0; edge < snapshot.keys.length; edge++) {
    const source = snapshot.sources[edge]!
    const target = snapshot.targets[edge]!
    if (source === target && !options.selfLoops) continue
    const weight = combine === 'one' ? 1 : snapshot.weights[edge]!
    // Pairs as one number: with a million nodes still below 2^53.
    const pair = !directed && source > target ? target * nodes.length + source : source * nodes.length + target
    const slot = slots.get(pair)
    const entry = slot === undefined ? undefined : kept[slot]
    if (entry === undefined) {
      slots.set(pair, kept.length)
      kept.push({ edge, weight })
    } else if (combine === 'sum') {
      entry.weight += weight
    } else if (combine === 'min' && weight < entry.weight) {
      entry.edge = edge
      entry.weight = weight
    }
  }
  return {
    directed,
    nodes,
    keys: kept.map(({ edge }) => snapshot.keys[edge]!),
    sources: Uint32Array.from(kept, ({ edge }) => snapshot.sources[edge]!),
    targets: Uint32Array.from(kept, ({ edge }) => snapshot.targets[edge]!),
    weights: Float64Array.from(kept, ({ weight }) => weight)
  }
}

/** @param direction which way edges of a directed graph are followed; `both` ignores their direction */
export function adjacencyOf(snapshot: GraphSnapshot, direction: 'out' | 'in' | 'both'): Adjacency {
  const { keys, nodes, sources, targets, weights } = snapshot
  const order = nodes.length
  const both = direction === 'both' || !snapshot.directed
  const from = direction === 'in' && !both ? targets : sources
  const to = direction === 'in' && !both ? sources : targets
  const starts = new Uint32Array(order + 1)
  for (let edge = 0; edge < keys.length; edge++) {
    starts[from[edge]! + 1]! += 1
    if (both && from[edge] !== to[edge]) starts[to[edge]! + 1]! += 1
  }
  for (let node = 0; node < order; node++) starts[node + 1]! += starts[node]!
  const size = starts[order]!
  const adjacency = { starts, neighbours: new Uint32Array(size), weights: new Float64Array(size), edges: new Uint32Array(size) }
  const next = starts.slice(0, order)
  const put = (node: number, neighbour: number, edge: number) => {
    const at = next[node]!
    next[node] = at + 1
    adjacency.neighbours[at] = neighbour
    adjacency.weights[at] = weights[edge]!
    adjacency.edges[at] = edge
  }
  for (let edge = 0; edge < keys.length; edge++) {
    put(from[edge]!, to[edge]!, edge)
    if (both && from[edge] !== to[edge]) put(to[edge]!, from[edge]!, edge)
  }
  return adjacency
}
