import { adjacencyOf, type GraphSnapshot } from './snapshot.ts'

/** Sets of numbers that can be joined: B. A. Galler and M. J. Fischer, 1964, with path halving and union by size. */
export function createUnionFind(size: number): { find(item: number): number; join(a: number, b: number): boolean } {
  const parents = Uint32Array.from({ length: size }, (_, item) => item)
  const sizes = new Uint32Array(size).fill(1)
  const find = (item: number) => {
    let at = item
    while (parents[at] !== at) {
      parents[at] = parents[parents[at]!]!
      at = parents[at]!
    }
    return at
  }
  return {
    find,
    join(a, b) {
      const [small, large] = [find(a), find(b)].toSorted((x, y) => sizes[x]! - sizes[y]!) as [number, number]
      if (small === large) return false
      parents[small] = large
      sizes[large]! += sizes[small]!
      return true
    }
  }
}

/** Groups of nodes joined by edges of any direction, largest first, nodes in their order. */
export function weakComponents(snapshot: GraphSnapshot): number[][] {
  const sets = createUnionFind(snapshot.nodes.length)
  snapshot.sources.forEach((source, edge) => sets.join(source, snapshot.targets[edge]!))
  const groups = new Map<number, number[]>()
  for (let node = 0; node < snapshot.nodes.length; node++) {
    const root = sets.find(node)
    const group = groups.get(root)
    if (group === undefined) groups.set(root, [node])
    else group.push(node)
  }
  return largestFirst([...groups.values()])
}

/**
 * Groups of nodes that all reach each other along directed edges, largest first, nodes in their order.
 * R. Tarjan, "Depth-first search and linear graph algorithms", 1972, with a stack of our own: graphology's version recurses
 * and overflows on a chain of 10 000 nodes.
 */
export function strongComponents(snapshot: GraphSnapshot): number[][] {
  const { starts, neighbours } = adjacencyOf(snapshot, 'out')
  const order = snapshot.nodes.length
  const UNSEEN = 0
  const indexes = new Uint32Array(order)
  const lowest = new Uint32Array(order)
  const isOpen = new Uint8Array(order)
  const next = starts.slice(0, order)
  const open: number[] = []
  const groups: number[][] = []
  let counter = 0
  for (let root = 0; root < order; root++) {
    if (indexes[root] !== UNSEEN) continue
    const path = [root]
    while (path.length > 0) {
      const node = path.at(-1)!
      if (indexes[node] === UNSEEN) {
        indexes[node] = lowest[node] = ++counter
        open.push(node)
        isOpen[node] = 1
      }
      if (next[node]! < starts[node + 1]!) {
        const neighbour = neighbours[next[node]!++]!
        if (indexes[neighbour] === UNSEEN) path.push(neighbour)
        else if (isOpen[neighbour] === 1) lowest[node] = Math.min(lowest[node]!, indexes[neighbour]!)
        continue
      }
      path.pop()
      const parent = path.at(-1)
      if (parent !== undefined) lowest[parent] = Math.min(lowest[parent]!, lowest[node]!)
      if (lowest[node] !== indexes[node]) continue
      const group = open.splice(open.lastIndexOf(node))
      for (const member of group) isOpen[member] = 0
      groups.push(group.toSorted((a, b) => a - b))
    }
  }
  return largestFirst(groups)
}

function largestFirst(groups: number[][]): number[][] {
  return groups.toSorted((a, b) => b.length - a.length || a[0]! - b[0]!)
}
