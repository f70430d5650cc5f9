/**
 * `npm run sim` or `node scripts/sim.ts [--seeds 4096] [--from 1] [--ticks 5000] [--without loss,partition] [--workers 2]`: the membership machine in many storms.
 * `--quorum` runs the quorum machine instead, with its own faults. `--seed 123 [--trace]` replays one run. `--pools [100,500,1000]` measures large pools
 * instead; `--tiers [--small] [--full]` the tree of 20 000 nodes against a tenth of it. Ends with one line of totals, and with 1 on any violation.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import type { StormOptions, StormResult } from '../test/sim/frame/storm.ts'
import type { Totals } from '../test/sim/frame/totals.ts'
import { FAULT_NAMES } from '../test/sim/membership/faults.ts'
import { measurePools } from '../test/sim/membership/pools.ts'
import { runVopr } from '../test/sim/membership/vopr.ts'
import { FAULT_NAMES as QUORUM_FAULT_NAMES } from '../test/sim/quorum/faults.ts'
import { runQuorumVopr } from '../test/sim/quorum/vopr.ts'
import { runAll } from './sim-batches.ts'
import { runTiers } from './sim-tiers.ts'

interface Simulation {
  faults: readonly string[]
  ticks: number
  run: (options: StormOptions) => StormResult
  /** What its totals say beside what all do. */
  traffic: (counts: Totals['counts']) => string
  reactions: (totals: Totals) => string
}

const SIMULATIONS = {
  membership: {
    faults: FAULT_NAMES,
    ticks: 5_000,
    run: runVopr as Simulation['run'],
    traffic: ({ messages = 0 }) => `${messages} messages`,
    reactions({ counts: { suspected = 0, refutation = 0, failed = 0 }, failed: runs }) {
      const falseDeaths = runs.filter(({ checker }) => checker === 'false-death').length
      return `${suspected} suspicions, ${refutation} refutations, ${failed} deaths, ${falseDeaths} false deaths in the calm`
    }
  },
  quorum: {
    faults: QUORUM_FAULT_NAMES,
    ticks: 600,
    run: runQuorumVopr as Simulation['run'],
    traffic: ({ calls = 0 }) => `${calls} calls`,
    reactions({ counts }) {
      const of = (name: string) => counts[name] ?? 0
      const outcomes = ['decided', 'conflict', 'no-quorum', 'expired', 'unknown'].map((name) => `${of(`outcome ${name}`)} ${name}`).join(', ')
      return (
        `${of('crash lost')} writes lost, ${of('crash torn')} torn, ${of('lost')} messages lost; ` +
        `${outcomes}; ${of('log voterChanges')} changes of voters, ${of('log decisions')} decisions, ${of('lease holders')} changes of holder`
      )
    }
  }
} satisfies Record<string, Simulation>

interface Task {
  of: keyof typeof SIMULATIONS
  from: number
  count: number
  ticks: number
  without: string[]
}

function usage(problem: string): never {
  console.error(`${problem}\nusage: node scripts/sim.ts [--quorum] [--seeds 4096] [--from 1] [--ticks 5000] [--workers 2] [--without ${FAULT_NAMES.slice(0, 3).join()},…]\n       node scripts/sim.ts [--quorum] --seed 123 [--ticks 5000] [--without …] [--trace]\n       node scripts/sim.ts --pools [--sizes 100,500,1000] [--seed 1]\n       node scripts/sim.ts --tiers [--small] [--full] [--seed 1]`)
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
        without: { type: 'string' }, sizes: { type: 'string' }, trace: { type: 'boolean' }, quorum: { type: 'boolean' }, pools: { type: 'boolean' }, tiers: { type: 'boolean' }, small: { type: 'boolean' }, full: { type: 'boolean' }, worker: { type: 'boolean' }
      }
    }).values
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error))
  }
}

function work(): void {
  process.on('message', ({ of, from, count, ticks, without }: Task) => {
    process.send?.(Array.from({ length: count }, (_, i) => SIMULATIONS[of].run({ seed: from + i, ticks, masked: new Set(without) })))
  })
}

function summary({ traffic, reactions }: Simulation, totals: Totals, ticks: number, seconds: number): string {
  const { seeds, virtualMs, steps, counts, worst, failed } = totals
  const faults = Object.entries(totals.faults).map(([name, count]) => `${name} ${count}`).join(', ')
  const wrong = failed.length === 0 ? '' : ` in seeds ${failed.map(({ seed }) => seed).toSorted((a, b) => a - b).join(', ')}`
  return (
    `total: ${seeds} seeds x ${ticks} ticks, ${(virtualMs / 3_600_000).toFixed(1)} h of virtual time, ${steps} steps in ${seconds.toFixed(0)} s (${(seeds / seconds).toFixed(1)} seeds/s), ` +
    `${traffic(counts)}; faults: ${faults}; ${reactions(totals)}; slowest convergence ${(100 * worst).toFixed(0)} % of its bound; ${failed.length} violations${wrong}`
  )
}

const values = read()
if (values.worker === true) {
  work()
} else if (values.pools === true) {
  const sizes = (values.sizes ?? '100,500,1000').split(',').map((size) => number(size, 0, 'sizes'))
  if (!measurePools(sizes, number(values.seed, 1, 'seed'), (line) => console.log(line))) process.exitCode = 1
} else if (values.tiers === true) {
  if (!(await runTiers({ small: values.small === true, full: values.full === true, seed: number(values.seed, 1, 'seed') }))) process.exitCode = 1
} else {
  const of = values.quorum === true ? 'quorum' : 'membership'
  const simulation: Simulation = SIMULATIONS[of]
  const ticks = number(values.ticks, simulation.ticks, 'ticks')
  const without = (values.without ?? '').split(',').filter((name) => name !== '')
  for (const name of without) if (!simulation.faults.includes(name)) usage(`--without ${name}: the faults are ${simulation.faults.join(', ')}`)
  if (values.seed !== undefined) {
    const trace = values.trace === true ? { trace: (line: string) => console.log(line) } : {}
    const result = simulation.run({ seed: number(values.seed, 0, 'seed'), ticks, masked: new Set(without), ...trace })
    console.log(JSON.stringify(result, undefined, 2))
    if (result.violation !== undefined) process.exitCode = 1
  } else {
    const started = performance.now()
    const workers = Math.max(1, number(values.workers, Math.min(2, availableParallelism()), 'workers'))
    const totals = await runAll({ first: number(values.from, 1, 'from'), seeds: number(values.seeds, 4_096, 'seeds'), workers, task: { of, ticks, without } })
    console.log(summary(simulation, totals, ticks, (performance.now() - started) / 1_000))
    if (totals.failed.length > 0) process.exitCode = 1
  }
}
