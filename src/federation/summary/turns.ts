import type { SummaryRow } from '../../wire/summary-row.ts'

/** What one source says of a server, as far as its place in a full table depends on it. */
export type Standing = Pick<SummaryRow, 'body' | 'hops'>

/** Where a source is. Between sources only this counts as near: how far away its servers are, a child says itself. */
export type Side = keyof typeof DISTANCE

/** What one source tells. */
export interface Line {
  readonly side: Side
  /** The nearest first, then by key. */
  readonly rows: readonly Standing[]
}

/** Records of own pools before what is below them, and that before what is beyond: no way to the latter is shorter. */
const DISTANCE = { own: 0, below: 1, above: 2 }

interface Turn {
  readonly line: Line
  at: number
  row: SummaryRow
  /** Tools of this line that have a place, those of `row` counted. */
  weight: number
}

export function lineOf(side: Side, rows: Iterable<Standing>): Line {
  return { side, rows: [...rows].sort(nearestFirst) }
}

/** A server without tools has a place too. */
export function weigh({ body }: Pick<Standing, 'body'>): number {
  return Math.max(1, body.tools.length)
}

export function nearestFirst(a: Standing, b: Standing): number {
  return a.hops - b.hops || (a.body.key < b.body.key ? -1 : 1)
}

/**
 * Offers places to the rows: first to what own pools have, then to what is below, then to the rest, and each time in turns of the lines. Next is always the row with
 * which its line would have the fewest tools; of equals the nearest, then by key. So one child, however much it tells and however near it says that to be, gets
 * no more than its share while the others have something. A row in several lines counts for the one whose turn comes first; rows in none come last.
 * @param take true: it has a place, and counts for its line
 */
export function inTurns(rows: Iterable<SummaryRow>, lines: readonly Line[], take: (row: SummaryRow) => boolean): void {
  const left = new Map<string, SummaryRow>()
  for (const row of rows) left.set(row.body.key, row)
  /** The next one is the last. */
  const queue: Turn[] = []

  function enqueue(line: Line, from: number, taken: number): void {
    for (let at = from; at < line.rows.length; at++) {
      const standing = line.rows[at] as Standing
      const row = left.get(standing.body.key)
      // Most of its tools are said by somebody else: whoever makes a server of another source heavy does not use up the share of that one.
      if (row === undefined || 2 * weigh(standing) < weigh(row)) continue
      const turn = { line, at, row, weight: taken + weigh(row) }
      queue.splice(placeOf(queue, turn), 0, turn)
      return
    }
  }

  for (const line of lines) enqueue(line, 0, 0)
  for (let turn = queue.pop(); turn !== undefined; turn = queue.pop()) {
    const { line, at, row, weight } = turn
    const counts = left.delete(row.body.key) && take(row)
    enqueue(line, at + 1, counts ? weight : weight - weigh(row))
  }
  for (const row of [...left.values()].sort(nearestFirst)) take(row)
}

/** Where it belongs in a queue whose last one is the next. */
function placeOf(queue: readonly Turn[], turn: Turn): number {
  let [low, high] = [0, queue.length]
  while (low < high) {
    const middle = (low + high) >> 1
    const other = queue[middle] as Turn
    if (isAfter(other, turn)) low = middle + 1
    else high = middle
  }
  return low
}

function isAfter(one: Turn, other: Turn): boolean {
  return (DISTANCE[one.line.side] - DISTANCE[other.line.side] || one.weight - other.weight || nearestFirst(one.row, other.row)) > 0
}
