import type { GraphSnapshot } from '../../../../src/packs/graph/algorithms/snapshot.ts'
import { randomInt, seededRandom } from '../../../../src/base/random.ts'

/** A snapshot of weighted pairs of node numbers. */
export function snapshot(order: number, edges: [number, number, number?][], directed = false): GraphSnapshot {
  return {
    directed,
    nodes: Array.from({ length: order }, (_, node) => `n${node}`),
    keys: edges.map((_, edge) => `e${edge}`),
    sources: Uint32Array.from(edges, ([source]) => source),
    targets: Uint32Array.from(edges, ([, target]) => target),
    weights: Float64Array.from(edges, ([, , weight]) => weight ?? 1)
  }
}

/** W. W. Zachary's karate club (1977), numbered from 0 as in networkx: each line is a node and its later neighbours. */
const KARATE_LINES = `1: 2 3 4 5 6 7 8 9 11 12 13 14 18 20 22 32
2: 3 4 8 14 18 20 22 31
3: 4 8 9 10 14 28 29 33
4: 8 13 14
5: 7 11
6: 7 11 17
7: 17
9: 31 33 34
10: 34
14: 34
15: 33 34
16: 33 34
19: 33 34
20: 34
21: 33 34
23: 33 34
24: 26 28 30 33 34
25: 26 28 32
26: 32
27: 30 34
28: 34
29: 32 34
30: 33 34
31: 33 34
32: 33 34
33: 34`

export const KARATE = snapshot(
  34,
  KARATE_LINES.split('\n').flatMap((line) => {
    const [source, rest] = line.split(': ') as [string, string]
    return rest.split(' ').map((target): [number, number] => [Number(source) - 1, Number(target) - 1])
  })
)

/** A random graph with loops and parallel edges; small whole weights, so that equal distances occur. */
export function randomGraph(seed: number, directed: boolean, order = 12, size = 24): GraphSnapshot {
  const random = seededRandom(seed)
  return snapshot(
    order,
    Array.from({ length: size }, () => [randomInt(random, order), randomInt(random, order), 1 + randomInt(random, 4)]),
    directed
  )
}

/** The lightest edge for each ordered pair, without loops; Infinity where there is none. */
export function weightMatrix(graph: GraphSnapshot, weighted: boolean): number[][] {
  const order = graph.nodes.length
  const matrix = Array.from({ length: order }, () => Array.from({ length: order }, () => Infinity))
  graph.sources.forEach((source, edge) => {
    const target = graph.targets[edge]!
    if (source === target) return
    const weight = weighted ? graph.weights[edge]! : 1
    matrix[source]![target] = Math.min(matrix[source]![target]!, weight)
    if (!graph.directed) matrix[target]![source] = Math.min(matrix[target]![source]!, weight)
  })
  return matrix
}

/** All distances by Floyd and Warshall: an algorithm the product does not use. */
export function allDistances(graph: GraphSnapshot, weighted: boolean): number[][] {
  const distances = weightMatrix(graph, weighted)
  const order = distances.length
  for (let node = 0; node < order; node++) distances[node]![node] = 0
  for (let via = 0; via < order; via++) {
    for (let from = 0; from < order; from++) {
      for (let to = 0; to < order; to++) distances[from]![to] = Math.min(distances[from]![to]!, distances[from]![via]! + distances[via]![to]!)
    }
  }
  return distances
}
