/** A queue of nodes by distance, nearest first; the same node may be in it several times. */
export interface DistanceHeap {
  readonly size: number
  push(distance: number, node: number): void
  /** Removes the nearest entry; only when `size` is above zero. */
  pop(): { distance: number; node: number }
}

/** A binary heap in two parallel arrays (J. W. J. Williams, 1964): no object per waiting entry. */
export function createDistanceHeap(): DistanceHeap {
  const distances: number[] = []
  const nodes: number[] = []
  const swap = (a: number, b: number) => {
    const distance = distances[a]!
    const node = nodes[a]!
    distances[a] = distances[b]!
    nodes[a] = nodes[b]!
    distances[b] = distance
    nodes[b] = node
  }
  return {
    get size() {
      return nodes.length
    },
    push(distance, node) {
      let at = nodes.length
      distances.push(distance)
      nodes.push(node)
      while (at > 0) {
        const parent = (at - 1) >> 1
        if (distances[parent]! <= distances[at]!) break
        swap(at, parent)
        at = parent
      }
    },
    pop() {
      swap(0, nodes.length - 1)
      const distance = distances.pop()!
      const node = nodes.pop()!
      let at = 0
      for (;;) {
        const left = 2 * at + 1
        if (left >= nodes.length) break
        const child = left + 1 < nodes.length && distances[left + 1]! < distances[left]! ? left + 1 : left
        if (distances[at]! <= distances[child]!) break
        swap(at, child)
        at = child
      }
      return { distance, node }
    }
  }
}
