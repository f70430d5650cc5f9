/** `npm run sim -- --tiers`: the tree of 20 000 nodes against a tenth of it, each in a process of its own. */
import { fork } from 'node:child_process'
import { join } from 'node:path'
import { compare, late, printKinds, printReport } from '../test/sim/tiers/large-report.ts'
import type { LargeReport, LargeTask } from '../test/sim/tiers/large-main.ts'

/** Twenty thousand nodes have 4 to 6 GiB; short-lived objects are most of the work. */
const NODE_FLAGS = ['--max-old-space-size=14000', '--max-semi-space-size=256']
const HEALS: LargeTask['heals'] = [
  { role: 'local', how: 'killed' }, { role: 'regional', how: 'killed' }, { role: 'global', how: 'killed' }, { role: 'local', how: 'silent' }
]
const COMMON = { window: 30_000, rest: 120_000, spread: 60_000, between: 30_000, heals: HEALS }

function run(task: LargeTask): Promise<LargeReport> {
  return new Promise((resolve, reject) => {
    const main = join(import.meta.dirname, '../test/sim/tiers/large-main.ts')
    const worker = fork(main, [JSON.stringify(task)], { execArgv: NODE_FLAGS })
    let report: LargeReport | undefined
    worker.on('message', (message) => (report = message as LargeReport))
    worker.on('error', reject)
    worker.on('exit', (code) => (report === undefined ? reject(new Error(`the simulation of ${task.shape.regions} x ${task.shape.areas} x ${task.shape.leaves} ended with ${code}`)) : resolve(report)))
  })
}

/**
 * @param full every leaf of the large one runs its machines: an hour. Otherwise one pool of leaves in ten does, and of each other pool its hub and four leaves.
 * @returns whether every bar holds
 */
export async function runTiers({ small, full, seed }: { small: boolean; full: boolean; seed: number }): Promise<boolean> {
  const print = (line: string) => console.log(line)
  const part = await run({ ...COMMON, shape: { regions: 10, areas: 2, leaves: 100, servers: 2_000, copies: 10, every: 1, running: 100, seed } })
  printReport('small', part, print)
  const wrong = late(part)
  if (!small) {
    const dense = await run({ ...COMMON, heals: [], shape: { regions: 10, areas: 2, leaves: 100, servers: 200, copies: 10, every: 1, running: 100, seed } })
    printReport('small, with as many servers at each leaf as in the large one', dense, print)
    const large = await run({ ...COMMON, shape: { regions: 10, areas: 20, leaves: 100, servers: 2_000, copies: 10, every: full ? 1 : 10, running: full ? 100 : 4, seed } })
    printReport('large', large, print)
    wrong.push(...late(large))
    print('large against small, the same catalog:')
    wrong.push(...compare(large, part, print))
    printKinds('regional', large, part, print)
    print('large against small, the same servers at each leaf:')
    compare(large, dense, print)
  }
  for (const sentence of wrong) print(`WRONG ${sentence}`)
  print(wrong.length === 0 ? 'all bars hold' : `${wrong.length} bars do not hold`)
  return wrong.length === 0
}
