/** What one child may have in the table that its hub tells upward; the hub above reads one such table of each of its children. */
export const SHARE_ROWS = 25_000
/** As above, bytes: a quarter of a table. */
export const SHARE_BYTES = 16 * 1024 * 1024

/** Which rows of a child's table are told upward: as long as they fit, those that came first. */
export interface Share {
  /** @param bytes undefined: the row is gone. Returns the keys that are in now, or no longer. */
  set(key: string, bytes: number | undefined): string[]
  has(key: string): boolean
  /** Rows that have no place. */
  readonly waiting: number
}

export function createShare(maxRows = SHARE_ROWS, maxBytes = SHARE_BYTES): Share {
  const inside = new Map<string, number>()
  /** In the order in which they came. Bounded as the table is. */
  const waiting = new Map<string, number>()
  let sum = 0

  function remove(key: string): boolean {
    const before = inside.get(key)
    if (before === undefined) return false
    inside.delete(key)
    sum -= before
    return true
  }

  function add(key: string, bytes: number): boolean {
    if (inside.size >= maxRows || sum + bytes > maxBytes) return false
    inside.set(key, bytes)
    sum += bytes
    return true
  }

  return {
    set(key, bytes) {
      const was = remove(key)
      waiting.delete(key)
      const changed: string[] = []
      const is = bytes !== undefined && add(key, bytes)
      if (was !== is) changed.push(key)
      for (const [next, weight] of waiting) {
        if (!add(next, weight)) break
        waiting.delete(next)
        changed.push(next)
      }
      if (bytes !== undefined && !is) waiting.set(key, bytes)
      return changed
    },
    has: (key) => inside.has(key),
    get waiting() {
      return waiting.size
    }
  }
}
