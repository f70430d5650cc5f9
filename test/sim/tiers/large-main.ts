/** One run of the large tree in a process of its own (scripts/sim.ts --tiers starts it): shape and options as JSON in, result as a message or a line out. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Shape } from '../../support/large-world.ts'
import { runLarge, swimOf, ROLES, type LargeOptions, type LargeResult, type Role } from './large.ts'
import { measureSwim, type SwimCost } from './large-swim.ts'

export interface LargeTask {
  shape: Shape
  window: number
  rest: number
  spread: number
  between: number
  heals: LargeOptions['heals']
}

export interface LargeReport extends LargeResult {
  /** Membership of the pools that a node of the role is in. */
  swim: Record<Role, ReturnType<typeof swimOf>>
  pools: SwimCost[]
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
// Twenty thousand nodes reject what comes too late all the time.
Error.stackTraceLimit = 0

function heapUsed(): number {
  collect()
  collect()
  return process.memoryUsage().heapUsed
}

export async function runTask({ shape, ...options }: LargeTask, print: (line: string) => void): Promise<LargeReport> {
  const sizes = [...new Set([shape.regions + 1, shape.areas + 1, shape.leaves + 1])].toSorted((a, b) => a - b)
  const pools = sizes.map((size) => measureSwim(Math.max(6, size), shape.seed, heapUsed))
  const costOf = (size: number): SwimCost => pools.find((pool) => pool.size >= size) ?? (pools.at(-1) as SwimCost)
  for (const { size, detection } of pools) print(`membership of ${size}: a killed one is dead to all after ${detection.killed.last.toFixed(0)} ms, a silent one after ${detection.silent.last.toFixed(0)} ms`)
  const result = await runLarge(shape, { ...options, detection: (size) => costOf(size).detection, heapUsed, print })
  return { ...result, pools, swim: Object.fromEntries(ROLES.map((role) => [role, swimOf(role, shape, costOf)])) as LargeReport['swim'] }
}

const [, file, task] = process.argv
if (file === import.meta.filename && task !== undefined) {
  const report = await runTask(JSON.parse(task) as LargeTask, (line) => console.log(`  ${line}, ${Math.round(process.memoryUsage().rss / 2 ** 20)} MiB`))
  if (process.send === undefined) console.log(JSON.stringify(report))
  else process.send(report)
}
