/** Spreads the seeds of a simulation over processes, and adds up what comes back. */
import { fork } from 'node:child_process'
import { join } from 'node:path'
import type { StormResult } from '../test/sim/frame/storm.ts'
import { add, noTotals } from '../test/sim/frame/totals.ts'
import type { Totals } from '../test/sim/frame/totals.ts'

/** Runs that one worker is given at a time: long enough to keep it busy, short enough that both end together. */
const BATCH = 16

/** Each worker is scripts/sim.ts with --worker; it is sent `task` with `from` and `count`, and answers with as many results. */
export async function runAll({ first, seeds, workers, task }: { first: number; seeds: number; workers: number; task: object }): Promise<Totals> {
  const totals = noTotals()
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
      worker.on('message', (results: StormResult[]) => {
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
