interface Entry {
  at: number
  order: number
  run: () => void
}

/** What happens next in virtual time: a binary heap ordered by time, then by order of arrival, so that a run is a function of its seed. */
export interface EventHeap {
  push(at: number, run: () => void): void
  /** Runs everything due up to `end`, oldest first, telling each one's time before it. */
  runTo(end: number, onTime: (at: number) => void): void
  readonly size: number
  /** When the next thing is due; undefined: nothing is. */
  readonly nextAt: number | undefined
}

export function createEventHeap(): EventHeap {
  const heap: Entry[] = []
  let order = 0
  const before = (a: Entry, b: Entry) => a.at < b.at || (a.at === b.at && a.order < b.order)

  function sink(entry: Entry): void {
    const size = heap.length
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= size) break
      if (child + 1 < size && before(heap[child + 1]!, heap[child]!)) child++
      if (!before(heap[child]!, entry)) break
      heap[i] = heap[child]!
      i = child
    }
    heap[i] = entry
  }

  return {
    push(at, run) {
      const entry = { at, order: order++, run }
      let i = heap.length
      heap.push(entry)
      while (i > 0) {
        const parent = (i - 1) >> 1
        if (!before(entry, heap[parent]!)) break
        heap[i] = heap[parent]!
        i = parent
      }
      heap[i] = entry
    },
    runTo(end, onTime) {
      while (heap.length > 0 && heap[0]!.at <= end) {
        const first = heap[0]!
        const last = heap.pop()!
        if (heap.length > 0) sink(last)
        onTime(first.at)
        first.run()
      }
    },
    get size() {
      return heap.length
    },
    get nextAt() {
      return heap[0]?.at
    }
  }
}
