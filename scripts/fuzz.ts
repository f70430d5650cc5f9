/**
 * `npm run fuzz [inputs] [seed]`: every reader of foreign bytes and the session machine with many seeded inputs, half of them for the machine.
 * Run with --expose-gc to see that nothing grows. Ends with 1 on any finding, on a target most of whose inputs fail the first decode, and on growth.
 */
import { fuzz, newCount } from '../test/fuzz/driver.ts'
import { allTargets } from '../test/fuzz/targets.ts'

const inputs = Number(process.argv[2] ?? 1_000_000)
const seed = Number(process.argv[3] ?? 1)
if (!Number.isSafeInteger(inputs) || inputs < 1 || !Number.isSafeInteger(seed)) {
  console.error('usage: npm run fuzz [inputs] [seed], two whole numbers')
  process.exit(2)
}
const SLICE = 10_000
/** Before the first look at the heap, so that compiled code and caches are not counted as growth. */
const WARM_UP = 2_000
/** What the heap may vary by between two collections. */
const GROWTH_MB = 8
const collect = (globalThis as { gc?: () => void }).gc

function heap(): number {
  collect?.()
  return process.memoryUsage().heapUsed / 1e6
}

const started = performance.now()
const targets = allTargets()
const weights = targets.reduce((sum, { weight = 1 }) => sum + weight, 0)
const total = newCount('total')
let failed = false
console.log(`${targets.length} targets, ${inputs} inputs, seed ${seed}${collect === undefined ? ' (heap sizes are without a collection: run with --expose-gc)' : ''}`)
for (const target of targets) {
  const count = newCount(target.name)
  const share = Math.ceil((inputs * (target.weight ?? 1)) / weights)
  await fuzz(target, Math.min(WARM_UP, share), seed, count)
  const before = heap()
  for (let slice = 1; count.inputs < share; slice++) await fuzz(target, Math.min(SLICE, share - count.inputs), seed + slice, count)
  const after = heap()
  const parsed = `${Math.round((100 * count.parsed) / count.inputs)} % passed the first decode`
  console.log(
    `${target.name.padEnd(28)} ${count.inputs} inputs, ${parsed}, ${count.accepted} accepted, ${count.rejected} rejected, ${count.crashes} crashes, heap ${before.toFixed(1)} -> ${after.toFixed(1)} MB`
  )
  for (const finding of count.findings) console.log(finding)
  if (count.crashes > 0 || count.parsed * 2 < count.inputs) failed = true
  if (collect !== undefined && after - before > GROWTH_MB) {
    console.log(`${target.name}: the heap grew by more than ${GROWTH_MB} MB`)
    failed = true
  }
  for (const key of ['inputs', 'parsed', 'accepted', 'rejected', 'crashes'] as const) total[key] += count[key]
}
console.log(
  `total: ${total.inputs} inputs, ${Math.round((100 * total.parsed) / total.inputs)} % passed the first decode, ${total.accepted} accepted, ${total.rejected} rejected, ${total.crashes} crashes, ${Math.round((performance.now() - started) / 1000)} s`
)
if (failed) process.exitCode = 1
