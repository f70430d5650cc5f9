/**
 * `npm run sim` or `node scripts/sim.ts [--seeds 4096] [--from 1] [--ticks 5000] [--without loss,partition] [--workers 2]`: the membership machine in many storms.
 * `--seed 123 [--trace]` replays one run. `--pools [100,500,1000]` measures large pools instead. Ends with one line of totals, and with 1 on any violation.
 */
import { fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { FAULT_NAMES } from '../test/sim/membership/faults.ts'
import type { Fault } from '../test/sim/membership/faults.ts'
import { measurePools } from '../test/sim/membership/pools.ts'
import { runVopr } from '../test/sim/membership/vopr.ts'
import type { VoprResult } from '../test/sim/membership/vopr.ts'

/** Runs that one worker is given at a time: long enough to keep it busy, short enough that both end together. */
const BATCH = 16

interface Batch {
  from: number
  count: number
  ticks: number
  without: Fault[]
}

function usage(problem: string): never {
  console.error(`${problem}\nusage: node scripts/sim.ts [--seeds 4096] [--from 1] [--ticks 5000] [--workers 2] [--without ${FAULT_NAMES.slice(0, 3).join()},…]\n       node scripts/sim.ts --seed 123 [--ticks 5000] [--without …] [--trace]\n       node scripts/sim.ts --pools [--sizes 100,500,1000] [--seed 1]`)
  process.exit(2)
}

function number(text: string | undefined, otherwise: number, name: string): number {
  const value = text === undefined ? otherwise : Number(text)
  if (!Number.isSafeInteger(value) || value < 0) usage(`--${name} must be a whole number, not ${text}`)
  return value
}

function read() {
  try {
    return parseArgs({
      options: {
        seed: { type: 'string' }, seeds: { type: 'string' }, from: { type: 'string' }, ticks: { type: 'string' }, workers: { type: 'string' },
        without: { type: 'string' }, sizes: { type: 'string' }, trace: { type: 'boolean' }, pools: { type: 'boolean' }, worker: { type: 'boolean' }
      }
    }).values
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error))
  }
}

function work(): void {
  process.on('message', ({ from, count, ticks, without }: Batch) => {
    const masked = new Set(without)
    process.send?.(Array.from({ length: count }, (_, i) => runVopr({ seed: from + i, ticks, masked })))
  })
}

interface Totals {
  seeds: number
  steps: number
  virtualMs: number
  worst: number
  counts: Record<string, number>
  faults: Record<string, number>
  failed: VoprResult[]
}

function add(totals: Totals, result: VoprResult): void {
  totals.seeds++
  totals.steps += result.steps
  totals.virtualMs += result.virtualMs
  totals.worst = Math.max(totals.worst, result.converged / result.bound)
  for (const [name, count] of Object.entries(result.faults)) totals.faults[name] = (totals.faults[name] ?? 0) + count
  for (const [name, count] of Object.entries(result.counts)) totals.counts[name] = (totals.counts[name] ?? 0) + count
  if (result.violation !== undefined) totals.failed.push(result)
}

async function runAll(first: number, seeds: number, ticks: number, without: Fault[], workers: number): Promise<Totals> {
  const totals: Totals = { seeds: 0, steps: 0, virtualMs: 0, worst: 0, counts: {}, faults: {}, failed: [] }
  let next = first
  const end = first + seeds
  const one = () =>
    new Promise<void>((resolve, reject) => {
      const worker = fork(import.meta.filename, ['--worker'])
      const give = () => {
        if (next >= end) {
          worker.disconnect()
          return
        }
        const count = Math.min(BATCH, end - next)
        worker.send({ from: next, count, ticks, without } satisfies Batch)
        next += count
      }
      worker.on('message', (results: VoprResult[]) => {
        for (const result of results) {
          if (result.violation !== undefined) console.log(`seed ${result.seed} (${result.members} members, ${result.profile}): ${result.violation}`)
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

function summary(totals: Totals, ticks: number, seconds: number): string {
  const faults = Object.entries(totals.faults).map(([name, count]) => `${name} ${count}`).join(', ')
  const { failed = 0, suspected = 0, refutation = 0, messages = 0 } = totals.counts
  const falseDeaths = totals.failed.filter(({ checker }) => checker === 'false-death').length
  return (
    `total: ${totals.seeds} seeds x ${ticks} ticks, ${(totals.virtualMs / 3_600_000).toFixed(1)} h of virtual time, ${totals.steps} steps, ${messages} messages in ${seconds.toFixed(0)} s ` +
    `(${(totals.seeds / seconds).toFixed(1)} seeds/s); faults: ${faults}; ${suspected} suspicions, ${refutation} refutations, ${failed} deaths, ${falseDeaths} false deaths in the calm; ` +
    `slowest convergence ${(100 * totals.worst).toFixed(0)} % of its bound; ${totals.failed.length} violations` +
    (totals.failed.length === 0 ? '' : ` in seeds ${totals.failed.map(({ seed }) => seed).toSorted((a, b) => a - b).join(', ')}`)
  )
}

const values = read()
if (values.worker === true) {
  work()
} else if (values.pools === true) {
  const sizes = (values.sizes ?? '100,500,1000').split(',').map((size) => number(size, 0, 'sizes'))
  if (!measurePools(sizes, number(values.seed, 1, 'seed'), (line) => console.log(line))) process.exitCode = 1
} else {
  const ticks = number(values.ticks, 5_000, 'ticks')
  const without = (values.without ?? '').split(',').filter((name) => name !== '') as Fault[]
  for (const name of without) if (!FAULT_NAMES.includes(name)) usage(`--without ${name}: the faults are ${FAULT_NAMES.join(', ')}`)
  if (values.seed !== undefined) {
    const trace = values.trace === true ? { trace: (line: string) => console.log(line) } : {}
    const result = runVopr({ seed: number(values.seed, 0, 'seed'), ticks, masked: new Set(without), ...trace })
    console.log(JSON.stringify(result, undefined, 2))
    if (result.violation !== undefined) process.exitCode = 1
  } else {
    const started = performance.now()
    const workers = Math.max(1, number(values.workers, Math.min(2, availableParallelism()), 'workers'))
    const totals = await runAll(number(values.from, 1, 'from'), number(values.seeds, 4_096, 'seeds'), ticks, without, workers)
    console.log(summary(totals, ticks, (performance.now() - started) / 1_000))
    if (totals.failed.length > 0) process.exitCode = 1
  }
}
