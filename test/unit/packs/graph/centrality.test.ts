import { describe, expect, test } from 'vitest'
import { betweenness } from '../../../../src/packs/graph/algorithms/betweenness.ts'
import { closeness } from '../../../../src/packs/graph/algorithms/closeness.ts'
import { communities } from '../../../../src/packs/graph/algorithms/communities.ts'
import { pagerank } from '../../../../src/packs/graph/algorithms/pagerank.ts'
import type { GraphSnapshot } from '../../../../src/packs/graph/algorithms/snapshot.ts'
import { allDistances, KARATE, randomGraph, snapshot, weightMatrix } from './graphs.ts'

const quiet = () => {}
const zeros = (length: number): number[] => Array.from({ length }, () => 0)
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8]

/** By definition: for every pair, the share of its shortest paths through each other node. */
function betweennessByDefinition(graph: GraphSnapshot, weighted: boolean): number[] {
  const weights = weightMatrix(graph, weighted)
  const distances = allDistances(graph, weighted)
  const order = distances.length
  const numbers = Array.from({ length: order }, (_, node) => node)
  const paths = numbers.map((from) => {
    const counts = zeros(order)
    counts[from] = 1
    for (const to of numbers.toSorted((a, b) => distances[from]![a]! - distances[from]![b]!)) {
      if (to === from || distances[from]![to] === Infinity) continue
      counts[to] = numbers.reduce((sum, last) => (last !== to && distances[from]![to] === distances[from]![last]! + weights[last]![to]! ? sum + counts[last]! : sum), 0)
    }
    return counts
  })
  return numbers.map((node) => {
    let score = 0
    for (const from of numbers) {
      for (const to of numbers) {
        if (from === to || from === node || to === node || distances[from]![to] === Infinity) continue
        if (distances[from]![to] === distances[from]![node]! + distances[node]![to]!) score += (paths[from]![node]! * paths[node]![to]!) / paths[from]![to]!
      }
    }
    return graph.directed ? score : score / 2
  })
}

describe('betweenness', () => {
  test('the karate club has its published values', () => {
    const scores = betweenness(KARATE, { weighted: false, normalized: true }, quiet)
    expect(scores[0]).toBeCloseTo(0.43763528138528146, 12)
    expect(scores[33]).toBeCloseTo(0.30407497594997596, 12)
    expect(scores[32]).toBeCloseTo(0.145247113997114, 12)
    expect(scores[2]).toBeCloseTo(0.14365680615680618, 12)
    expect(scores[31]).toBeCloseTo(0.13827561327561325, 12)
    expect(scores[7]).toBe(0)
  })

  test.each(SEEDS.flatMap((seed) => [false, true].flatMap((directed) => [false, true].map((weighted) => [seed, directed, weighted] as const))))(
    'a random graph as by definition (seed %d, directed %s, weighted %s)',
    (seed, directed, weighted) => {
      const graph = randomGraph(seed, directed)
      const scores = betweenness(graph, { weighted, normalized: false }, quiet)
      betweennessByDefinition(graph, weighted).forEach((score, node) => expect(scores[node]).toBeCloseTo(score, 9))
    }
  )

  test('more paths than 32 bits count stay right: a grid is symmetric', () => {
    const side = 24
    const edges: [number, number][] = []
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        if (x + 1 < side) edges.push([y * side + x, y * side + x + 1])
        if (y + 1 < side) edges.push([y * side + x, (y + 1) * side + x])
      }
    }
    const scores = betweenness(snapshot(side * side, edges), { weighted: false, normalized: true }, quiet)
    for (let at = 0; at < side * side; at++) expect(scores[at]).toBeCloseTo(scores[side * side - 1 - at]!, 9)
    expect(scores[11 * side + 11]!).toBeGreaterThan(scores[0]!)
  })

  test('more paths than a float counts are refused instead of answered with NaN', () => {
    // Layers of two nodes, each joined to both of the next layer: 2^1030 paths.
    const edges: [number, number][] = []
    for (let layer = 0; layer < 1030; layer++) for (const a of [0, 1]) for (const b of [2, 3]) edges.push([layer * 2 + a, layer * 2 + b])
    const run = () => betweenness(snapshot(2062, edges, true), { weighted: false, normalized: true }, quiet)
    expect(run).toThrow(/more shortest paths than a number can count/)
  })

  test('progress is told after each source', () => {
    const seen: number[] = []
    betweenness(snapshot(4, [[0, 1]]), { weighted: false, normalized: true }, (done, total) => seen.push(done, total))
    expect(seen).toEqual([1, 4, 2, 4, 3, 4, 4, 4])
  })

  test.each([0, 1, 2])('%d nodes have nothing between them', (order) => {
    expect([...betweenness(snapshot(order, order === 2 ? [[0, 1]] : []), { weighted: true, normalized: true }, quiet)]).toEqual(zeros(order))
  })
})

describe('closeness', () => {
  test('the karate club has its published values', () => {
    const scores = closeness(KARATE, { weighted: false, improved: true }, quiet)
    expect(scores[0]).toBeCloseTo(0.5689655172413793, 12)
    expect(scores[2]).toBeCloseTo(0.559322033898305, 12)
    expect(scores[33]).toBeCloseTo(0.55, 12)
  })

  test.each(SEEDS.flatMap((seed) => [false, true].map((weighted) => [seed, weighted] as const)))('a random directed graph as by definition (seed %d, weighted %s)', (seed, weighted) => {
    const graph = randomGraph(seed, true)
    const distances = allDistances(graph, weighted)
    const plain = closeness(graph, { weighted, improved: false }, quiet)
    const improved = closeness(graph, { weighted, improved: true }, quiet)
    graph.nodes.forEach((_, node) => {
      const reaching = distances.map((row) => row[node]!).filter((distance) => distance !== Infinity && distance > 0)
      const expected = reaching.length === 0 ? 0 : reaching.length / reaching.reduce((sum, distance) => sum + distance, 0)
      expect(plain[node]).toBeCloseTo(expected, 12)
      expect(improved[node]).toBeCloseTo((expected * reaching.length) / 11, 12)
    })
  })
})

describe('pagerank', () => {
  const options = { damping: 0.85, maxIterations: 500, tolerance: 1e-14 }

  test('the karate club has its published values', () => {
    const { scores } = pagerank(KARATE, options)
    expect(scores[0]).toBeCloseTo(0.09700, 4)
    expect(scores[33]).toBeCloseTo(0.10092, 4)
    expect(scores[32]).toBeCloseTo(0.07169, 4)
  })

  test.each(SEEDS.flatMap((seed) => [false, true].map((directed) => [seed, directed] as const)))('a random graph satisfies the equation of PageRank (seed %d, directed %s)', (seed, directed) => {
    const graph = randomGraph(seed, directed)
    const order = graph.nodes.length
    const flow = Array.from({ length: order }, () => zeros(order))
    graph.sources.forEach((source, edge) => {
      const target = graph.targets[edge]!
      flow[source]![target]! += graph.weights[edge]!
      if (!directed && source !== target) flow[target]![source]! += graph.weights[edge]!
    })
    const { scores } = pagerank(graph, options)
    expect(scores.reduce((sum, score) => sum + score, 0)).toBeCloseTo(1, 12)
    graph.nodes.forEach((_, node) => {
      let expected = 0.15 / order
      flow.forEach((row, from) => {
        const out = row.reduce((sum, weight) => sum + weight, 0)
        expected += 0.85 * scores[from]! * (out === 0 ? 1 / order : row[node]! / out)
      })
      expect(scores[node]).toBeCloseTo(expected, 10)
    })
  })

  test('too few iterations are an error that says what to change', () => {
    expect(() => pagerank(KARATE, { ...options, maxIterations: 2 })).toThrow(/did not settle within 2 iterations; allow more with max_iterations/)
  })

  test('a graph without nodes has no scores', () => {
    expect([...pagerank(snapshot(0, []), options).scores]).toEqual([])
  })
})

describe('communities', () => {
  /** M. E. J. Newman's modularity by its sum over pairs. */
  function modularity(graph: GraphSnapshot, groups: number[][]): number {
    const degrees = zeros(graph.nodes.length)
    const group = new Map(groups.flatMap((members, number) => members.map((node) => [node, number] as const)))
    const total = graph.weights.reduce((sum, weight) => sum + weight, 0)
    let inside = 0
    graph.sources.forEach((source, edge) => {
      const target = graph.targets[edge]!
      degrees[source]! += graph.weights[edge]!
      degrees[target]! += graph.weights[edge]!
      if (group.get(source) === group.get(target)) inside += graph.weights[edge]!
    })
    const expected = groups.reduce((sum, members) => sum + (members.reduce((degree, node) => degree + degrees[node]!, 0) / (2 * total)) ** 2, 0)
    return inside / total - expected
  }

  test('the karate club splits near its best known modularity, the same with the same seed', async () => {
    const found = await communities(KARATE, { resolution: 1, seed: 7 })
    expect(found.modularity).toBeGreaterThan(0.38)
    // The best there is: 0.4198.
    expect(found.modularity).toBeLessThan(0.4199)
    expect(modularity(KARATE, found.groups)).toBeCloseTo(found.modularity, 9)
    expect(found.groups.flat().toSorted((a, b) => a - b)).toEqual(KARATE.nodes.map((_, node) => node))
    expect(await communities(KARATE, { resolution: 1, seed: 7 })).toEqual(found)
  })

  test.each(SEEDS)('loops and parallel edges count in the modularity (seed %d)', async (seed) => {
    const graph = randomGraph(seed, false)
    const found = await communities(graph, { resolution: 1, seed })
    expect(modularity(graph, found.groups)).toBeCloseTo(found.modularity, 9)
  })

  test('two rings joined by one edge are two communities; a directed graph works too', async () => {
    const ring = (first: number) => [0, 1, 2, 3, 4].flatMap((at): [number, number][] => [[first + at, first + ((at + 1) % 5)], [first + at, first + ((at + 2) % 5)]])
    for (const directed of [false, true]) {
      const found = await communities(snapshot(10, [...ring(0), ...ring(5), [0, 5]], directed), { resolution: 1, seed: 1 })
      expect(found.groups).toEqual([[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]])
    }
  })

  test.each([snapshot(3, []), snapshot(3, [[0, 1, 0]])])('without weight everybody is alone', async (graph) => {
    expect(await communities(graph, { resolution: 1, seed: 1 })).toEqual({ groups: [[0], [1], [2]], modularity: 0 })
  })
})
