import { describe, expect, test } from 'vitest'
import { strongComponents, weakComponents } from '../../../../src/packs/graph/algorithms/components.ts'
import { shortestPath } from '../../../../src/packs/graph/algorithms/paths.ts'
import { clustering, spanningTree, topologicalSort } from '../../../../src/packs/graph/algorithms/structure.ts'
import { allDistances, KARATE, randomGraph, snapshot, weightMatrix } from './graphs.ts'

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8]

describe('shortestPath', () => {
  test.each(SEEDS.flatMap((seed) => [false, true].flatMap((directed) => [false, true].map((weighted) => [seed, directed, weighted] as const))))(
    'every pair as by Floyd and Warshall, along edges that exist (seed %d, directed %s, weighted %s)',
    (seed, directed, weighted) => {
      const graph = randomGraph(seed, directed)
      const distances = allDistances(graph, weighted)
      graph.nodes.forEach((_, source) =>
        graph.nodes.forEach((_unused, target) => {
          const path = shortestPath(graph, source, target, { weighted })
          expect(path.distance ?? Infinity).toBe(distances[source]![target])
          expect(path.reachable).toBe(distances[source]![target] !== Infinity)
          if (!path.reachable) return
          expect([path.nodes[0], path.nodes.at(-1)]).toEqual([source, target])
          const walked = path.edges.reduce((sum, key, at) => {
            const edge = graph.keys.indexOf(key)
            const ends = [graph.sources[edge], graph.targets[edge]]
            if (!directed && ends[0] !== path.nodes[at]) ends.reverse()
            expect(ends).toEqual([path.nodes[at], path.nodes[at + 1]])
            return sum + (weighted ? graph.weights[edge]! : 1)
          }, 0)
          expect(walked).toBe(path.distance)
        })
      )
    }
  )

  test('a chain of 10 000 nodes is no problem', () => {
    const chain = snapshot(10_000, Array.from({ length: 9_999 }, (_, at): [number, number] => [at, at + 1]))
    expect(shortestPath(chain, 0, 9_999, { weighted: true }).distance).toBe(9_999)
  })
})

describe('components', () => {
  test.each(SEEDS)('strong ones are the sets that reach each other (seed %d)', (seed) => {
    const graph = randomGraph(seed, true, 14, 20)
    const distances = allDistances(graph, false)
    const groups = strongComponents(graph)
    expect(groups.flat().toSorted((a, b) => a - b)).toEqual(graph.nodes.map((_, node) => node))
    const group = new Map(groups.flatMap((members, number) => members.map((node) => [node, number] as const)))
    graph.nodes.forEach((_, a) =>
      graph.nodes.forEach((_unused, b) => expect(group.get(a) === group.get(b)).toBe(distances[a]![b] !== Infinity && distances[b]![a] !== Infinity))
    )
  })

  test.each(SEEDS)('weak ones are the sets that reach each other without directions (seed %d)', (seed) => {
    const graph = randomGraph(seed, true, 14, 9)
    const distances = allDistances({ ...graph, directed: false }, false)
    const groups = weakComponents(graph)
    for (const members of groups) {
      const reached = graph.nodes.map((_, node) => node).filter((node) => distances[members[0]!]![node] !== Infinity)
      expect(members).toEqual(reached)
    }
    expect(groups.map(({ length }) => length)).toEqual(groups.map(({ length }) => length).toSorted((a, b) => b - a))
  })

  test('a circle of 10 000 nodes is one component', () => {
    const circle = snapshot(10_000, Array.from({ length: 10_000 }, (_, at): [number, number] => [at, (at + 1) % 10_000]), true)
    expect(strongComponents(circle)).toHaveLength(1)
  })
})

describe('clustering', () => {
  test('the karate club has its published values', () => {
    const found = clustering(KARATE, () => {})
    expect(found.average).toBeCloseTo(0.5706384782076823, 12)
    expect(found.transitivity).toBeCloseTo(0.2556818181818182, 12)
    expect(found.triangles).toBe(45)
  })

  test.each(SEEDS)('a random graph as by definition (seed %d)', (seed) => {
    const graph = randomGraph(seed, true)
    const joined = weightMatrix({ ...graph, directed: false }, false)
    const { scores } = clustering(graph, () => {})
    graph.nodes.forEach((_, node) => {
      const around = graph.nodes.map((_unused, other) => other).filter((other) => joined[node]![other] === 1)
      const pairs = around.flatMap((a) => around.filter((b) => b > a).map((b) => joined[a]![b] === 1))
      expect(scores[node]).toBeCloseTo(pairs.length === 0 ? 0 : pairs.filter(Boolean).length / pairs.length, 12)
    })
  })
})

describe('spanningTree', () => {
  /** V. Jarník's and R. C. Prim's algorithm, from every component. */
  function primWeight(matrix: number[][]): number {
    const seen = new Set<number>()
    let total = 0
    matrix.forEach((_, root) => {
      if (seen.has(root)) return
      seen.add(root)
      for (;;) {
        const steps = [...seen].flatMap((from) => matrix[from]!.map((weight, to) => ({ weight, to })).filter(({ weight, to }) => !seen.has(to) && weight !== Infinity))
        const best = steps.toSorted((a, b) => a.weight - b.weight)[0]
        if (best === undefined) return
        seen.add(best.to)
        total += best.weight
      }
    })
    return total
  }

  test.each(SEEDS)('weighs the same as the tree of Prim (seed %d)', (seed) => {
    const graph = randomGraph(seed, false)
    const tree = spanningTree(graph, { maximum: false })
    expect(tree.weight).toBe(primWeight(weightMatrix(graph, true)))
    expect(tree.trees).toBe(weakComponents(graph).length)
    expect(tree.edges).toHaveLength(graph.nodes.length - tree.trees)
  })

  test('the heaviest tree, with negative weights', () => {
    const graph = snapshot(3, [[0, 1, -5], [1, 2, 2], [0, 2, 1]])
    expect(spanningTree(graph, { maximum: true })).toEqual({ edges: [1, 2], weight: 3, trees: 1 })
    expect(spanningTree(graph, { maximum: false })).toEqual({ edges: [0, 2], weight: -4, trees: 1 })
  })
})

describe('topologicalSort', () => {
  test('nodes that are free at the same time keep their order', () => {
    expect(topologicalSort(snapshot(5, [[3, 1], [1, 0], [3, 0]], true))).toEqual({ order: [2, 3, 4, 1, 0], cycle: null })
  })

  test.each([
    ['a circle behind a tail', snapshot(5, [[0, 1], [1, 2], [2, 3], [3, 1], [3, 4]], true), [1, 2, 3]],
    ['a self-loop', snapshot(2, [[0, 1], [1, 1]], true), [1]]
  ])('%s is reported as the cycle', (_name, graph, members) => {
    const { order, cycle } = topologicalSort(graph)
    expect(order).toBeNull()
    expect(cycle!.slice(1).toSorted()).toEqual(members)
    expect(cycle![0]).toBe(cycle!.at(-1))
  })

  test.each(SEEDS)('every edge points forward, or the cycle exists (seed %d)', (seed) => {
    const graph = randomGraph(seed, true, 12, 12)
    const { order, cycle } = topologicalSort(graph)
    const joined = (from: number, to: number) => graph.sources.some((source, edge) => source === from && graph.targets[edge] === to)
    if (cycle !== null) {
      for (let at = 0; at + 1 < cycle.length; at++) expect(joined(cycle[at]!, cycle[at + 1]!)).toBe(true)
    } else {
      graph.sources.forEach((source, edge) => expect(order!.indexOf(source)).toBeLessThan(order!.indexOf(graph.targets[edge]!)))
    }
  })
})
