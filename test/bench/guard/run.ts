import { availableParallelism, loadavg } from 'node:os'
import { systemClock } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import type { Guard, Guarded } from '../../../src/base/guard.ts'
import { testGuards } from '../../support/guards.ts'
import { machineLine, median, table } from '../table.ts'

export const GUARD_BENCH_HELP = `guard [--reps 5]
      what a breaker and a bulkhead add to a call that is answered at once: microseconds of CPU and bytes, medians`

/** Long enough for the optimiser, ms of one measurement. */
const MS = 300
const BATCH = 256

type Call = () => Promise<unknown>

const start = (): Guarded<number> => ({ outcome: Promise.resolve(1), cancel() {} })

function guards(): Record<string, Call> {
  const own = testGuards(systemClock)
  const both = own.guard('upstream:a', { maxConcurrent: 2 * BATCH, maxWaiting: 1 })
  const breaker = own.guard('provider:a@b')
  const open = own.guard('provider:a@open', { failures: 1, openFor: 600_000, openAtMost: 600_000 })
  open.run(() => ({ outcome: Promise.reject(new SkeinError('SKEIN_DEADLINE', 'never')), cancel() {} })).outcome.catch(() => {})
  const through = (guard: Guard): Call => () => guard.run(start).outcome
  return { 'no guard': () => start().outcome, breaker: through(breaker), 'breaker and bulkhead': through(both), 'open: refused': () => through(open)().catch(() => {}) }
}

/** µs and bytes of one call, its answer included. */
async function measure(call: Call): Promise<{ us: number; bytes: number }> {
  let calls = 0
  let allocated = 0
  let last = process.memoryUsage().heapUsed
  const began = performance.now()
  const before = process.cpuUsage()
  while (performance.now() - began < MS) {
    const batch: Promise<unknown>[] = []
    for (let n = 0; n < BATCH; n++) batch.push(call())
    await batch.at(-1)
    calls += BATCH
    if (calls % (BATCH * 16) !== 0) continue
    // A collection in between makes the heap smaller: that step is left out.
    const used = process.memoryUsage().heapUsed
    if (used > last) allocated += used - last
    last = used
  }
  // The processor's time, not the wall's: other work on the machine counts less.
  const { user, system } = process.cpuUsage(before)
  return { us: (user + system) / calls, bytes: allocated / calls }
}

export async function benchGuard({ reps }: { reps: number }, print: (line: string) => void): Promise<void> {
  const [load] = loadavg() as [number, number, number]
  print(machineLine(availableParallelism(), load, process.version))
  const rows: string[][] = []
  for (const [name, call] of Object.entries(guards())) {
    await measure(call)
    const runs: { us: number; bytes: number }[] = []
    for (let rep = 0; rep < reps; rep++) runs.push(await measure(call))
    rows.push([name, median(runs.map((run) => run.us)).toFixed(2), median(runs.map((run) => run.bytes)).toFixed(0)])
  }
  print(table(['a call through', 'µs CPU', 'bytes, about'], rows))
}
