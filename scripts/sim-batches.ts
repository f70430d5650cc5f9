/** Spreads the seeds of a simulation over processes, and adds up what comes back. */
import { fork } from 'node:child_process'
import { join } from 'node:path'

/** Runs that one worker is given at a time: long enough to keep it busy, short enough that both end together. */
const BATCH = 16

/** What every simulated run tells. */
export interface SimResult {
  seed: number
  steps: number
  virtualMs: number
  converged: number
  bound: number
  faults: Record<string, number>
  counts: Record<string, number>
  violation: string | undefined
}

export interface Totals<R extends SimResult = SimResult> {
  seeds: number
  steps: number
  virtualMs: number
  /** The slowest convergence as a share of its bound. */
  worst: number
  counts: Record<string, number>
  faults: Record<string, number>
  failed: R[]
}

function add<R extends SimResult>(totals: Totals<R>, result: R): void {
  totals.seeds++
  totals.steps += result.steps
  totals.virtualMs += result.virtualMs
  totals.worst = Math.max(totals.worst, result.converged / result.bound)
  for (const [name, count] of Object.entries(result.faults)) totals.faults[name] = (totals.faults[name] ?? 0) + count
  for (const [name, count] of Object.entries(result.counts)) totals.counts[name] = (totals.counts[name] ?? 0) + count
  if (result.violation !== undefined) totals.failed.push(result)
}

/** Each worker is scripts/sim.ts with --worker; it is sent `task` with `from` and `count`, and answers with as many results. */
export async function runAll<R extends SimResult>({ first, seeds, workers, task }: { first: number; seeds: number; workers: number; task: object }): Promise<Totals<R>> {
  const totals: Totals<R> = { seeds: 0, steps: 0, virtualMs: 0, worst: 0, counts: {}, faults: {}, failed: [] }
  let next = first
  const end = first + seeds
  const one = () =>
    new Promise<void>((resolve, reject) => {
      const worker = fork(join(import.meta.dirname, 'sim.ts'), ['--worker'])
      const give = () => {
        if (next >= end) {
          worker.disconnect()
          return
        }
        const count = Math.min(BATCH, end - next)
        worker.send({ ...task, from: next, count })
        next += count
      }
      worker.on('message', (results: R[]) => {
        for (const result of results) {
          if (result.violation !== undefined) console.log(`seed ${result.seed}: ${result.violation}`)
          add(totals, result)
        }
        give()
      })
      worker.on('error', reject)
      worker.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`))))
      give()
    })
  await Promise.all(Array.from({ length: workers }, one))
  return totals
}
