import { availableParallelism, loadavg } from 'node:os'
import { systemClock } from '../../../src/base/clock.ts'
import { systemRandom } from '../../../src/base/random.ts'
import { createRouter } from '../../../src/routing/router.ts'
import type { Candidate } from '../../../src/routing/types.ts'
import { machineLine, median, table } from '../table.ts'

export const ROUTE_BENCH_HELP = `route [--reps 5]
    one choice of a provider among 2, 10 and 100 candidates: microseconds and bytes, medians (issue 5 is measured with --reps 7)`

/** µs that issue 5 allows; printed beside the figure, never a failure. */
const BARS: Record<number, number> = { 2: 2, 100: 20 }
/** Long enough for the optimiser, ms of one measurement. */
const MS = 300

/** Everybody is known, busy and has failed once: nothing is skipped. */
function world(count: number) {
  const router = createRouter({ clock: systemClock, random: systemRandom })
  const candidates: Candidate[] = Array.from({ length: count }, (_, n) => ({ peer: `12D3KooW${String(n).padStart(44, 'x')}`, local: false, rtt: 1 + (n % 7), capacity: 64, suspect: false, breaker: 'closed' }))
  for (const { peer } of candidates) {
    for (const how of ['answered', 'failed', 'answered'] as const) {
      router.started('server', peer)
      router.ended('server', peer, how, 20, { running: 5, waiting: 0 }, 'tool')
    }
    router.started('server', peer)
  }
  return { router, candidates }
}

/** µs and bytes of one choice. */
function measure(count: number): { us: number; bytes: number } {
  const { router, candidates } = world(count)
  const options = { tool: 'tool' }
  const batch = Math.ceil(2_000 / count)
  let choices = 0
  const heap = process.memoryUsage().heapUsed
  let allocated = 0
  let last = heap
  const began = performance.now()
  let now = began
  while (now - began < MS) {
    for (let n = 0; n < batch; n++) router.choose('server', candidates, options)
    choices += batch
    now = performance.now()
    if (choices % (batch * 64) !== 0) continue
    // A collection in between makes the heap smaller: that step is left out.
    const used = process.memoryUsage().heapUsed
    if (used > last) allocated += used - last
    last = used
  }
  return { us: ((now - began) * 1_000) / choices, bytes: allocated / choices }
}

export function benchRoute({ reps }: { reps: number }, print: (line: string) => void): void {
  const [load] = loadavg() as [number, number, number]
  print(machineLine(availableParallelism(), load, process.version))
  const rows = [2, 10, 100].map((count) => {
    measure(count)
    const runs = Array.from({ length: reps }, () => measure(count))
    const us = median(runs.map((run) => run.us))
    const bar = BARS[count]
    return [String(count), us.toFixed(2), bar === undefined ? '' : `${bar}`, median(runs.map((run) => run.bytes)).toFixed(0)]
  })
  print(table(['candidates', 'µs a choice', 'bar', 'bytes, about'], rows))
}
