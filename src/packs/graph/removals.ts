import { SkeinError } from '../../base/errors.ts'
import { sizeOf } from './mutations.ts'
import type { StoredGraph } from './store.ts'

// As in mutations.ts, a batch is looked up completely before anything is removed.

/** An edge by its key, or by its two ends. */
export interface EdgeReference {
  key?: string | undefined
  source?: string | undefined
  target?: string | undefined
}

/** Removes nodes with their edges; a node that is not there is refused unless `ignoreMissing`. */
export function removeNodes(stored: StoredGraph, ids: string[], options: { ignoreMissing: boolean }): { nodes: number; edges: number } {
  const { graph } = stored
  const present = new Set<string>()
  for (const id of ids) {
    if (graph.hasNode(id)) present.add(id)
    else if (!options.ignoreMissing) throw new SkeinError('SKEIN_NOT_FOUND', `There is no node "${id.slice(0, 64)}" in graph "${stored.id}"; nothing was removed. Leave it out, or pass ignore_missing: true`)
  }
  const edges = graph.size
  for (const id of present) {
    // A set: graphology lists a directed self-loop once per end.
    for (const key of new Set(graph.edges(id))) stored.bytes -= sizeOf(graph.getEdgeAttributes(key))
    stored.bytes -= sizeOf(graph.getNodeAttributes(id))
    graph.dropNode(id)
  }
  return { nodes: present.size, edges: edges - graph.size }
}

/** Removes edges; two ends name every edge that joins them. */
export function removeEdges(stored: StoredGraph, references: EdgeReference[], options: { ignoreMissing: boolean }): number {
  const keys = new Set<string>()
  for (const reference of references) {
    const found = findEdges(stored, reference)
    if (found.length === 0 && !options.ignoreMissing) {
      throw new SkeinError('SKEIN_NOT_FOUND', `There is no ${nameOf(reference)} in graph "${stored.id}"; nothing was removed. Leave it out, or pass ignore_missing: true`)
    }
    for (const key of found) keys.add(key)
  }
  for (const key of keys) {
    stored.bytes -= sizeOf(stored.graph.getEdgeAttributes(key))
    stored.graph.dropEdge(key)
  }
  return keys.size
}

/** The keys of the edges a reference means; empty when there is none. */
export function findEdges(stored: StoredGraph, reference: EdgeReference): string[] {
  const { graph } = stored
  const { key, source, target } = reference
  if (key !== undefined) {
    if (!graph.hasEdge(key)) return []
    if ((source !== undefined || target !== undefined) && !findEdges(stored, { source, target }).includes(key)) return []
    return [key]
  }
  if (source === undefined || target === undefined) throw new SkeinError('SKEIN_BAD_REQUEST', 'Name an edge by its key, or by source and target')
  if (!graph.hasNode(source) || !graph.hasNode(target)) return []
  return stored.directed ? graph.outEdges(source, target) : graph.undirectedEdges(source, target)
}

export function nameOf(reference: EdgeReference): string {
  return reference.key === undefined ? `edge "${reference.source ?? ''}" → "${reference.target ?? ''}"` : `edge with the key "${reference.key}"`
}
