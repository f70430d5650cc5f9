import { SkeinError } from '../../base/errors.ts'

/** What one server process may hold and how long it may compute. */
export interface GraphLimits {
  /** Graphs in memory. */
  maxGraphs: number
  /** Nodes of one graph. */
  maxNodes: number
  /** Edges of one graph. */
  maxEdges: number
  /** Attributes of one node or edge, bytes of JSON. */
  maxElementBytes: number
  /** All attributes of one graph together, bytes of JSON. */
  maxGraphBytes: number
  /** Nodes and edges of all graphs together. */
  maxTotalElements: number
  /** Attributes of all graphs together, bytes of JSON. */
  maxTotalBytes: number
  /** An imported or exported document, bytes. */
  maxDocumentBytes: number
  /** How long one computation may take, waiting included, ms. */
  jobTimeout: number
}

export const DEFAULT_LIMITS: GraphLimits = {
  // An agent works with a handful; a hundred forgotten ones are still listed at a glance.
  maxGraphs: 100,
  // Betweenness of this size takes 15 to 60 s on one core, which is the longest a person waits for an answer.
  maxNodes: 10_000,
  maxEdges: 50_000,
  // Labels, kinds and a paragraph of text; documents belong elsewhere.
  maxElementBytes: 4 * 1024,
  // A hundred bytes and more for each node and edge of a full graph.
  maxGraphBytes: 8 * 1024 * 1024,
  // Ten full graphs: a full one takes some 50 MB of heap, and Node gives up at 2 to 4 GB.
  maxTotalElements: 10 * (10_000 + 50_000),
  maxTotalBytes: 10 * 8 * 1024 * 1024,
  // Fits a full graph with short names as GraphML, and a message that carriers of MCP still take.
  maxDocumentBytes: 8 * 1024 * 1024,
  jobTimeout: 300_000
}

/** A limit raised beyond this would let one call exhaust the memory of a worker (see jobs.ts). */
const HIGHEST_COUNT = 1_000_000

/**
 * The limits with the operator's changes from SKEIN_GRAPH_MAX_NODES and SKEIN_GRAPH_MAX_EDGES.
 * @throws SKEIN_CONFIG naming the variable
 */
export function limitsFromEnv(env: Record<string, string | undefined>): GraphLimits {
  const maxNodes = countFrom(env, 'SKEIN_GRAPH_MAX_NODES', DEFAULT_LIMITS.maxNodes)
  const maxEdges = countFrom(env, 'SKEIN_GRAPH_MAX_EDGES', DEFAULT_LIMITS.maxEdges)
  // Whoever allows larger graphs has the memory for them, but not for ten times as many as before.
  return { ...DEFAULT_LIMITS, maxNodes, maxEdges, maxTotalElements: Math.max(DEFAULT_LIMITS.maxTotalElements, 2 * (maxNodes + maxEdges)) }
}

function countFrom(env: Record<string, string | undefined>, name: string, otherwise: number): number {
  const text = env[name]
  if (text === undefined || text === '') return otherwise
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= 1 && value <= HIGHEST_COUNT) return value
  throw new SkeinError('SKEIN_CONFIG', `${name} is "${text.slice(0, 40)}"; set a whole number from 1 to ${HIGHEST_COUNT}, or remove it`)
}
