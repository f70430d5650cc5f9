import { betweenness, type BetweennessOptions, type OnProgress } from './betweenness.ts'
import { closeness, type ClosenessOptions } from './closeness.ts'
import { communities, type Communities, type CommunitiesOptions } from './communities.ts'
import { strongComponents, weakComponents } from './components.ts'
import { pagerank, type PagerankOptions } from './pagerank.ts'
import { shortestPath, type ShortestPath } from './paths.ts'
import type { GraphSnapshot } from './snapshot.ts'
import { clustering, spanningTree, topologicalSort, type Clustering, type SpanningTree, type TopologicalOrder } from './structure.ts'

/** Every computation of a worker: what it is told besides the graph, and what it gives back. All of it survives structured cloning. */
export interface Algorithms {
  betweenness: { options: BetweennessOptions; result: Float64Array }
  closeness: { options: ClosenessOptions; result: Float64Array }
  pagerank: { options: PagerankOptions; result: { scores: Float64Array; iterations: number } }
  communities: { options: CommunitiesOptions; result: Communities }
  components: { options: { strong: boolean }; result: number[][] }
  shortestPath: { options: { source: number; target: number; weighted: boolean }; result: ShortestPath }
  clustering: { options: Record<string, never>; result: Clustering }
  spanningTree: { options: { maximum: boolean }; result: SpanningTree }
  topologicalSort: { options: Record<string, never>; result: TopologicalOrder }
}

export type AlgorithmName = keyof Algorithms

export interface Job<Name extends AlgorithmName = AlgorithmName> {
  algorithm: Name
  graph: GraphSnapshot
  options: Algorithms[Name]['options']
}

type Runner<Name extends AlgorithmName> = (
  graph: GraphSnapshot,
  options: Algorithms[Name]['options'],
  onProgress: OnProgress
) => Algorithms[Name]['result'] | Promise<Algorithms[Name]['result']>

const RUNNERS: { [Name in AlgorithmName]: Runner<Name> } = {
  betweenness,
  closeness,
  pagerank,
  communities,
  components: (graph, { strong }) => (strong ? strongComponents(graph) : weakComponents(graph)),
  shortestPath: (graph, { source, target, weighted }) => shortestPath(graph, source, target, { weighted }),
  clustering: (graph, _options, onProgress) => clustering(graph, onProgress),
  spanningTree,
  topologicalSort
}

export async function runJob<Name extends AlgorithmName>(job: Job<Name>, onProgress: OnProgress): Promise<Algorithms[Name]['result']> {
  const run: Runner<Name> = RUNNERS[job.algorithm]
  return await run(job.graph, job.options, onProgress)
}
